"""What a user may send, and who may try to be one: senders, rates, undo send, failed logins, all through a whole pod."""
import base64
import imaplib
import os
import re
import signal
import smtplib
import socket
import unittest

from pod import Pod, until


def proxied(pod, address, service="submission", greeting=True):
    """A connection that a trusted load balancer says comes from address."""
    port = pod.port(service)
    client = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=("127.0.0.2", 0))
    family = "TCP6" if ":" in address else "TCP4"
    client.sendall(f"PROXY {family} {address} {'::1' if ':' in address else '127.0.0.1'} 40000 {port}\r\n".encode())
    return Lines(client, greeting)


class Lines:
    """Says lines and reads replies."""

    def __init__(self, connection, greeting=True):
        self.socket, self.file = connection, connection.makefile("rb")
        if greeting:
            self.greeting = self.reply()

    def reply(self):
        while True:
            line = self.file.readline().decode("latin-1")
            if line[3:4] != "-":
                return line.rstrip()

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.reply()

    def secure(self, pod):
        self.say("STARTTLS")
        self.file.close()
        self.socket = pod.tls_context().wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.file = self.socket.makefile("rb")
        self.say("EHLO again.test")

    def login(self, user, password):
        return self.say("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())

    def close(self):
        self.file.close()
        self.socket.close()


class Submission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.up()
        cls.addClassCleanup(cls.pod.close)
        path = os.path.join(cls.pod.dir, "podmail.conf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(re.sub(r"^pod\s*\{", "pod {\n  proxy_protocol_from = 127.0.0.2;", text, flags=re.M)
                    + "\nguard { greet_delay = 0; connections_per_address = 4; connections_per_network = 6; "
                    "login_failures = 1; login_delay_max = 30s; }\n")
        cls.pod.down()
        cls.pod.up()
        cls.alice, cls.bob = cls.pod.address("alice"), cls.pod.address("bob")

    def client(self, name):
        client = self.pod.smtp("submission", starttls=True)
        self.addCleanup(client.close)
        client.login(self.pod.address(name), self.pod.password(name))
        return client

    def submit(self, name, sender, author=None, to="carol"):
        """The reply to a message, (code, text)."""
        client = self.client(name)
        text = f"From: {author or sender}\r\nBcc: hidden@example.com\r\nSubject: s\r\n\r\nbody\r\n"
        try:
            client.sendmail(sender, [self.pod.address(to)], text)
        except smtplib.SMTPResponseException as e:
            return e.smtp_code, e.smtp_error.decode()
        return 250, ""

    def newest(self, name):
        box = self.pod.imap(name)
        _, data = box.select(readonly=True)
        _, found = box.fetch(data[0].decode(), "(BODY.PEEK[HEADER])")
        box.logout()
        return found[0][1].decode()

    def count(self, name):
        box = self.pod.imap(name)
        _, data = box.select(readonly=True)
        box.logout()
        return int(data[0])

    def test_users_send_as_themselves_or_as_whom_they_were_let(self):
        pod, domain = self.pod, self.pod.info["domain"]
        self.assertEqual(self.submit("alice", self.alice)[0], 250)
        self.assertNotIn("hidden@example.com", self.newest("carol"))
        code, text = self.submit("alice", self.bob)
        self.assertEqual((code, text[:5]), (550, "5.7.1"))
        code, text = self.submit("alice", self.alice, author=self.bob)
        self.assertEqual((code, text[:5]), (550, "5.7.1"))
        pod.podctl("user", "grant-send-as", self.bob, self.alice)
        self.assertIn(self.alice, pod.podctl("user", "show", self.bob).stdout)
        self.assertEqual(self.submit("alice", self.bob)[0], 250)
        pod.podctl("user", "revoke-send-as", self.bob, self.alice)
        self.assertEqual(self.submit("alice", self.bob)[0], 550)
        pod.podctl("alias", "add", f"desk@{domain}", self.alice)
        self.assertEqual(self.submit("alice", f"desk@{domain}")[0], 250)
        self.assertEqual(self.submit("bob", f"desk@{domain}")[0], 550)
        pod.podctl("group", "add", f"staff@{domain}", self.bob, "--members-only")
        self.assertEqual(self.submit("bob", f"staff@{domain}")[0], 550)
        pod.podctl("group", "grant-send-as", f"staff@{domain}", self.bob)
        self.assertEqual(self.submit("bob", f"staff@{domain}")[0], 250)
        # And a group for its members is closed to others.
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.client("alice").sendmail(self.alice, [f"staff@{domain}"], f"From: {self.alice}\r\n\r\nx\r\n")
        self.client("bob").sendmail(self.bob, [f"staff@{domain}"], f"From: {self.bob}\r\n\r\nx\r\n")

    def test_rates_hold_across_connections_and_a_restart_and_say_when_to_come_again(self):
        pod = self.pod
        pod.add_user("ted", "correct horse battery staple")
        ted = pod.address("ted")
        pod.podctl("user", "set", ted, "--messages-per-hour", "3", "--recipients-per-day", "4")
        for _ in range(2):
            self.assertEqual(self.submit("ted", ted)[0], 250)
        # One that is refused costs nothing.
        self.assertEqual(self.submit("ted", ted, author=self.bob)[0], 550)
        for pid in pod.pids_of("mta"):
            os.kill(pid, signal.SIGKILL)
        until(lambda: self.answers(), "the mta to be back")
        self.assertEqual(self.submit("ted", ted)[0], 250)
        code, text = self.submit("ted", ted)
        self.assertEqual(code, 450)
        self.assertRegex(text, r"^4\.7\.1 .*3 messages in an hour; try again in \d+ seconds")
        pod.podctl("user", "set", ted, "--messages-per-hour", "none")
        self.assertEqual(self.submit("ted", ted)[0], 250)
        client = self.client("ted")
        client.mail(ted)
        code, text = client.rcpt(self.alice)
        self.assertEqual(code, 452)
        self.assertIn(b"4 recipients in a day", text)

    def answers(self):
        try:
            self.pod.smtp("submission").quit()
            return True
        except (OSError, smtplib.SMTPException):
            return False

    def test_a_message_waits_where_its_user_wants_to_undo(self):
        pod = self.pod
        pod.podctl("user", "set", self.bob, "--undo-send", "1h")
        self.addCleanup(pod.podctl, "user", "set", self.bob, "--undo-send", "none")
        before = self.count("carol")
        self.assertEqual(self.submit("bob", self.bob)[0], 250)
        waiting = [m for m in pod.podctl("queue", "list", as_json=True)["messages"] if m["sender"] == self.bob]
        self.assertEqual(len(waiting), 1)
        self.assertEqual(self.count("carol"), before)
        pod.podctl("queue", "remove", waiting[0]["id"])
        self.assertEqual(self.count("carol"), before)

    def test_guessing_is_slowed_down_and_the_right_user_is_not(self):
        pod = self.pod

        def attempt(address, user, password):
            client = proxied(pod, address)
            client.say("EHLO x.test")
            client.secure(pod)
            answer = client.login(user, password)
            client.close()
            return answer[:3]

        self.assertEqual(attempt("198.51.100.1", self.alice, pod.password("alice")), "235")
        answers = [attempt(f"203.0.113.{i}", self.alice, "wrong") for i in range(4)]
        self.assertIn("535", answers)
        self.assertEqual(answers[-1], "454")
        # Another front end knows it too; the user where they were before does not feel it.
        self.assertEqual(attempt("203.0.113.99", self.alice, pod.password("alice")), "454")
        self.assertEqual(attempt("198.51.100.1", self.alice, pod.password("alice")), "235")
        # So does the IMAP gateway, and what is guessed there counts as well.
        box = pod.imap("alice", login=False)
        with self.assertRaisesRegex(imaplib.IMAP4.error, "Too many failed logins"):
            box.login(self.alice, pod.password("alice"))
        box.shutdown()
        # One network that tries many names.
        answers = [attempt("192.0.2.55", f"user{i}@example.test", "wrong") for i in range(6)]
        self.assertEqual(answers[-1], "454")
        self.assertEqual(attempt("192.0.2.56", self.bob, pod.password("bob")), "235")
        self.assertIn("podmail_mta_auth_delayed_total", self.metrics())

    def metrics(self):
        with socket.create_connection(("127.0.0.1", self.pod.port("metrics")), timeout=60) as s:
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            return s.makefile("rb").read().decode()

    def test_a_network_has_so_many_connections_and_no_more(self):
        held = [proxied(self.pod, "192.0.2.1", "smtp") for _ in range(4)]
        self.addCleanup(lambda: [c.close() for c in held])
        self.assertRegex(proxied(self.pod, "192.0.2.1", "smtp").greeting, r"^421 4\.7\.0 .*address")
        held += [proxied(self.pod, "192.0.2.2", "smtp") for _ in range(2)]
        self.assertRegex(proxied(self.pod, "192.0.2.3", "smtp").greeting, r"^421 4\.7\.0 .*network")
        held += [proxied(self.pod, "2001:db8:0:1::1", "smtp"), proxied(self.pod, "2001:db8:0:1::2", "smtp"),
                 proxied(self.pod, "192.0.3.1", "smtp")]
        for client in held:
            self.assertEqual(client.greeting[:3], "220")
        held.pop(0).close()
        until(lambda: proxied(self.pod, "192.0.2.1", "smtp").greeting[:3] == "220", "a place to become free")


if __name__ == "__main__":
    unittest.main()
