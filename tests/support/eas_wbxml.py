"""WBXML as a phone writes and reads it (MS-ASWBXML), for tests: its own codec, so that the server's is checked by something else.

    tree = E("AirSync:Sync", E("AirSync:SyncKey", "0"))
    decode(encode(tree)) == tree
"""
from eas_pages import NAMES, TOKENS


class Malformed(Exception):
    """What the server sent is no document of ActiveSync."""


class E:
    """An element: a tag, then children, or text (str), or OPAQUE (bytes). None among children is left out."""

    def __init__(self, tag, *content):
        self.tag = tag
        self.children = [c for c in content if isinstance(c, E)]
        runs = [c for c in content if isinstance(c, (str, bytes))]
        self.value = runs[0] if len(runs) == 1 else None
        if len(runs) > 1:
            self.value = b"".join(r.encode() if isinstance(r, str) else r for r in runs)

    @property
    def text(self):
        if isinstance(self.value, bytes):
            return self.value.decode()
        return self.value or ""

    @property
    def data(self):
        return self.value.encode() if isinstance(self.value, str) else self.value or b""

    def find(self, path):
        """The first element at a path of tags ("Collections/Collection"), each of its parent's page where none is said."""
        found = self.all(path)
        return found[0] if found else None

    def all(self, path):
        level = [self]
        for step in path.split("/"):
            level = [c for e in level for c in e.children if step in (c.tag, c.tag.split(":")[1])]
        return level

    def get(self, path, default=None):
        """Text at a path."""
        found = self.find(path)
        return default if found is None else found.text

    def __eq__(self, other):
        return isinstance(other, E) and (self.tag, self.data, self.children) == (other.tag, other.data, other.children)

    def show(self, depth=0, limit=200):
        line = "  " * depth + self.tag + (f" {self.value[:limit]!r}" if self.value else "")
        return "\n".join([line] + [c.show(depth + 1, limit) for c in self.children])

    __repr__ = show


def _number(n):
    out = [n & 0x7F]
    while n := n >> 7:
        out.append(n & 0x7F | 0x80)
    return bytes(reversed(out))


def encode(root):
    out = bytearray(b"\x03\x01\x6a\x00")
    page = 0

    def element(e):
        nonlocal page
        at, token = TOKENS[e.tag]
        if at != page:
            out.extend((0, at))
            page = at
        if not e.children and not e.value:
            out.append(token)
            return
        out.append(token | 0x40)
        if isinstance(e.value, bytes):
            out.extend(b"\xc3" + _number(len(e.value)) + e.value)
        elif e.value:
            out.extend(b"\x03" + e.value.encode() + b"\0")
        for child in e.children:
            element(child)
        out.append(1)

    element(root)
    return bytes(out)


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        if self.at >= len(self.data):
            raise Malformed("it ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        n = 0
        for _ in range(5):
            b = self.byte()
            n = n << 7 | b & 0x7F
            if not b & 0x80:
                return n
        raise Malformed("a number of more than five bytes")

    def run(self, length):
        if self.at + length > len(self.data):
            raise Malformed("an OPAQUE reaches behind the end")
        self.at += length
        return self.data[self.at - length:self.at]

    def string(self):
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise Malformed("a string without an end")
        text = self.data[self.at:end]
        self.at = end + 1
        return text.decode("utf-8")  # a server that sends anything else is wrong


def decode(data):
    """The root element; every deviation from the format is an error."""
    reader = _Reader(data)
    if reader.run(4) != b"\x03\x01\x6a\x00":
        raise Malformed("header")
    page, stack, root = 0, [], None
    while root is None or stack:
        token = reader.byte()
        if token == 0:
            page = reader.byte()
        elif token == 1:
            if not stack:
                raise Malformed("an END of nothing")
            _close(stack.pop())
        elif token in (0x03, 0xC3):
            if not stack:
                raise Malformed("text outside of elements")
            stack[-1].runs.append(reader.string() if token == 3 else reader.run(reader.number()))
        else:
            if token & 0x80 or (page, token & 0x3F) not in NAMES:
                raise Malformed(f"token {token:#x} on page {page}")
            e = E(NAMES[(page, token & 0x3F)])
            e.runs = []
            if stack:
                stack[-1].children.append(e)
            elif root is not None:
                raise Malformed("a second root")
            else:
                root = e
            if token & 0x40:
                stack.append(e)
    if reader.at != len(data):
        raise Malformed("bytes behind the end")
    return root


def _close(e):
    if e.runs and e.children:
        raise Malformed(f"{e.tag} has text and elements")
    if e.runs:
        joined = E(e.tag, *e.runs)
        e.value = joined.value
