"""A scripted SMTP server: it does what it is told, and remembers what was said to it.

    with FakeSmtp() as server:
        server.on["RCPT"] = lambda s, line: "450 4.7.1 come back" if "bob" in line else None
        ...
        server.messages[0].data, server.said

A reply may be text without its CRLF (several lines for a multi-line reply: "250-a\\r\\n250 b"), None for the usual one, a
Raw for bytes as they are, or one of CLOSE (at once, without a word), RESET, HANG (no answer until the client goes),
DRIP (a byte now and then, without an end).
"""
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

CLOSE, RESET, HANG, DRIP = object(), object(), object(), object()
KEYWORDS = ["PIPELINING", "8BITMIME", "SIZE 10000000", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8"]


class Raw(bytes):
    """Bytes that go out as they are, in place of a reply."""


class _Over(Exception):
    pass


@dataclass
class Message:
    mail: str
    rcpts: list
    data: bytes = b""
    verb: str = "DATA"
    tls: str = ""


@dataclass
class Session:
    number: int
    tls: str = ""
    resumed: bool = False
    mail: str = None
    rcpts: list = field(default_factory=list)
    chunks: bytes = b""


class FakeSmtp:
    def __init__(self, host="127.0.0.1", port=0, name="fake.test", keywords=None, certificate=None):
        self.name = name
        self.keywords = list(KEYWORDS if keywords is None else keywords)
        self.context = certificate.server_context() if certificate else None
        self.on = {}            # verb: function(session, line) -> reply; also GREETING, BODY, TLS
        self.said = []          # every line of every client, in order
        self.messages = []
        self.sessions = []
        self.greeting = None
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=64)
        self.port = self._listener.getsockname()[1]
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._abort(self._listener)  # ends accept(2), which would keep the port
        self._listener.close()
        with self._lock:
            for s in list(self._open):
                self._abort(s)

    def lines(self, verb):
        with self._lock:
            return [line for line in self.said if line.upper().startswith(verb)]

    def _abort(self, s):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(conn)
                session = Session(len(self.sessions))
                self.sessions.append(session)
            threading.Thread(target=self._serve, args=(conn, session), daemon=True).start()

    def _serve(self, conn, session):
        talk = _Talk(self, conn, session)
        try:
            talk.run()
        except (_Over, OSError, ValueError):
            pass
        with self._lock:
            self._open.discard(conn)
        talk.close()


class _Talk:
    def __init__(self, server, conn, session):
        self.server, self.conn, self.session = server, conn, session
        self.buffer = b""

    def close(self):
        self.conn.close()

    def run(self):
        s = self.server
        self.reply("GREETING", "", s.greeting or f"220 {s.name} ESMTP fake")
        while True:
            line = self.line()
            with s._lock:
                s.said.append(line)
            verb = line.split(" ")[0].upper()
            getattr(self, "do_" + verb, self.unknown)(line)

    # ---- bytes ----

    def more(self):
        data = self.conn.recv(65536)
        if not data:
            raise _Over
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "surrogateescape")

    def take(self, n):
        while len(self.buffer) < n:
            self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def reply(self, verb, line, usual):
        """Says what the script says, or the usual; returns the text that was said."""
        hook = self.server.on.get(verb)
        said = hook(self.session, line) if hook else None
        said = usual if said is None else said
        if said is CLOSE:
            raise _Over
        if said is RESET:
            self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Over
        while said is DRIP:
            self.conn.sendall(b"250-more\r\n")
            time.sleep(0.1)  # the script itself, not a wait for something
        if said is HANG:
            while self.conn.recv(65536):
                pass
            raise _Over
        self.conn.sendall(said if isinstance(said, Raw) else said.encode() + b"\r\n")
        return said.decode("latin-1") if isinstance(said, Raw) else said

    # ---- commands ----

    def unknown(self, line):
        self.reply(line.split(" ")[0].upper(), line, "500 5.5.1 what?")

    def do_EHLO(self, line):
        keywords = list(self.server.keywords)
        if self.server.context and not self.session.tls:
            keywords.append("STARTTLS")
        lines = [self.server.name] + keywords
        self.reply("EHLO", line, "\r\n".join(f"250{'-' if i + 1 < len(lines) else ' '}{x}" for i, x in enumerate(lines)))

    def do_HELO(self, line):
        self.reply("HELO", line, f"250 {self.server.name}")

    def do_STARTTLS(self, line):
        said = self.reply("STARTTLS", line, "220 2.0.0 go")
        if said.startswith("220") and self.server.context:
            hook = self.server.on.get("TLS")
            if hook and hook(self.session, "") is CLOSE:
                raise _Over
            self.conn = self.server.context.wrap_socket(self.conn, server_side=True)
            self.session.tls = self.conn.version()
            self.session.resumed = self.conn.session_reused
            self.buffer = b""

    def do_MAIL(self, line):
        if self.reply("MAIL", line, "250 2.1.0 ok").startswith("2"):
            self.session.mail, self.session.rcpts = line, []

    def do_RCPT(self, line):
        usual = "250 2.1.5 ok" if self.session.mail else "503 5.5.1 MAIL first"
        if self.reply("RCPT", line, usual).startswith("2"):
            self.session.rcpts.append(line)

    def do_RSET(self, line):
        self.session.mail = None
        self.reply("RSET", line, "250 2.0.0 ok")

    def do_NOOP(self, line):
        self.reply("NOOP", line, "250 2.0.0 ok")

    def do_QUIT(self, line):
        self.reply("QUIT", line, "221 2.0.0 bye")
        raise _Over

    def do_DATA(self, line):
        usual = "354 go" if self.session.rcpts else "554 5.5.1 no valid recipients"
        if not self.reply("DATA", line, usual).startswith("3"):
            return
        hook = self.server.on.get("DURING")  # while the message comes in
        if hook:
            self.more()
            self.reply("DURING", line, "250 ok")
        while not self.buffer.startswith(b".\r\n") and b"\r\n.\r\n" not in self.buffer:
            self.more()
        if self.buffer.startswith(b".\r\n"):
            data, self.buffer = b"", self.buffer[3:]
        else:
            data, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
            data += b"\r\n"
        if data.startswith(b"."):
            data = data[1:]
        self.done(line, data.replace(b"\r\n.", b"\r\n"), "DATA")

    def do_BDAT(self, line):
        words = line.split(" ")
        self.session.chunks += self.take(int(words[1]))
        if words[-1].upper() == "LAST":
            data, self.session.chunks = self.session.chunks, b""
            self.done(line, data, "BDAT")
        else:
            self.reply("CHUNK", line, "250 2.0.0 more")

    def done(self, line, data, verb):
        usual = "250 2.6.0 taken" if self.session.rcpts else "503 5.5.1 nobody to send it to"
        message = Message(self.session.mail, list(self.session.rcpts), data, verb, self.session.tls)
        if self.session.rcpts:
            with self.server._lock:
                self.server.messages.append(message)
        said = self.reply("BODY", line, usual)
        if not said.startswith("2") and message in self.server.messages:
            self.server.messages.remove(message)
        self.session.mail = None

    # ---- AUTH ----

    def do_AUTH(self, line):
        """PLAIN, and LOGIN with its prompts; what was said is in server.said."""
        if line.upper().startswith("AUTH LOGIN"):
            for prompt in ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"):
                self.conn.sendall(prompt.encode() + b"\r\n")
                answer = self.line()
                with self.server._lock:
                    self.server.said.append(answer)
        self.reply("AUTH", line, "235 2.7.0 welcome")
