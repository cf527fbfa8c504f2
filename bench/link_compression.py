#!/usr/bin/env python3
"""What compression saves on the link between sites, on mail: python3 bench/link_compression.py [--letters 400] [none lz4 zstd]

A pod of its own for each, replicated on this machine; the same letters come by SMTP: the text of this project's pages at random
places, of 6 KiB in the middle, and in each fourth an attachment of 20 to 250 KB of random bytes in base64, which stands for a
picture. What is counted has the file system's journal and the index in it. Prints a line for each.
"""
import argparse
import base64
import glob
import os
import random
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TOP, "tests/support"), os.path.join(TOP, "tests/component")]
from pod import until  # pylint: disable=wrong-import-position
from test_replication import ReplicatedPod  # pylint: disable=wrong-import-position


def pages():
    texts = []
    for path in sorted(glob.glob(os.path.join(TOP, "docs/*.md"))):
        with open(path, encoding="utf-8") as f:
            texts.append(f.read())
    return "".join(texts)


def letter(rng, number, text):
    at, size = rng.randrange(len(text)), min(int(rng.lognormvariate(8.7, 1.0)), 200000)
    body = (text[at:] + text)[:size].encode("ascii", "replace").replace(b"\n", b"\r\n")
    head = (f"From: sender{number}@example.com\r\nTo: alice@example.test\r\nSubject: letter {number}\r\n"
            f"Message-ID: <{rng.getrandbits(96):x}@example.com>\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n"
            "MIME-Version: 1.0\r\n").encode()
    if number % 4:
        return head + b"Content-Type: text/plain\r\n\r\n" + body
    picture = base64.encodebytes(rng.randbytes(rng.randrange(20000, 250000))).replace(b"\n", b"\r\n")
    return (head + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n' + body +
            b"\r\n--b\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n" + picture + b"--b--\r\n")


def measure(way, letters):
    rng, text, pod, mail = random.Random(3), pages(), ReplicatedPod(), 0
    try:
        pod.up()
        pod.configure(f"replication {{ compress = {way}; }}")
        pod.wait_in_sync()
        before, start = pod.replica("secondary"), time.monotonic()
        for i in range(letters):
            message = letter(rng, i, text)
            mail += len(message)
            pod.send("alice", message)
        took = time.monotonic() - start
        until(lambda: pod.replica("secondary")["lag_bytes"] == 0, "the standby to have all")
        after = pod.replica("secondary")
        raw, sent = (after[key] - before[key] for key in ("bytes_raw", "bytes_sent"))
        print(f"{way:5} mail_MB={mail / 1e6:.1f} raw_MB={raw / 1e6:.1f} sent_MB={sent / 1e6:.1f} ratio={sent / raw:.2f} "
              f"seconds={took:.1f}", flush=True)
    finally:
        pod.close()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[0])
    parser.add_argument("--letters", type=int, default=400)
    parser.add_argument("ways", nargs="*", default=["none", "lz4", "zstd"])
    o = parser.parse_args()
    for way in o.ways:
        measure(way, o.letters)


if __name__ == "__main__":
    main()
