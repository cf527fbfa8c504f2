"""An MTA's side of the milter protocol, version 6, for tests that ask a filter without an mta in between.

    with MilterClient("/run/podfilter.sock") as m:
        m.connect("mail.example.org", "192.0.2.1")
        answer = m.message("a@example.org", ["b@example.test"], b"Subject: x\\r\\n\\r\\nbody\\r\\n")
        answer.code, answer.text, answer.headers_inserted, answer.quarantine
"""
import socket
import struct

VERSION = 6
ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF
# What a filter may choose not to answer.
NO_REPLY = {"C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000, "T": 0x10000, "U": 0x20000, "L": 0x80, "N": 0x40000,
            "B": 0x80000}
NOT_SAID = {"N": 0x40}  # and what it may choose not to be told
MODIFICATIONS = "+-hmibepq2"


class Answer:
    """What the filter said to a step: reply is one of c (go on), a, d, r, t, y; code and text belong to y."""

    def __init__(self):
        self.reply = "c"
        self.code = None
        self.text = None
        self.inserted = []   # (index, name, value)
        self.added = []      # (name, value)
        self.changed = []    # (nth, name, value): "" deletes
        self.quarantine = None

    @property
    def accepted(self):
        return self.reply in "ca"

    def header(self, name):
        for _, n, v in self.inserted:
            if n.lower() == name.lower():
                return v.removeprefix(" ")  # the one behind the colon
        return None


class MilterClient:
    def __init__(self, path, timeout=60):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        self.s.connect(path)
        self._send("O", struct.pack("!III", VERSION, ALL_ACTIONS, ALL_STEPS))
        command, data = self._receive()
        assert command == "O", command
        _, self.actions, self.steps = struct.unpack("!III", data[:12])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.s.close()

    def close(self):
        try:
            self._send("Q")
        except OSError:
            pass
        self.s.close()

    def _send(self, command, data=b""):
        self.s.sendall(struct.pack("!I", len(data) + 1) + command.encode() + data)

    def _exactly(self, n):
        out = b""
        while len(out) < n:
            piece = self.s.recv(n - len(out))
            if not piece:
                raise ConnectionError("the filter closed the connection")
            out += piece
        return out

    def _receive(self):
        (length,) = struct.unpack("!I", self._exactly(4))
        data = self._exactly(length)
        return chr(data[0]), data[1:]

    def _note(self, answer, command, data):
        fields = data.split(b"\0")
        if command == "i":
            (index,) = struct.unpack("!I", data[:4])
            name, value = data[4:].split(b"\0")[:2]
            answer.inserted.append((index, name.decode(), value.decode(errors="replace")))
        elif command == "h":
            answer.added.append((fields[0].decode(), fields[1].decode(errors="replace")))
        elif command == "m":
            (index,) = struct.unpack("!I", data[:4])
            name, value = data[4:].split(b"\0")[:2]
            answer.changed.append((index, name.decode(), value.decode(errors="replace")))
        elif command == "q":
            answer.quarantine = fields[0].decode()

    def step(self, command, data=b"", macros=None):
        """Sends macros and a command and waits for the answer."""
        if self.steps & NOT_SAID.get(command, 0):
            return Answer()
        if macros is not None:
            self._send("D", command.encode() + b"".join(f"{k}\0{v}\0".encode() for k, v in macros.items()))
        self._send(command, data)
        answer = Answer()
        if self.steps & NO_REPLY.get(command, 0):
            return answer
        while True:
            reply, data = self._receive()
            if reply in MODIFICATIONS:
                self._note(answer, reply, data)
                continue
            answer.reply = reply
            if reply == "y":
                text = data.split(b"\0")[0].decode()
                answer.code, answer.text = int(text[:3]), text
            return answer

    # ---- the stages ----

    def connect(self, name, address, daemon="smtp", mta="mx.example.test"):
        family = "6" if ":" in address else "4"
        data = name.encode() + b"\0" + family.encode() + struct.pack("!H", 40000) + address.encode() + b"\0"
        return self.step("C", data, {"j": mta, "{daemon_name}": daemon, "{client_addr}": address})

    def helo(self, name):
        return self.step("H", name.encode() + b"\0")

    def mail(self, sender, trace="0123456789abcdef", login=None):
        macros = {"i": trace}
        if login:
            macros["{auth_authen}"] = login
        return self.step("M", f"<{sender}>".encode() + b"\0", macros)

    def rcpt(self, recipient, refused=False):
        return self.step("R", f"<{recipient}>".encode() + b"\0", {"{rcpt_mailer}": "error" if refused else "local"})

    def data(self, message):
        """Header, body and end of a message with CRLF; the answer is that to its end."""
        head, _, body = message.partition(b"\r\n\r\n")
        answer = self.step("T")
        if not answer.accepted:
            return answer
        for name, value in fields(head):
            self.step("L", name + b"\0" + value + b"\0")
        answer = self.step("N")
        for at in range(0, len(body), 65535):
            self.step("B", body[at:at + 65535])
        return self.step("E") if answer.accepted else answer

    def message(self, sender, recipients, message, **kw):
        """MAIL to the end; the first answer that is no "go on"."""
        answer = self.mail(sender, **kw)
        for recipient in recipients:
            if answer.accepted:
                answer = self.rcpt(recipient)
        answer = self.data(message) if answer.accepted else answer
        if not answer.accepted:
            self.abort()
        return answer

    def abort(self):
        self._send("A")

    def next_connection(self):
        """QUIT_NC: the next connect goes over the same socket."""
        self._send("K")


def fields(head):
    """The fields of a header: names, and values with their leading space, folded with LF."""
    out = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and out:
            out[-1] = (out[-1][0], out[-1][1] + b"\n" + line)
        elif line:
            name, _, value = line.partition(b":")
            out.append((name, value))
    return out
