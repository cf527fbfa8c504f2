"""Kills the mta's processes with SIGKILL at random moments while mail goes in and out, many times over.

Clients hand in mail for users here and for domains elsewhere, whose servers flap: they take mail, put it off, refuse it,
drop the connection in the middle, are away for a while. Whatever was answered 250 is delivered at least once or bounced
once: each recipient's message is at its server (or in its mailbox), or the sender has one report that names the
recipient as failed. The queue can be listed after every kill.

PODMAIL_QUEUE_KILLS sets how many (default 10; a soak runs 300), PODMAIL_SEED repeats a run.
"""
import email
import os
import random
import re
import signal
import smtplib
import subprocess
import tempfile
import threading
import time
import unittest

from fake_smtp import CLOSE, RESET, FakeSmtp
from load import Load
from pod import Pod, until

KILLS = int(os.environ.get("PODMAIL_QUEUE_KILLS", "10"))
SEED = int(os.environ.get("PODMAIL_SEED", str(int(time.time()))))
ROUND = 10  # kills between two looks at everything
DOMAINS = ("good", "slow", "late", "flap", "away")


class Elsewhere:
    """Other domains' servers. What they took is kept by token, however often it came."""

    def __init__(self, rng):
        self.rng = random.Random(rng.random())
        self.lock = threading.Lock()
        self.servers = {}
        self.calm = False
        self.away = False
        for name in DOMAINS:
            server = FakeSmtp(name=f"{name}.test")
            server.on = {"GREETING": self.greeting(name), "RCPT": self.rcpt(name), "BODY": self.body(name)}
            self.servers[name] = server

    def close(self):
        for server in self.servers.values():
            server.close()

    def dice(self):
        with self.lock:
            return self.rng.random()

    def greeting(self, name):
        def hook(_session, _line):
            if self.calm:
                return None
            if name == "away" and self.away:
                return CLOSE
            return "421 4.3.2 not now" if name == "flap" and self.dice() < 0.1 else None
        return hook

    def rcpt(self, name):
        def hook(_session, line):
            if "nobody" in line:
                return "550 5.1.1 no such user"
            if self.calm:
                return None
            if name == "late" and self.dice() < 0.4:
                return "450 4.2.0 come back later"
            return CLOSE if name == "flap" and self.dice() < 0.05 else None
        return hook

    def body(self, name):
        def hook(_session, _line):
            if self.calm:
                return None
            if name == "slow":
                time.sleep(0.2)  # a server that takes its time
            chance = self.dice()
            if name == "flap" and chance < 0.1:
                return RESET  # it has taken it, and nobody hears of it
            return "451 4.3.0 disk trouble" if name == "flap" and chance < 0.2 else None
        return hook

    def routes(self):
        return "".join(f"{name}.test [127.0.0.1]:{server.port} tls=none\n" for name, server in self.servers.items())

    def took(self):
        """{(token, recipient)} of all messages."""
        found = set()
        for server in self.servers.values():
            for message in list(server.messages):
                token = re.search(rb"X-Token: (\S+)", message.data)
                for line in message.rcpts:
                    if token:
                        found.add((token[1].decode(), re.search(r"<([^>]*)>", line)[1].lower()))
        return found


class Letters(Load):
    """Clients that hand mail in. A token is written down before it is tried."""

    def __init__(self, test):
        self.test = test
        super().__init__([self.session] * 4, test.rng)

    def recipients(self, rng):
        remote = [f"{rng.choice(('ann', 'ann', 'ben', 'nobody'))}@{d}.test"
                  for d in rng.sample(DOMAINS, rng.choice((1, 1, 2, 3)))]
        return remote + [self.test.pod.address("bob")] * (rng.random() < 0.3)

    def session(self, rng, index):
        pod = self.test.pod
        with pod.smtp("submission", starttls=True) as client:
            client.login(pod.address("alice"), pod.password("alice"))
            while not self.stopping.is_set():
                rcpts = self.recipients(rng)
                token = self.test.new_token(f"t{index}", rcpts)
                client.sendmail(pod.address("alice"), rcpts,
                                f"From: {pod.address('alice')}\r\nSubject: {token}\r\nX-Token: {token}\r\n\r\n"
                                + "text of a letter\r\n" * rng.choice((3, 3, 3, 3000)))
                self.test.ack(token)
                time.sleep(0.01)  # a load that the machine bears beside others


