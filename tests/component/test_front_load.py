"""The shape of the SMTP front end under load and under people who abuse it: greeting delay, slow clients, limits, spoofed
load balancers, a reload and a drain while sessions are open."""
import contextlib
import os
import re
import signal
import socket
import time
import unittest

from pod import PodTest, until
from test_submission import Lines, proxied

STRANGER = "198.51.100.7"


class FrontLoad(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pod.down()
        path = os.path.join(cls.pod.dir, "podmail.conf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(re.sub(r"^pod\s*\{", "pod {\n  proxy_protocol_from = 127.0.0.2;", text, flags=re.M)
                    + "\nguard { greet_delay = 2s; data_least = 1K; data_window = 2s; connections_per_minute = 40; }\n"
                    "mta { workers = 1; max_connections = 30; command_timeout = 3s; }\n")
        cls.pod.up()

    def metric(self, name):
        with socket.create_connection(("127.0.0.1", self.pod.port("metrics")), timeout=60) as s:
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = s.makefile("rb").read().decode()
        return sum(int(n) for n in re.findall(rf"^{re.escape(name)} (\d+)", text, flags=re.M))

    def deliver(self, client):
        for line in ("EHLO x.test", "MAIL FROM:<a@example.com>", f"RCPT TO:<{self.pod.address('alice')}>", "DATA"):
            client.say(line)
        return client.say("Subject: x\r\n\r\nx\r\n.")

    def test_strangers_wait_for_the_greeting_and_who_talks_first_is_refused(self):
        before = self.metric('podmail_mta_refused_total{why="early_talker"}')
        hasty = proxied(self.pod, STRANGER, "smtp", greeting=False)
        hasty.socket.sendall(b"EHLO hasty\r\n")
        self.assertRegex(hasty.reply(), "^554 5.5.1 ")
        self.assertEqual(hasty.reply(), "")
        self.assertEqual(self.metric('podmail_mta_refused_total{why="early_talker"}'), before + 1)
        begin = time.monotonic()
        patient = proxied(self.pod, STRANGER, "smtp")
        self.assertGreater(time.monotonic() - begin, 1.9)
        self.assertEqual(patient.greeting[:3], "220")
        self.assertEqual(self.deliver(patient)[:3], "250")
        # Who has delivered something is known.
        begin = time.monotonic()
        again = proxied(self.pod, STRANGER, "smtp")
        self.assertLess(time.monotonic() - begin, 1.9)
        again.close()
        # Users who submit mail do not wait.
        begin = time.monotonic()
        proxied(self.pod, "198.51.100.8", "submission").close()
        self.assertLess(time.monotonic() - begin, 1.9)

    def trickle(self, client, byte, limit=30):
        """Sends a byte now and then until it is told off; returns the reply."""
        client.socket.settimeout(0.3)
        answer, deadline = b"", time.monotonic() + limit
        while time.monotonic() < deadline:
            try:
                client.socket.sendall(byte)
                got = client.socket.recv(1000)
                answer += got
                if not got:
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        return answer.decode()

    def test_bytes_that_trickle_in_do_not_put_the_deadline_off(self):
        slow = self.metric("podmail_mta_sessions_slow_total")
        client = Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))
        self.assertRegex(self.trickle(client, b"N"), r"^421 4\.4\.2 ")
        client.close()
        client = Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))
        for line in ("EHLO x.test", "MAIL FROM:<a@example.com>", f"RCPT TO:<{self.pod.address('alice')}>", "DATA"):
            client.say(line)
        self.assertRegex(self.trickle(client, b"x"), r"^421 4\.4\.2 ")
        client.close()
        self.assertEqual(self.metric("podmail_mta_sessions_slow_total"), slow + 2)

    def configure(self, before, after):
        path = os.path.join(self.pod.dir, "podmail.conf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.assertIn(before, text)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(before, after, 1))
        self.pod.podctl("config", "reload")

    def loaded(self):
        """A session whose transaction takes memory: it has a thousand recipients."""
        client = Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))
        client.say("EHLO x.test")
        client.say("MAIL FROM:<a@example.com>")
        name = self.pod.address("alice").split("@")
        for at in range(0, 1000, 200):
            client.socket.sendall(b"".join(f"RCPT TO:<{name[0]}+{n}{'x' * 50}@{name[1]}>\r\n".encode()
                                           for n in range(at, at + 200)))
            for _ in range(200):
                self.assertEqual(client.reply()[:3], "250")
        return client

    def test_short_of_memory_nobody_new_comes_in_and_what_is_there_goes_on(self):
        why = 'podmail_mta_refused_total{why="memory"}'
        refused, limit = self.metric(why), 16 << 20
        self.configure("guard {", "guard { memory_max = 16M;")
        self.configure("command_timeout = 3s", "command_timeout = 300s")
        held = []
        try:
            while self.metric("podmail_mta_memory_bytes") <= limit and len(held) < 28:
                held.append(self.loaded())
            until(lambda: self.metric("podmail_mta_memory_bytes") > limit, "memory to run short")
            one = Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))
            self.assertRegex(one.greeting, r"^421 4\.3\.2 Overloaded")
            one.close()
            self.assertGreater(self.metric(why), refused)
            self.assertEqual(held[0].say("RSET")[:3], "250")  # who is in goes on
        finally:
            for client in held:
                client.close()
            self.configure("guard { memory_max = 16M;", "guard {")
            self.configure("command_timeout = 300s", "command_timeout = 3s")
        until(lambda: self.deliver(self.proxied_known())[:3] == "250", "a message after that")

    def proxied_known(self):
        return Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))

    def test_one_too_many_is_told_421_and_a_rate_has_its_own_words(self):
        held = [Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60)) for _ in range(30)]
        try:
            one = Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))
            self.assertRegex(one.greeting, r"^421 4\.3\.2 ")
            one.close()
        finally:
            for client in held:
                client.close()
        until(lambda: self.metric("podmail_mta_sessions") == 0, "the sessions to end")
        answers = []
        for _ in range(45):
            client = proxied(self.pod, "203.0.113.77", "submission")
            answers.append(client.greeting)
            client.close()
        self.assertRegex(answers[-1], r"^421 4\.7\.0 .*in a minute")
        self.assertGreater(self.metric('podmail_mta_refused_total{why="rate"}'), 0)

    def test_only_a_trusted_load_balancer_speaks_for_others(self):
        for header in (b"PROXY TCP4 192.0.2.99 127.0.0.1 1 25\r\n",
                       b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x63\x7f\0\0\x01\0\x01\0\x19"):
            client = Lines(socket.create_connection(("127.0.0.1", self.pod.port("submission")), timeout=60), greeting=False)
            client.socket.sendall(header)
            self.assertEqual(client.reply()[:3], "220")
            self.assertEqual(client.reply()[:3], "500")
            client.close()
        self.assertNotIn("192.0.2.99", self.pod.log_tail(2000))
        # And one that is trusted has to say it right.
        port = self.pod.port("submission")
        for header in (b"PROXY TCP4 999.0.0.1 127.0.0.1 1 25\r\n", b"EHLO x\r\n", b"PROXY " + b"x" * 200 + b"\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=60, source_address=("127.0.0.2", 0)) as s:
                s.sendall(header)
                try:
                    self.assertEqual(s.recv(100), b"")
                except ConnectionResetError:
                    pass

    def test_a_drain_ends_idle_sessions_politely_and_finishes_messages(self):
        idle = Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))
        busy = Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))
        for line in ("EHLO x.test", "MAIL FROM:<a@example.com>", f"RCPT TO:<{self.pod.address('alice')}>", "DATA"):
            busy.say(line)
        for pid in self.pod.pids_of("mta"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self.assertRegex(idle.reply(), r"^421 4\.3\.2 ")
        self.assertEqual(busy.say("Subject: x\r\n\r\nx\r\n.")[:3], "250")
        idle.close()
        busy.close()

        def back():
            try:
                client = Lines(socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60))
                answer = client.greeting
                client.close()
                return answer[:3] == "220"
            except OSError:
                return False

        until(back, "the mta to be back")


if __name__ == "__main__":
    unittest.main()
