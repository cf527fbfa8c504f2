"""A TCP relay whose line can be made bad while connections run through it: delayed, cut, deaf one way, corrupting.

    relay = Relay(target_port)
    client.connect(("127.0.0.1", relay.port))
    relay.delay = 0.05; relay.swallow = {"up"}; relay.cut(); relay.heal()

One thread for each direction of each connection. "up" is from the client to the target.
"""
import random
import socket
import struct
import threading
import time

CHUNK = 65536


class Relay:
    def __init__(self, target_port, host="127.0.0.1"):
        self.host, self.target_port = host, target_port
        self.delay = self.jitter = 0.0  # seconds, each way
        self.corrupt = 0.0              # share of the chunks that get one bit flipped
        self.swallow = set()            # ways ("up", "down") whose bytes vanish while the connection stays
        self.refuse = False             # new connections are closed at once
        self.carried = {"up": 0, "down": 0}
        self.connections = 0
        self._pairs = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Ends all connections with a reset and refuses new ones."""
        self.refuse = True
        self.reset()

    def heal(self):
        self.refuse = False
        self.delay = self.jitter = self.corrupt = 0.0
        self.swallow = set()

    def reset(self):
        """Ends the connections there are; new ones may come."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for s in pair:
                self._abort(s)

    def close(self):
        self.cut()
        self._listener.close()

    @staticmethod
    def _abort(s):
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                client.close()
                continue
            try:
                target = socket.create_connection((self.host, self.target_port), timeout=10)
            except OSError:
                client.close()
                continue
            target.settimeout(None)
            for s in (client, target):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, target)
            with self._lock:
                self.connections += 1
                self._pairs.add(pair)
            threading.Thread(target=self._pump, args=(client, target, "up", pair), daemon=True).start()
            threading.Thread(target=self._pump, args=(target, client, "down", pair), daemon=True).start()

    def _pump(self, source, sink, way, pair):
        try:
            while True:
                data = source.recv(CHUNK)
                if not data:
                    break
                wait = self.delay + random.uniform(0, self.jitter)
                if wait > 0:
                    time.sleep(wait)
                if way in self.swallow:
                    continue
                if self.corrupt and random.random() < self.corrupt:
                    at = random.randrange(len(data))
                    data = data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1:]
                sink.sendall(data)
                self.carried[way] += len(data)
        except OSError:
            pass
        with self._lock:
            self._pairs.discard(pair)
        for s in pair:
            self._abort(s)
            s.close()