class QueueKillTest(unittest.TestCase):
    def setUp(self):
        print(f"seed {SEED}, {KILLS} kills", flush=True)
        self.rng = random.Random(SEED)
        self.lock = threading.Lock()
        self.tried, self.acked, self.number = {}, set(), 0
        self.elsewhere = Elsewhere(self.rng)
        self.addCleanup(self.elsewhere.close)
        self.pod = Pod()
        self.addCleanup(self.pod.close)
        self.pod.up()
        self.configure()

    def configure(self):
        routes = os.path.join(self.pod.dir, "routes")
        with open(routes, "w", encoding="utf-8") as f:
            f.write(self.elsewhere.routes())
        os.chmod(routes, 0o644)
        self.pod.down()
        with open(os.path.join(self.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("\nmta { queue_retry_min = 200ms; queue_retry_max = 1s; }\n"
                    "submission { messages_per_hour = 0; messages_per_day = 0; recipients_per_hour = 0; "
                    "recipients_per_day = 0; }\n"
                    f"outbound {{ routes = \"{routes}\"; idle_time = 500ms; silent_host_time = 0ms; }}\n")
        self.pod.up()

    def new_token(self, kind, rcpts):
        with self.lock:
            self.number += 1
            token = f"{kind}-{self.number:06d}"
            self.tried[token] = [r.lower() for r in rcpts]
            return token

    def ack(self, token):
        with self.lock:
            self.acked.add(token)

    # ---- kills ----

    def mta_processes(self):
        """{pid: its parent}"""
        found = {}
        for pid, line in self.pod.processes().items():
            if os.path.basename(line.split(" ")[0]).rstrip(":") == "mta":
                try:
                    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                        found[pid] = int(f.read().rpartition(")")[2].split()[1])
                except OSError:
                    continue  # it is gone meanwhile
        return found

    def kill_one(self):
        pids = until(self.mta_processes, "the mta to be there")
        whole = [p for p in pids if p in pids.values()]
        victim = self.rng.choice(whole if whole and self.rng.random() < 0.15 else
                                 [p for p in pids if p not in whole] or list(pids))
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.elsewhere.away = self.rng.random() < 0.4
        until(self.can_list, "the queue to be readable after a kill", limit=90, step=0.05)

    def can_list(self):
        return self.pod.podctl("--format", "json", "queue", "list", check=False).returncode == 0

    # ---- the reckoning ----

    def mailbox(self, user):
        box = self.pod.imap(user)
        box.select("INBOX")
        _, data = box.fetch("1:*", "(BODY.PEEK[])")
        messages = [email.message_from_bytes(item[1]) for item in data or [] if isinstance(item, tuple)]
        box.logout()
        return messages

    def failures_told(self):
        """{(token, recipient): how often}"""
        told = {}
        for message in self.mailbox("alice"):
            if message.get_content_type() != "multipart/report":
                continue
            status, original = message.get_payload()[1], message.get_payload()[2]
            token = re.search(r"X-Token: (\S+)", original.as_string())
            for part in status.get_payload()[1:]:
                if part["Action"] == "failed" and token:
                    key = (token[1], part["Final-Recipient"].partition(";")[2].strip().lower())
                    told[key] = told.get(key, 0) + 1
        return told

    def queue_is_empty(self):
        done = self.pod.podctl("--format", "json", "queue", "list", check=False)
        if done.returncode != 0:
            return False
        if '"messages": []' in done.stdout or '"total": 0' in done.stdout:
            return True
        self.pod.podctl("queue", "retry", "--all", check=False)
        return False

    def verify(self):
        self.elsewhere.calm = True
        until(self.queue_is_empty, "the queue to get empty", limit=180, step=0.3)
        told, took = self.failures_told(), self.elsewhere.took()
        here = {m["X-Token"] for m in self.mailbox("bob")}
        bob = self.pod.address("bob").lower()
        for token in sorted(self.acked):
            for rcpt in self.tried[token]:
                key = (token, rcpt)
                with self.subTest(token=token, rcpt=rcpt):
                    self.assertLessEqual(told.get(key, 0), 1, "bounced more than once")
                    if rcpt == bob:
                        self.assertIn(token, here)
                    elif rcpt.startswith("nobody@"):
                        self.assertEqual(told.get(key, 0), 1, "neither delivered nor bounced")
                    else:
                        self.assertTrue(key in took or told.get(key, 0) == 1, "neither delivered nor bounced")
        self.elsewhere.calm = False
        return len(self.acked), len(took), len(told)

    def test_what_was_acknowledged_is_delivered_or_bounced_once(self):
        done = 0
        while done < KILLS:
            load = Letters(self)
            for _ in range(min(ROUND, KILLS - done)):
                time.sleep(self.rng.uniform(0.1, 0.8))  # a random moment of the load, not a wait for anything
                self.kill_one()
                done += 1
            load.stop()
            self.assertEqual(load.failures, [])
            acked, took, told = self.verify()
            print(f"{done} kills: {acked} messages acknowledged; {took} recipients elsewhere got theirs, "
                  f"{told} bounced; none lost", flush=True)
        self.assertGreater(len(self.acked), KILLS)


@unittest.skipUnless(os.geteuid() == 0, "mounting a small file system needs root")
class FullQueueDisk(unittest.TestCase):
    def test_a_full_disk_gives_4xx_and_recovers(self):
        folder = tempfile.mkdtemp(prefix="podmail-full-")
        self.addCleanup(os.rmdir, folder)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0755", "tmpfs", folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        with Pod() as pod:
            pod.down()
            queue = os.path.join(folder, "queue")
            with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
                f.write(f"\nmta {{ queue_dir = \"{queue}\"; }}\noutbound {{ routes = \"{pod.dir}/routes\"; }}\n")
            with FakeSmtp(name="good.test") as server:
                with open(os.path.join(pod.dir, "routes"), "w", encoding="utf-8") as f:
                    f.write(f"good.test [127.0.0.1]:{server.port} tls=none\n")
                os.chmod(os.path.join(pod.dir, "routes"), 0o644)
                pod.up()
                self.fill(pod, server, folder)

    def submit(self, pod, text):
        with pod.smtp("submission", starttls=True) as client:
            client.login(pod.address("alice"), pod.password("alice"))
            client.sendmail(pod.address("alice"), ["ann@good.test"], text)

    def fill(self, pod, server, folder):
        ballast = os.path.join(folder, "ballast")
        self.submit(pod, "Subject: before\r\n\r\nx\r\n")
        until(lambda: len(server.messages) == 1, "the first message to go out")
        with open(ballast, "wb", buffering=0) as f, self.assertRaises(OSError):
            while True:
                f.write(b"\0" * 65536)
        with self.assertRaises(smtplib.SMTPResponseException) as refused:
            self.submit(pod, "Subject: full\r\n\r\n" + "text\r\n" * 20000)
        self.assertIn(refused.exception.smtp_code, (451, 452))
        listed = pod.podctl("queue", "list", as_json=True)  # it is readable all the same
        self.assertEqual(listed["messages"], [])
        os.unlink(ballast)
        self.submit(pod, "Subject: after\r\n\r\n" + "text\r\n" * 20000)
        until(lambda: len(server.messages) == 2, "mail to go out again")
        self.assertNotIn(b"Subject: full", b"".join(m.data for m in server.messages))


if __name__ == "__main__":
    unittest.main()
