"""The power goes while mail for other servers comes in: what was acknowledged is in the queue when it is back, whole.

The pod lives on a disk with a volatile write cache, as in test_power_cut.py: a random part of what was not flushed is
lost. One server elsewhere takes mail at once, so that messages leave the queue all the time; one is away until the
power is back, so that the queue has to keep them. Each acknowledged message must then be at its server at least once,
byte for byte.
PODMAIL_POWER_CUTS sets how often (default 2; a soak cuts more), PODMAIL_SEED repeats a run.
"""
import hashlib
import os
import random
import re
import signal
import threading
import time
import unittest

from disks import PowerCutDisk, need_root
from fake_smtp import CLOSE, FakeSmtp
from load import Load
from pod import Pod, until

CUTS = int(os.environ.get("PODMAIL_POWER_CUTS", "2"))
SEED = int(os.environ.get("PODMAIL_SEED", str(int(time.time()))))
LINES = (3, 3, 30, 400, 8000)  # of a body: in a packet, and in a file of its own


class Letters(Load):
    """Clients that hand mail in. A token is written down before it is tried."""

    def __init__(self, test):
        self.test = test
        super().__init__([self.session] * 4, test.rng)

    def session(self, rng, index):
        pod = self.test.pod
        with pod.smtp("submission", starttls=True) as client:
            client.login(pod.address("alice"), pod.password("alice"))
            while not self.stopping.is_set():
                domain = rng.choice(("good.test", "away.test"))
                body = f"a line of thread {index}, {rng.random()}\r\n" * rng.choice(LINES)
                token = self.test.new_token(domain, body)
                client.sendmail(pod.address("alice"), [f"ann@{domain}"],
                                f"From: {pod.address('alice')}\r\nSubject: x\r\nX-Token: {token}\r\n\r\n{body}")
                self.test.ack(token)


class QueuePowerCutTest(unittest.TestCase):
    def setUp(self):
        need_root("nbdkit", "nbdfuse", "mkfs.ext4", "losetup")
        print(f"seed {SEED}, {CUTS} power cuts", flush=True)
        self.rng = random.Random(SEED)
        self.lock = threading.Lock()
        self.tried, self.acked = {}, set()
        self.is_away = True
        self.servers = [FakeSmtp(name="good.test"), FakeSmtp(name="away.test")]
        for server in self.servers:
            self.addCleanup(server.close)
        self.servers[1].on = {"GREETING": lambda _session, _line: CLOSE if self.is_away else None}
        self.disk = PowerCutDisk(512)
        self.addCleanup(self.disk.close)
        self.pod = Pod(os.path.join(self.disk.folder, "pod"))
        self.addCleanup(self.pod.close)
        self.pod.up()
        self.configure()

    def configure(self):
        routes = os.path.join(self.pod.dir, "routes")
        with open(routes, "w", encoding="utf-8") as f:
            f.write("".join(f"{s.name} [127.0.0.1]:{s.port} tls=none\n" for s in self.servers))
        os.chmod(routes, 0o644)
        self.pod.down()
        with open(os.path.join(self.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("\nmta { queue_retry_min = 200ms; queue_retry_max = 1s; }\n"
                    "submission { messages_per_hour = 0; messages_per_day = 0; recipients_per_hour = 0; "
                    "recipients_per_day = 0; }\n"
                    f"outbound {{ routes = \"{routes}\"; silent_host_time = 0ms; }}\n")
        self.pod.up()
        os.sync()

    def new_token(self, domain, body):
        with self.lock:
            token = f"t-{len(self.tried):06d}"
            self.tried[token] = (domain, hashlib.sha256(body.encode()).hexdigest())
            return token

    def ack(self, token):
        with self.lock:
            self.acked.add(token)

    def kill_everything(self):
        for pid in self.pod.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until(lambda: not self.pod.processes(), "the pod's processes to end")

    def queue_is_empty(self):
        listed = self.pod.podctl("--format", "json", "queue", "list", check=False)
        if '"messages": []' in listed.stdout or '"total": 0' in listed.stdout:
            return True
        self.pod.podctl("queue", "retry", "--all", check=False)
        return False

    def arrived(self):
        """{token: the sums of its bodies}"""
        found = {}
        for server in self.servers:
            for message in list(server.messages):
                head, _, body = message.data.partition(b"\r\n\r\n")
                token = re.search(rb"X-Token: (\S+)", head)
                found.setdefault(token[1].decode(), set()).add(hashlib.sha256(body).hexdigest())
        return found

    def verify(self):
        self.is_away = False
        until(self.queue_is_empty, "the queue to get empty", limit=180, step=0.3)
        arrived = self.arrived()
        for token in sorted(self.acked):
            self.assertTrue(token in arrived, f"{token} to {self.tried[token][0]} is lost")
        for token, sums in arrived.items():
            self.assertEqual(sums, {self.tried[token][1]}, "another body")
        self.is_away = True

    def test_what_was_acknowledged_outlives_a_power_cut_in_the_queue(self):
        for n in range(CUTS):
            acked = len(self.acked)
            load = Letters(self)
            until(lambda: len(self.acked) >= acked + 20 or load.failures, "some mail to be acknowledged")
            # A random moment of the load: while the journal is young, or while it is being settled.
            threading.Event().wait(self.rng.choice((self.rng.uniform(0.0, 0.8), self.rng.uniform(4.5, 6.0))))
            self.disk.cut()
            load.stopping.set()
            self.kill_everything()  # whatever a client was told from here on, it was told after the cut
            load.stop()
            self.assertEqual(load.failures, [])
            self.disk.repower()
            self.pod.up()
            self.verify()
            print(f"cut {n + 1}: {len(self.acked)} messages acknowledged so far, none lost", flush=True)


if __name__ == "__main__":
    unittest.main()
