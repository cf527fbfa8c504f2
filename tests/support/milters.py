"""Milters for tests: our scripted one on libmilter, and how the pod's configuration names them."""
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time

from pod import BIN, until

SCRIPTED = os.path.normpath(os.path.join(BIN, "../tests/component/scripted_milter"))


def milter_conf(name, socket, **options):
    """One block of mta.milters."""
    fields = {"name": name, "socket": socket, **options}
    return "{ " + "; ".join(f'{k} = "{v}"' if k == "socket" else f"{k} = {v}" for k, v in fields.items()) + " }"


def set_milters(pod, **lists):
    """Writes milters=[...], submission_milters=[...] into a pod's configuration (before it is up, or for a reload)."""
    path = os.path.join(pod.dir, "podmail.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    begin, end = "# milters of a test\n", "# end of milters\n"
    if begin in text:
        text = text[:text.index(begin)] + text[text.index(end) + len(end):]
    lines = "".join(f"    {option} = [ {', '.join(blocks)} ]\n" for option, blocks in lists.items())
    if "\nmta {\n" not in text:
        text += "\nmta {\n}\n"
    text = text.replace("\nmta {\n", "\nmta {\n" + begin + lines + end, 1)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def let_in(path):
    """A pod started by root connects as a user of its own."""
    os.chmod(os.path.dirname(path), 0o755)
    os.chmod(path, 0o666)


class ScriptedMilter:
    """tests/component/scripted_milter.c, listening on a unix socket in folder."""

    def __init__(self, folder, name, script):
        self.name = name
        self.path = os.path.join(folder, name + ".sock")
        self.socket = "unix:" + self.path
        self.log_path = os.path.join(folder, name + ".log")
        self.script_path = os.path.join(folder, name + ".script")
        with open(self.script_path, "w", encoding="utf-8") as f:
            f.write(script)
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        open(self.log_path, "w", encoding="utf-8").close()
        self.process = subprocess.Popen([SCRIPTED, self.socket, self.script_path, self.log_path])
        until(lambda: os.path.exists(self.path) and self.events(), f"milter {self.name}")
        let_in(self.path)

    def conf(self, **options):
        return milter_conf(self.name, self.socket, **options)

    def events(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def clear(self):
        os.truncate(self.log_path, 0)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


LENGTH = struct.Struct("!I")
CONTINUE = b"c"


def frame(letter, data=b""):
    return LENGTH.pack(len(data) + 1) + letter + data


class FakeMilter:
    """A milter that does as it is told at the level of bytes: plan[letter of a command] is a list of bytes to send, of
    seconds to be silent, of "close"; commands without an entry are answered "continue" (or not at all, where none is due).
    once is the same for one time. A connection serves one session, unless keeps is set."""

    SILENT = "DAQ"

    def __init__(self, folder, name):
        self.name = name
        self.path = os.path.join(folder, name + ".sock")
        self.socket = "unix:" + self.path
        self.reset()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        let_in(self.path)
        self.server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self):
        self.plan, self.once, self.seen = {}, {}, []
        self.actions, self.steps, self.version = 0x1FF, 0x400, 6
        self.keeps = False

    def conf(self, **options):
        return milter_conf(self.name, self.socket, **options)

    def stop(self):
        self.server.close()

    def _accept(self):
        while True:
            try:
                conn, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    @staticmethod
    def _read(conn, n):
        data = b""
        while len(data) < n:
            more = conn.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def _serve(self, conn):
        with conn:
            try:
                while True:
                    data = self._read(conn, LENGTH.unpack(self._read(conn, 4))[0])
                    letter = chr(data[0])
                    self.seen.append((letter, data[1:]))
                    if letter == "Q" or not self._answer(conn, letter):
                        return
            except (OSError, EOFError):
                return

    def _answer(self, conn, letter):
        default = [] if letter in self.SILENT else [frame(CONTINUE)]
        if letter == "O":
            default = [frame(b"O", struct.pack("!III", self.version, self.actions, self.steps))]
        if letter == "K":
            default = [] if self.keeps else ["close"]
        for what in self.once.pop(letter, None) or self.plan.get(letter, default):
            if what == "close":
                return False
            if isinstance(what, bytes):
                conn.sendall(what)
            else:
                time.sleep(what)
        return True
