"""What strangers and users who mean harm send to a whole pod: after each of them the next ordinary request is
answered, and none of the pod's processes died of it.
"""
import base64
import glob
import os
import re
import smtplib
import socket
import unittest

from pod import Pod
from test_imap import Raw

DEEP = 2000
MANY_CONNECTIONS = 200


class RawSmtp:
    """A client of SMTP or LMTP that says exactly what it is told to."""

    def __init__(self, pod, service="smtp"):
        self.socket = socket.create_connection(("127.0.0.1", pod.port(service)), timeout=60)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.command("LHLO attacker" if service == "lmtp" else "EHLO attacker")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        """The code and text of one reply, of its last line; the code is 0 where the connection ended."""
        while True:
            line = self.file.readline().decode("latin-1")
            if line[3:4] != "-":
                return (int(line[:3]), line[4:].rstrip()) if line else (0, "")

    def command(self, text):
        self.send(text)
        self.send("\r\n")
        return self.reply()

    def envelope(self, recipient):
        self.command("MAIL FROM:<attacker@example.com>")
        return self.command(f"RCPT TO:<{recipient}>")

    def message(self, recipient, text):
        self.envelope(recipient)
        self.command("DATA")
        self.send(text + b"\r\n.\r\n")
        return self.reply()


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.up()
        cls.pids = set(cls.pod.processes())

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()

    def tearDown(self):
        """Nobody died, and mail still comes in and is read."""
        self.assertEqual(set(self.pod.processes()), self.pids)
        before = self.count("carol")
        self.pod.send("carol", b"Subject: still here\r\n\r\nbody\r\n")
        self.assertEqual(self.count("carol"), before + 1)

    def client(self, name=None):
        raw = Raw(self.pod, name)
        self.addCleanup(raw.close)
        return raw

    def count(self, name):
        box = self.pod.imap(name)
        _, data = box.select(readonly=True)
        box.logout()
        return int(data[0])

    def refused(self, client, command, how=("NO", "BAD")):
        tagged, _ = client.command(command)
        self.assertTrue(tagged.startswith(how), f"{command[:60]}: {tagged}")

    # ---- SMTP ----

    def test_no_form_of_an_address_makes_a_relay(self):
        domain = self.pod.info["domain"]
        for address in (f"victim%other.example@{domain}", f"@{domain}:victim@other.example", "\"victim@other.example\"",
                        f"\"victim@other.example\"@{domain}", "other.example!victim", f"other.example!victim@{domain}",
                        "victim@[127.0.0.1]", "victim@[IPv6:::1]", "victim@other.example", f"victim@other.example@{domain}",
                        "victim@localhost", f"victim%25other.example@{domain}", f"victim=other.example@{domain}.",
                        f"@other.example,@{domain}:victim@other.example", f"\"victim@other.example\"@{domain}",
                        f"other.example!{domain}!victim", f"victim@other.example%@{domain}", f"victim @other.example@{domain}",
                        f"victim@{domain}.other.example", f"victim@xn--{domain}", f"victim@other.example\\@{domain}",
                        "victim@[127.0.0.1", "victim@#2130706433", "victim@2130706433", "victim@\u3002.example",
                        f"victim@other\uff0eexample", f"alice@{domain}\0.other.example", f"../alice@{domain}"):
            for service in ("smtp", "lmtp"):
                with RawSmtp(self.pod, service) as client:
                    code, text = client.envelope(address)
                    self.assertGreaterEqual(code, 500, f"{service} {address!r}: {text}")

    def test_no_bare_line_end_anywhere_makes_a_second_message(self):
        smuggled = ("MAIL FROM:<boss@example.test>{e}RCPT TO:<" + self.pod.address("bob") + ">{e}DATA{e}Subject: smuggled{e}{e}x{e}.{e}")
        ends = ("\n", "\r", "\r\n", "\n\r", "\r\r\n", "\0\r\n", "\v", "\x85")
        for before in ends:
            for after in ends:
                if before in ("\r\n", "\0\r\n") and after == "\r\n":  # that is the end, and commands follow
                    continue
                for inner in ("\r\n", "\n", "\r"):
                    with RawSmtp(self.pod) as client:
                        client.envelope(self.pod.address("alice"))
                        client.command("DATA")
                        client.send(f"Subject: outer\r\n\r\nx{before}.{after}{smuggled.format(e=inner)}\r\n.\r\n".encode("latin-1"))
                        client.socket.shutdown(socket.SHUT_WR)
                        while client.reply()[0]:
                            pass
                    # A chunk is what its size says, whatever is in it.
            with RawSmtp(self.pod) as client:
                client.envelope(self.pod.address("alice"))
                body = f"Subject: outer{before}.{before}{smuggled.format(e=before)}".encode("latin-1")
                client.send(b"BDAT %d LAST\r\n" % len(body) + body)
                self.assertIn(client.reply()[0], (250, 550))
                self.assertEqual(client.command("NOOP")[0], 250)
        box = self.pod.imap("bob")
        box.select(readonly=True)
        self.assertEqual(box.search(None, "SUBJECT", "smuggled")[1], [b""])
        box.logout()

    def test_lines_without_an_end_and_bytes_that_are_no_text_are_refused(self):
        for line in ("EHLO " + "x" * 2000000, "MAIL FROM:<" + "a" * 3000 + "@example.com>", "NOOP " + "\0" * 600, "\0" * 100000):
            with RawSmtp(self.pod) as client:
                code, text = client.command(line)
                self.assertTrue(500 <= code < 600 or code in (0, 421), text)
        for line in ("MAIL FROM:<a\0b@example.com>", "RCPT TO:<alice\0@example.test>", "EHLO a\0b"):
            with RawSmtp(self.pod) as client:
                self.assertGreaterEqual(client.command(line)[0], 500, line)
        with RawSmtp(self.pod) as client:
            client.command("MAIL FROM:<a@example.com>")
            client.send(b"RCPT TO:<alice@example.test>\nRCPT TO:<bob@example.test>\r\n")
            self.assertEqual(client.reply()[0], 500)
        long = b"Subject: long\r\nX-Long: " + b"y" * 900000 + b"\r\n\r\n" + b"z" * 5000000
        with RawSmtp(self.pod) as client:
            self.assertIn(client.message(self.pod.address("alice"), long)[0], (250, 552))
        with RawSmtp(self.pod) as client:
            self.assertEqual(client.message(self.pod.address("alice"), b"X: " + b"y" * 2000000 + b"\r\n\r\nz")[0], 552)

    def test_ten_thousand_recipients_are_taken_up_to_the_limit(self):
        with RawSmtp(self.pod) as client:
            client.command("MAIL FROM:<attacker@example.com>")
            client.send(f"RCPT TO:<{self.pod.address('alice')}>\r\n" * 10000)
            codes = []
            while True:
                code, _ = client.reply()
                codes.append(code)
                if code in (0, 421):
                    break
            self.assertEqual(codes[:1000], [250] * 1000)
            self.assertEqual(set(codes[1000:-1]), {452})

    def test_base64_that_never_ends_is_not_waited_for(self):
        with RawSmtp(self.pod, "submission") as client:
            self.assertEqual(client.command("AUTH PLAIN")[0], 334)
            code, text = client.command("QUFB" * 100000)
            self.assertGreaterEqual(code, 500, text)
        inner = base64.b64encode(b"A" * 3000000)
        for _ in range(2):
            inner = base64.b64encode(inner)
        bomb = b"\r\n".join(inner[i:i + 76] for i in range(0, len(inner), 76))
        message = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + bomb
        with RawSmtp(self.pod) as client:
            self.assertEqual(client.message(self.pod.address("carol"), message)[0], 250)

    def test_talking_before_the_greeting_is_the_end(self):
        for first in (b"EHLO x\r\n", b"EHLO x\r\nMAIL FROM:<a@example.com>\r\n", b"\0", b"GET / HTTP/1.0\r\n\r\n"):
            # Strangers wait for the greeting (test_front_load.py); loopback does not, so that it may win the race.
            with socket.socket() as early:
                early.settimeout(60)
                early.connect(("127.0.0.1", self.pod.port("smtp")))
                early.sendall(first)
                answer = early.makefile("rb").readline()
                self.assertIn(answer[:3], (b"554", b"220"))

    def test_a_flood_of_logins_keeps_nobody_out(self):
        self.pod.add_user("hunted", "a long and good one")  # who has to wait then, and is nobody else's in this file
        crowd = [RawSmtp(self.pod, "submission") for _ in range(100)]
        try:
            for i, client in enumerate(crowd):
                wrong = base64.b64encode(f"\0hunted@example.test\0wrong{i}".encode()).decode()
                client.send(f"AUTH PLAIN {wrong}\r\n")
            with self.pod.smtp("submission", starttls=True) as client:
                client.login(self.pod.address("bob"), self.pod.password("bob"))
        finally:
            for client in crowd:
                client.file.close()
                client.socket.close()
        # Whose name it was waits, until an admin says otherwise.
        self.assertEqual(self.login_as_hunted(), 454)
        self.pod.podctl("user", "unlock", "hunted@example.test")
        self.assertEqual(self.login_as_hunted(), 235)
        self.assertEqual(self.pod.podctl("user", "unlock", "nobody@example.test", check=False).returncode, 3)

    def login_as_hunted(self):
        with self.pod.smtp("submission", starttls=True) as client:
            try:
                return client.login("hunted@example.test", "a long and good one")[0]
            except smtplib.SMTPAuthenticationError as e:
                return e.smtp_code

    def test_commands_before_starttls_do_not_count_after_it(self):
        with RawSmtp(self.pod) as client:
            client.send(f"STARTTLS\r\nMAIL FROM:<in@example.com>\r\nRCPT TO:<{self.pod.address('alice')}>\r\n")
            code, _ = client.reply()
            if code == 220:
                tls = self.pod.tls_context().wrap_socket(client.socket, server_hostname="127.0.0.1")
                tls.sendall(b"DATA\r\n")
                self.assertEqual(tls.recv(3), b"503")
            else:
                self.assertGreaterEqual(code, 500)

    def test_a_message_cut_off_is_no_message(self):
        before = self.count("alice")
        for tail in (b"", b"\r\n", b"\r\n.", b"\r\n.\r", b"\n.\n"):
            with RawSmtp(self.pod) as client:
                client.envelope(self.pod.address("alice"))
                client.command("DATA")
                client.send(b"Subject: half\r\n\r\n" + b"x" * 50000 + tail)
        with RawSmtp(self.pod) as client:
            client.envelope(self.pod.address("alice"))
            client.send(b"BDAT 100 LAST\r\nhalf")
            client.socket.shutdown(socket.SHUT_WR)
            self.assertNotEqual(client.reply()[0], 250)
        self.pod.send("alice", b"Subject: whole\r\n\r\nbody\r\n")
        self.assertEqual(self.count("alice"), before + 1)

    def test_chunks_out_of_order_or_of_no_size_deliver_nothing(self):
        before = self.count("bob")
        for size in ("-1", "99999999999999999999 LAST", "1 FIRST"):
            with RawSmtp(self.pod) as client:
                client.envelope(self.pod.address("bob"))
                self.assertGreaterEqual(client.command("BDAT " + size)[0], 421, size)
        with RawSmtp(self.pod) as client:
            client.envelope(self.pod.address("bob"))
            self.assertEqual(client.command("BDAT 1\r\nx")[0], 250)
            client.file.readline()  # the empty line after the chunk is a command of its own
            self.assertEqual(client.command("DATA")[0], 503)
            self.assertEqual(client.command("RSET")[0], 250)
            self.assertEqual(client.command("BDAT 0 LAST")[0], 503)
        self.assertEqual(self.count("bob"), before)

    def test_messages_made_to_exhaust_a_parser_are_kept_and_served(self):
        nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(10000))
        messages = (
            b"".join(b"X-%d: v\r\n" % i for i in range(100000)) + b"\r\nbody",
            nested, b"Content-Type: message/rfc822\r\n\r\n" * 10000,
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20000 + b"--b--",
            b"To: " + b"(" * 100000 + b"\r\nSubject: " + b"=?utf-8?b?" * 20000 + b"\r\n\r\nx",
            b"To: " + b"a:" * 50000 + b"\r\nReferences: " + b"<a@b> " * 100000 + b"\r\n\r\nx",
            b"Content-Type: text/plain" + b"".join(b";\r\n a*%d*=x" % i for i in range(20000)) + b"\r\n\r\nx",
            b"Subj\0ect: a\0b\r\n\0\r\n\r\n\0")
        for message in messages:
            with RawSmtp(self.pod) as client:
                code, text = client.message(self.pod.address("alice"), message)
                self.assertIn(code, (250, 550, 552, 554), text)
        box = self.client("alice")
        box.ok("SELECT INBOX")
        for item in ("ENVELOPE", "BODYSTRUCTURE", "RFC822.HEADER", "BODY.PEEK[1.1.1.1.1.1.1.1.1.1]", "BODY.PEEK[1.MIME]",
                     "BODY.PEEK[]<4294967295.4294967295>"):
            box.ok(f"FETCH 1:* ({item})")
        box.ok("SEARCH OR SUBJECT zzz TEXT zzz")

    def test_a_crowd_of_silent_connections_keeps_nobody_out(self):
        crowd = []
        try:
            for i in range(MANY_CONNECTIONS):
                port = self.pod.port("imap" if i % 2 else "smtp")
                crowd.append(socket.create_connection(("127.0.0.1", port), timeout=60))
            self.pod.send("bob", b"Subject: through the crowd\r\n\r\nbody\r\n")
        finally:
            for one in crowd:
                one.close()

    # ---- IMAP ----

    def test_literals_of_impossible_sizes_are_refused(self):
        for size in ("4294967295", "4294967296", "18446744073709551616", "-1", "", "+", "4294967295+"):
            for command in ("LOGIN", "SELECT", "APPEND INBOX", "SEARCH SUBJECT"):
                client = self.client(None if command == "LOGIN" else "alice")
                client.send(f"x {command} {{{size}}}\r\n")
                self.assertRegex(client.line(), rb"^(x (NO|BAD)|\* BYE) ")

    def test_commands_built_to_go_deep_or_wide_are_refused(self):
        client = self.client("alice")
        client.ok("SELECT INBOX")
        for command in ("SEARCH " + "(" * DEEP + "ALL" + ")" * DEEP, "SEARCH " + "NOT " * DEEP + "ALL",
                        "SEARCH " + "OR " * DEEP + "ALL " * (DEEP + 1), "FETCH 1 (" + "(" * DEEP + ")",
                        "FETCH * (" + "FLAGS " * 5000 + "UID)", "FETCH 1 BODY.PEEK[" + ".".join(["1"] * DEEP) + "]",
                        "FETCH 1 BODY.PEEK[HEADER.FIELDS (" + "a " * 5000 + "b)]", "FETCH 0 FLAGS", "FETCH 4294967296 FLAGS",
                        "FETCH 1 BODY.PEEK[]<9223372036854775807.9223372036854775807>", "SEARCH MODSEQ 9223372036854775808",
                        "STORE 1 (UNCHANGEDSINCE 9223372036854775808) FLAGS ()", "SEARCH UID " + "1," * 100000 + "1"):
            self.refused(client, command)
        client.ok("UID FETCH " + "1:*," * 10000 + "1 UID")
        client.ok("LIST \"\" \"" + "*a" * 200 + "\"")

    def test_no_name_of_a_mailbox_leaves_the_folder_of_its_user(self):
        client = self.client("alice")
        for name in ("..", "../../../../escaped", "a/../b", "&AC4ALg-", ".hidden", "~root", "cur", "\"a\\\\b\""):
            client.command(f"CREATE {name}")
        for name in ("/", "/a", "a//b", "&AC8-", "&AAA-", "&zzz", "&2AA-", "\"a\tb\"", "\"" + "n" * 1000 + "\"", b"\"a\xffb\""):
            self.refused(client, b"CREATE " + name if isinstance(name, bytes) else f"CREATE {name}")
        for name in ("../bob", "../bob/INBOX", "../../bob", "user/bob", "&AC4ALg-/bob"):
            self.refused(client, f"SELECT {name}", "NO")
        homes = glob.glob(os.path.join(self.pod.dir, "volumes", "*", "users", "*", "alice-*", "Maildir"))
        self.assertEqual(len(homes), 1)
        escaped = [os.path.join(at, d) for at, folders, _ in os.walk(self.pod.dir) for d in folders if "escaped" in d]
        self.assertTrue(escaped)
        for path in escaped:
            self.assertTrue(path.startswith(homes[0] + os.sep), path)

    def test_no_password_opens_the_mail_of_another(self):
        alice, bob = self.pod.address("alice"), self.pod.address("bob")
        password = self.pod.password("alice")
        plain = base64.b64encode(f"{bob}\0{alice}\0{password}".encode()).decode()
        self.refused(self.client(), f"AUTHENTICATE PLAIN {plain}", "NO")
        for name in (bob, f"{alice}*{bob}", f"{alice}/../bob", f"{alice} "):
            self.refused(self.client(), f"LOGIN \"{name}\" {password}")

    def test_two_who_expunge_at_once_end_with_the_same_messages(self):
        one, other = self.client("bob"), self.client("bob")
        one.ok("CREATE Both")
        for _ in range(20):
            one.append("Both", b"Subject: x\r\n\r\nx\r\n")
        one.ok("SELECT Both")
        other.ok("SELECT Both")
        one.ok("STORE 1:10 +FLAGS.SILENT (\\Deleted)")
        other.ok("STORE 5:15 +FLAGS.SILENT (\\Deleted)")
        one.send("e EXPUNGE\r\n")
        other.send("e EXPUNGE\r\n")
        for client in (one, other):
            _, told = client.answer(b"e ")
            told += client.ok("NOOP")
            uids = list(range(1, 21))
            for number in re.findall(rb"\* (\d+) EXPUNGE", b"".join(told)):
                del uids[int(number) - 1]
            self.assertEqual(uids, list(range(16, 21)))

    def test_a_mailbox_deleted_under_its_reader_ends_that_reader_only(self):
        reader, deleter = self.client("bob"), self.client("bob")
        reader.ok("CREATE Gone")
        reader.append("Gone", b"Subject: x\r\n\r\nx\r\n")
        reader.ok("SELECT Gone")
        deleter.ok("DELETE Gone")
        reader.send("n NOOP\r\n")
        self.assertRegex(reader.line(), rb"^(\* BYE|\* OK \[CLOSED\]|n (NO|OK)) ")
        self.refused(deleter, "SELECT Gone", "NO")

    def test_ten_thousand_commands_unread_are_all_answered(self):
        client = self.client("alice")
        client.send(b"".join(b"p%d NOOP\r\n" % i for i in range(10000)) + b"last NOOP\r\n")
        self.assertEqual(len(client.answer(b"last ")[1]), 10000)
        client.send("i IDLE\r\n")
        client.line()
        client.send(b"\xff\0 not DONE\r\n")
        self.assertRegex(client.line(), rb"^(i BAD|\* BYE) ")

    # ---- HTTP ----

    def test_garbage_on_the_http_ports_opens_nothing(self):
        requests = (b"\0" * 10000, b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
                    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50000 + b"\r\n",
                    b"POST /v1/users HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                    b"POST /v1/users HTTP/1.1\r\nContent-Length: -1\r\n\r\n{}",
                    b"GET /v1/users HTTP/1.1\r\nAuthorization: Bearer wrong\r\n\r\n",
                    b"GET /v1/users HTTP/1.1\r\nAuthorization: Bearer \r\n\r\n")
        for service in [s for s in ("admin", "metrics") if s in self.pod.info["endpoints"]]:
            for request in requests:
                with socket.create_connection(("127.0.0.1", self.pod.port(service)), timeout=1) as client:
                    try:
                        client.sendall(request)
                        answer = client.recv(64)
                    except OSError:  # ended, or still waiting for the rest of the request
                        answer = b""
                    self.assertNotIn(b" 200 ", answer, request[:40])


if __name__ == "__main__":
    unittest.main()
