#!/usr/bin/env python3
"""Compares lib/mime with Python's email package over folders of messages.

usage: test_mime_against_python.py [FOLDER...]

Without arguments: over tests/corpus/mime, where no difference is allowed. Other folders hold mail on which the
two may differ with reason: where a header has a line that is no field Python ends the header, it takes only
whole lines for delimiters, parses every message/* type, and drops addresses that are broken.

Checks, for every message: the structure and types of the parts, every leaf's bytes and decoded text, the
ENVELOPE (addresses, subject, message ids), sizes and line counts in BODYSTRUCTURE, that BODY is BODYSTRUCTURE
without its extension data, and that the offsets tile the message. Prints each difference; exit status 1 where
there is one.
"""
import email
import email.policy
import email.utils
import os
import re
import subprocess
import sys
import threading
from collections import Counter

LEAF, MULTIPART, MESSAGE = 0, 1, 2


def messages(folders):
    for folder in folders:
        if os.path.isfile(folder):
            yield folder
        for root, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                if name.endswith((".eml", ".msg")):
                    yield os.path.join(root, name)


def feed_paths(pipe, paths):
    with pipe:
        pipe.write("".join(p + "\n" for p in paths).encode())


def records(dump, paths):
    run = subprocess.Popen([dump], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    feed = threading.Thread(target=feed_paths, args=(run.stdin, paths), daemon=True)
    feed.start()
    record = {"text": []}
    while True:
        line = run.stdout.readline()
        if not line:
            break
        name, size = line.decode().split()
        data = run.stdout.read(int(size))
        run.stdout.read(1)
        if name == "end":
            yield record
            record = {"text": []}
        elif name == "text":
            record["text"].append(data)
        else:
            record[name] = data
    feed.join()
    if run.wait() != 0:
        raise SystemExit("mime_dump failed")


# ---- IMAP text ---------------------------------------------------------------------------------------

class ImapSyntax(Exception):
    pass


def imap_parse(data):
    """A strict reader of IMAP's parenthesised notation: lists, bytes, None, int."""
    stack, top, at = [], [], 0
    need_space = False
    while at < len(data):
        c = data[at:at + 1]
        if c == b" ":
            if not need_space:
                raise ImapSyntax(f"space at {at}")
            need_space = False
            at += 1
            if at == len(data) or data[at:at + 1] in b" )":
                raise ImapSyntax(f"space before nothing at {at}")
            continue
        if c == b"(":
            # bodies of a multipart and addresses follow each other without a space
            stack.append(top)
            top = []
            at += 1
            need_space = False
            continue
        if c == b")":
            inner, top = top, stack.pop()
            top.append(inner)
            at += 1
            need_space = True
            continue
        if need_space:
            raise ImapSyntax(f"no space at {at}")
        need_space = True
        if c == b'"':
            m = re.compile(rb'"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*)"').match(data, at)
            if not m:
                raise ImapSyntax(f"quoted string at {at}")
            top.append(re.sub(rb'\\(.)', rb'\1', m[1]))
            at = m.end()
        elif c == b"{":
            m = re.compile(rb"\{(\d+)\}\r\n").match(data, at)
            if not m:
                raise ImapSyntax(f"literal at {at}")
            at = m.end() + int(m[1])
            text = data[m.end():at]
            if b"\0" in text or len(text) != int(m[1]):
                raise ImapSyntax(f"literal at {at}")
            top.append(text)
        else:
            m = re.compile(rb"NIL|\d+").match(data, at)
            if not m:
                raise ImapSyntax(f"byte {c!r} at {at}")
            top.append(None if m[0] == b"NIL" else int(m[0]))
            at = m.end()
    if stack or len(top) != 1:
        raise ImapSyntax("parentheses")
    return top[0]


def without_extension(body):
    if isinstance(body[0], list):
        kids = [b for b in body if isinstance(b, list)]
        n = next(i for i, b in enumerate(body) if not isinstance(b, list))
        return [without_extension(b) for b in body[:n]] + [body[n]]
    kind = (body[0].lower(), body[1].lower())
    if kind[0] == b"text":
        return body[:8]
    if kind in ((b"message", b"rfc822"), (b"message", b"global")):
        return body[:8] + [without_extension(body[8]), body[9]]
    return body[:7]


# ---- comparison --------------------------------------------------------------------------------------

def crlf_lines(data):
    return data.count(b"\n")


def unfold(value):
    return re.sub(r"[\r\n]", "", str(value)).strip(" \t\r\n")


class Check:
    def __init__(self, path, ours, data):
        self.path, self.ours, self.data = path, ours, data
        self.found = []
        self.parts = [tuple(int(n) for n in l.split()) for l in ours["parts"].decode().splitlines()]
        self.text = list(ours["text"])
        self.at = 0

    def differ(self, what, ours, theirs):
        self.found.append((what, ours, theirs))

    def run(self):
        try:
            envelope = imap_parse(self.ours["envelope"])
            body = imap_parse(self.ours["bodystructure"])
            short = imap_parse(self.ours["body"])
        except ImapSyntax as e:
            self.differ("imap syntax", str(e), self.ours["bodystructure"][:200])
            return
        if without_extension(body) != short:
            self.differ("BODY of BODYSTRUCTURE", short, without_extension(body))
        self.check_tiles()
        message = email.message_from_bytes(self.data, policy=email.policy.compat32)
        self.check_envelope(envelope, message, self.parts[0])
        self.check_body(body, message, None)

    def check_tiles(self):
        _, off, hlen, boff, blen, lines = self.parts[0]
        if (off, hlen + blen, boff) != (0, len(self.data), hlen):
            self.differ("root range", self.parts[0], len(self.data))
        for _, off, hlen, boff, blen, lines in self.parts:
            if crlf_lines(self.data[boff:boff + blen]) != lines:
                self.differ("lines", lines, crlf_lines(self.data[boff:boff + blen]))

    # -- structure

    def check_body(self, body, part, parent):
        kind, off, hlen, boff, blen, lines = self.parts[self.at]
        self.at += 1
        ctype = part.get_content_type()
        if kind == MULTIPART:
            n = next(i for i, b in enumerate(body) if not isinstance(b, list))
            if not part.is_multipart() or part.get_content_maintype() != "multipart":
                self.differ("kind", f"multipart of {n}", ctype)
                raise StopIteration
            kids = part.get_payload()
            if n != len(kids):
                self.differ("number of parts", n, len(kids))
                raise StopIteration
            if body[n].decode("latin-1").lower() != part.get_content_subtype():
                self.differ("type", body[n], ctype)
            self.check_ext(body[n + 1], body[n + 2], body[n + 3], body[n + 4], part)
            for b, kid in zip(body[:n], kids):
                self.check_body(b, kid, part)
            return
        self.check_single(body, part, (kind, off, hlen, boff, blen, lines))
        if kind == MESSAGE:
            if not part.is_multipart() or len(part.get_payload()) != 1:
                self.differ("kind", "message", ctype)
                raise StopIteration
            inner = part.get_payload(0)
            self.check_envelope(body[7], inner, self.parts[self.at])
            self.check_body(body[8], inner, part)

    def check_single(self, body, part, place):
        kind, off, hlen, boff, blen, lines = place
        ours = (body[0] + b"/" + body[1]).decode("latin-1")
        if ours != part.get_content_type():
            self.differ("type", ours, part.get_content_type())
        if body[6] != blen:
            self.differ("octets", body[6], blen)
        if body[0] == b"text" and body[7] != lines:
            self.differ("lines in BODYSTRUCTURE", body[7], lines)
        encoding = unfold(raw_field(part, "content-transfer-encoding") or "").lower() or "7bit"
        if body[5].decode("latin-1") != encoding:
            self.differ("encoding", body[5], encoding)
        for at, name in ((3, "content-id"), (4, "content-description")):
            theirs = unfold(raw_field(part, name) or "").encode("utf-8", "surrogateescape") or None
            if body[at] != theirs:
                self.differ(name, body[at], theirs)
        rest = 10 if kind == MESSAGE else 8 if body[0] == b"text" else 7
        self.check_ext(body[2], body[rest + 1], body[rest + 2], body[rest + 3], part)
        if kind == LEAF:
            self.check_leaf(part, self.data[boff:boff + blen])

    def check_ext(self, params, disposition, language, location, part):
        self.check_params("params", params, part, "content-type")
        dtype = None
        if raw_field(part, "content-disposition") is not None:
            dtype = unfold(raw_field(part, "content-disposition")).split(";")[0].strip().lower() or None
        if (disposition[0].decode("latin-1") if disposition else None) != dtype:
            self.differ("disposition", disposition, dtype)
        if disposition:
            self.check_params("disposition params", disposition[1], part, "content-disposition")
        theirs = unfold(raw_field(part, "content-location") or "") or None
        if (location.decode("latin-1") if location else None) != theirs:
            self.differ("location", location, theirs)

    def check_params(self, what, params, part, header):
        ours = {}
        params = params or []
        for i in range(0, len(params), 2):
            ours.setdefault(params[i].decode("latin-1"), params[i + 1].decode("ascii", "surrogateescape"))
        theirs = {}
        raw = raw_field(part, header)
        if raw is not None:
            plist = email.message._parseparam(";" + str(raw).partition(";")[2]) if ";" in str(raw) else []
            for p in plist:
                name, eq, value = p.partition("=")
                if eq:
                    value = value.strip()
                    if value.startswith('"'):
                        value = email.utils.unquote(value)
                    theirs.setdefault(name.strip().lower(), re.sub(r"[\r\n]", "", value))
        elif "charset" in ours and header == "content-type" and ours["charset"] == "us-ascii":
            ours.pop("charset")
        if ours != theirs:
            self.differ(what, ours, theirs)

    def check_leaf(self, part, raw):
        payload = part._payload
        if isinstance(payload, list):
            if part.get_content_maintype() == "message" and part.get_content_subtype() not in ("rfc822", "global"):
                raise StopIteration  # Python looks into it, IMAP does not
            self.differ("kind", "leaf", part.get_content_type())
            raise StopIteration
        theirs = (payload or "").encode("ascii", "surrogateescape") if isinstance(payload, str) else b""
        if raw != theirs:
            self.differ("bytes", raw[:60] + b"..." + raw[-60:], theirs[:60] + b"..." + theirs[-60:])

    # -- envelope

    def check_envelope(self, env, message, place):
        for at, name in ((0, "date"), (1, "subject"), (8, "in-reply-to"), (9, "message-id")):
            theirs = raw_field(message, name)
            if theirs is not None:
                theirs = unfold_header(theirs)
            if env[at] != theirs:
                self.differ("envelope " + name, env[at], theirs)
        lists = {}
        for at, name in ((2, "from"), (3, "sender"), (4, "reply-to"), (5, "to"), (6, "cc"), (7, "bcc")):
            theirs = addresses(message, name)
            if not theirs and name in ("sender", "reply-to"):
                theirs = lists["from"]
            lists[name] = theirs
            ours = [(a[0] or b"", a[2] + b"@" + a[3] if a[3] else a[2]) for a in env[at] or [] if a[3] is not None]
            if ours != theirs:
                self.differ("envelope " + name, ours, theirs)


def raw_field(message, name):
    """The first field of that name as it stands in the message (get() turns eight-bit ones into objects)."""
    return next((v for k, v in message.raw_items() if k.lower() == name), None)


def unfold_header(value):
    return unfold(value).encode("ascii", "surrogateescape")


def addresses(message, name):
    values = [v for k, v in message.raw_items() if k.lower() == name]
    out = []
    for real, addr in email.utils.getaddresses([re.sub(r"[\r\n]", "", str(v)) for v in values]):
        if not real and not addr:
            continue
        out.append((real.encode("ascii", "surrogateescape"), addr.encode("ascii", "surrogateescape")))
    return out


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    programs = os.environ.get("PODMAIL_BIN", os.path.join(here, "../../build/bin"))
    dump = os.path.normpath(os.path.join(programs, "../tests/component/mime_dump"))
    folders = sys.argv[1:] or [os.path.join(here, "../corpus/mime")]
    paths = list(messages(folders))
    counts, n = Counter(), 0
    for path, record in zip(paths, records(dump, paths)):
        with open(path, "rb") as f:
            data = f.read()
        check = Check(path, record, data)
        try:
            check.run()
        except StopIteration:
            pass
        n += 1
        for what, ours, theirs in check.found:
            counts[what] += 1
            print(f"{path}: {what}\n    ours   {ours!r}\n    theirs {theirs!r}")
    print(f"mime: {n} messages, {sum(counts.values())} differences", dict(counts))
    return 1 if counts or n != len(paths) else 0


if __name__ == "__main__":
    sys.exit(main())
