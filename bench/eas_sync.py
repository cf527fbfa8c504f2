#!/usr/bin/env python3
"""What a phone's Sync costs the server: each window of a first sync of 10,000 messages with 4 KiB bodies, and one change among
100,000 messages.

    bench/eas_sync.py [--messages 10000] [--large 100000] [--changes 30]

Times are the gateway's own (took_us of its log): from the request's last byte to the answer, the store's part included.
"""
import argparse
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "support"))
from eas_client import Phone  # noqa: E402
from pod import Pod  # noqa: E402

BODY = "A line of a letter that somebody has written, of some length.\r\n" * 66  # 4 KiB
MESSAGE = ("From: Sender <sender@example.com>\r\nTo: {0}\r\nSubject: number {1}\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n"
           "Message-ID: <{1}@example.com>\r\n\r\n" + BODY)


def fill(box, address, count, distinct=1000):
    """Some letters, then copies of them (hard links) until there are enough."""
    have = 0
    while have < min(distinct, count):
        have += 1
        box.append("INBOX", "", None, MESSAGE.format(address, have).encode())
    box.select("INBOX")
    while have < count:
        step = min(have, count - have, 10000)
        box.copy(f"1:{step}", "INBOX")
        have += step
        box.noop()


def took(pod, device):
    """Microseconds of each Sync of a device, in order."""
    with open(os.path.join(pod.dir, "log", "podmail.log"), encoding="utf-8", errors="replace") as f:
        return [int(m[1]) for line in f if f"device={device} command=Sync" in line for m in [re.search(r"took_us=(\d+)", line)] if m]


def show(name, times):
    print(f"{name:42} median {statistics.median(times) / 1000:8.2f} ms   longest {max(times) / 1000:8.2f} ms   of {len(times)}")


def first_sync(pod, count):
    pod.add_user("first", "a good password 1")
    box = pod.imap("first")
    fill(box, pod.address("first"), count)
    phone = Phone(pod, "first", device="FIRST1").set_up()
    held = phone.pull(phone.inbox, window="100", options=phone.options_tree("1", 4096))
    assert len(held) == count, len(held)
    times = took(pod, "FIRST1")[1:]
    show(f"first sync of {count}, first 10 windows", times[:10])
    show(f"first sync of {count}, last 10 windows", times[-11:-1])
    show(f"first sync of {count}, all", times)
    box.logout()


def one_change(pod, count, changes):
    pod.add_user("large", "a good password 1")
    box = pod.imap("large")
    fill(box, pod.address("large"), count)
    phone = Phone(pod, "large", device="LARGE1").set_up()
    phone.pull(phone.inbox, window="512")
    done = len(took(pod, "LARGE1"))
    for n in range(changes):
        box.store(str(1 + n * 7), "+FLAGS", "(\\Seen)")
        got = phone.sync(phone.inbox)
        assert len(got.find("Commands").children) == 1, got
    show(f"one change among {count}", took(pod, "LARGE1")[done:])
    box.logout()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=10000)
    options.add_argument("--large", type=int, default=100000)
    options.add_argument("--changes", type=int, default=30)
    o = options.parse_args()
    with Pod() as pod:
        with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("\nimapd { device_requests = 1000000; }\n")
        pod.down()
        pod.up()
        first_sync(pod, o.messages)
        one_change(pod, o.large, o.changes)


if __name__ == "__main__":
    main()
