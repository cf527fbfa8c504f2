"""Mail handed in by clients that are not ours, over every way in of a whole pod."""
import base64
import hashlib
import hmac
import os
import secrets
import signal
import smtplib
import socket
import subprocess
import tempfile
import unittest

from pod import Pod, until


def scram_sha_256(client, user, password):
    """AUTH SCRAM-SHA-256 (RFC 7677) over an smtplib connection, the server's signature checked."""
    first = f"n={user},r={secrets.token_hex(12)}"

    def step(command):
        code, text = client.docmd(command)
        if code != 334:
            raise smtplib.SMTPAuthenticationError(code, text)
        return base64.b64decode(text)

    challenge = step("AUTH SCRAM-SHA-256 " + base64.b64encode(("n,," + first).encode()).decode()).decode()
    parts = dict(p.split("=", 1) for p in challenge.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    bare = f"c=biws,r={parts['r']}"
    message = f"{first},{challenge},{bare}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    final = step(base64.b64encode(f"{bare},p={base64.b64encode(proof).decode()}".encode()).decode())
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
    if final != b"v=" + base64.b64encode(server):
        raise AssertionError(f"wrong signature of the server: {final}")
    return client.docmd("")


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.up()

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()

    def swaks(self, service, *args):
        return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(self.pod.port(service)), "--silent", "2", *args],
                              capture_output=True, text=True, timeout=120, check=False)

    def inbox(self, name):
        """{subject: bytes} of all messages."""
        box = self.pod.imap(name)
        box.select(readonly=True)
        _, data = box.uid("search", None, "ALL")
        found = {}
        for uid in data[0].split():
            _, rows = box.uid("fetch", uid, "(BODY.PEEK[])")
            raw = rows[0][1]
            subject = [line for line in raw.split(b"\r\n\r\n")[0].split(b"\r\n") if line.lower().startswith(b"subject:")]
            found[subject[0][8:].strip().decode() if subject else ""] = raw
        box.logout()
        return found

    def delivered(self, name, subject):
        return until(lambda: self.inbox(name).get(subject), f"{subject} in the mailbox of {name}")

    def test_swaks_delivers_over_starttls_and_pipelined(self):
        for subject, args in (("plain", []), ("tls", ["-tls"]), ("pipelined", ["--pipeline"]), ("both", ["-tls", "--pipeline"])):
            done = self.swaks("smtp", "--to", "bob@example.test,carol@example.test", "--from", "eve@away.test",
                              "--h-Subject", "swaks " + subject, *args)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            raw = self.delivered("bob", "swaks " + subject)
            self.assertTrue(raw.startswith(b"Return-Path: <eve@away.test>\r\nReceived: from "), raw[:200])
            self.assertEqual(b"ESMTPS (TLSv1" in raw, "-tls" in args)
            self.delivered("carol", "swaks " + subject)

    def test_swaks_submits_after_auth_with_each_mechanism(self):
        for mechanism in ("PLAIN", "LOGIN"):
            for service, tls in (("submission", "-tls"), ("submissions", "-tlsc")):
                subject = f"auth {mechanism} {service}"
                done = self.swaks(service, tls, "--auth", mechanism, "--auth-user", "alice@example.test", "--auth-password",
                                  self.pod.password("alice"), "--from", "alice@example.test", "--to", "bob@example.test",
                                  "--h-Subject", subject)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertIn(b"with ESMTPSA (TLSv1", self.delivered("bob", subject))

    def test_lmtp_answers_for_each_recipient(self):
        done = self.swaks("lmtp", "--protocol", "LMTP", "--to", "alice@example.test,bob@example.test", "--from", "x@away.test",
                          "--h-Subject", "by lmtp")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.delivered("alice", "by lmtp")
        self.delivered("bob", "by lmtp")

    def test_scram_shows_no_password_and_proves_the_server(self):
        for starttls in (False, True):
            client = self.pod.smtp("submission", starttls=starttls)
            self.assertEqual(scram_sha_256(client, "alice@example.test", self.pod.password("alice"))[0], 235)
            client.sendmail("alice@example.test", ["bob@example.test"], f"Subject: scram {starttls}\r\n\r\nhi\r\n")
            client.quit()
            self.delivered("bob", f"scram {starttls}")
        with self.pod.smtp("submission") as client, self.assertRaises(smtplib.SMTPAuthenticationError):
            scram_sha_256(client, "alice@example.test", "wrong")

    def test_a_name_that_is_not_there_fails_as_a_wrong_password_does(self):
        """With every mechanism: the same replies, step by step."""
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
            seen = []
            for name in ("carol@example.test", "nobody@example.test", "nobody@elsewhere.test"):
                with self.pod.smtp("submission") as client:
                    try:
                        if mechanism == "SCRAM-SHA-256":
                            seen.append(scram_sha_256(client, name, "wrong"))
                        else:
                            client.user, client.password = name, "wrong"
                            auth = client.auth_plain if mechanism == "PLAIN" else client.auth_login
                            seen.append(client.auth(mechanism, auth))
                    except smtplib.SMTPAuthenticationError as e:
                        seen.append((e.smtp_code, e.smtp_error))
            self.assertEqual(seen, [(535, b"5.7.8 Authentication failed")] * 3, mechanism)

    def test_curl_submits_and_the_missing_fields_are_made(self):
        with tempfile.NamedTemporaryFile() as message:
            message.write(b"Subject: by curl\r\nFrom: alice@example.test\r\n\r\nhi\r\n")
            message.flush()
            done = subprocess.run(["curl", "-sS", "--cacert", os.path.join(self.pod.dir, "tls", "ca.pem"), "--ssl-reqd",
                                   f"smtp://127.0.0.1:{self.pod.port('submission')}", "--user",
                                   f"alice@example.test:{self.pod.password('alice')}", "--mail-from", "alice@example.test",
                                   "--mail-rcpt", "bob@example.test", "-T", message.name],
                                  capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        raw = self.delivered("bob", "by curl")
        self.assertIn(b"\r\nFrom: alice@example.test\r\nDate: ", raw)
        self.assertIn(b"\r\nMessage-ID: <", raw)

    def test_remote_mail_is_refused_to_strangers_and_kept_for_users(self):
        with self.pod.smtp("smtp") as client:
            client.mail("eve@away.test")
            self.assertEqual(client.rcpt("x@remote.test")[0], 550)
        with self.pod.smtp("submission", starttls=True) as client:
            self.assertEqual(client.docmd("MAIL FROM:<alice@example.test>")[0], 530)
            client.login("alice@example.test", self.pod.password("alice"))
            client.sendmail("alice@example.test", ["x@[192.0.2.1]", "bob@example.test"], "Subject: far\r\n\r\nhi\r\n")
        self.delivered("bob", "far")
        listed = self.pod.podctl("queue", "list", as_json=True)["messages"]
        mine = [m for m in listed if m["recipients"] == ["x@[192.0.2.1]"]]
        self.assertEqual(len(mine), 1, listed)
        self.assertIn(mine[0]["state"], ("outbound", "active"))
        # An attempt may just be under way: then podctl says to try again.
        until(lambda: self.pod.podctl("queue", "remove", mine[0]["id"], check=False).returncode == 0, "the removal", 120)
        listed = self.pod.podctl("queue", "list", as_json=True)["messages"]
        self.assertFalse([m for m in listed if m["id"] == mine[0]["id"]])

    def test_a_message_in_chunks_keeps_its_dots(self):
        body = b"Subject: chunks\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n"
        with self.pod.smtp("smtp") as client:
            client.mail("eve@away.test")
            client.rcpt("bob@example.test")
            for i in range(0, len(body), 10):
                piece = body[i:i + 10]
                last = b" LAST" if i + 10 >= len(body) else b""
                client.sock.sendall(b"BDAT %d%s\r\n%s" % (len(piece), last, piece))
                self.assertEqual(client.getreply()[0], 250)
        self.assertTrue(self.delivered("bob", "chunks").endswith(body))

    def test_a_smuggled_second_message_is_not_a_message(self):
        for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n.\r"):
            with socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60) as s:
                replies = s.makefile("rb")

                def say(text, code, replies=replies, s=s):
                    if text:
                        s.sendall(text)
                    while True:
                        line = replies.readline()
                        if line[3:4] != b"-":
                            break
                    self.assertTrue(line.startswith(code), line)

                say(b"", b"220")
                say(b"EHLO x\r\n", b"250")
                say(b"MAIL FROM:<eve@away.test>\r\n", b"250")
                say(b"RCPT TO:<bob@example.test>\r\n", b"250")
                say(b"DATA\r\n", b"354")
                say(b"Subject: outer\r\n\r\nx" + end + b"MAIL FROM:<boss@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
                    b"DATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n", b"550 5.6.0")
                self.assertEqual(replies.readline(), b"")  # whatever else it says is not listened to
        self.assertFalse({"outer", "smuggled"} & set(self.inbox("bob")))

    def test_a_reload_changes_settings_and_keeps_sessions(self):
        def size():
            with self.pod.smtp("smtp") as client:
                return client.esmtp_features["size"]

        kept = self.pod.smtp("smtp", starttls=True)
        before = size()
        with open(os.path.join(self.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("\nmta { max_message_size = 3M; }\n")
        for pid in self.pod.pids_of("mta"):
            os.kill(pid, signal.SIGHUP)
        until(lambda: size() == str(3 << 20), "the new limit")
        self.assertNotEqual(before, str(3 << 20))
        kept.sendmail("eve@away.test", ["carol@example.test"], "Subject: kept\r\n\r\nhi\r\n")
        kept.quit()
        self.pod.smtp("smtp", starttls=True).quit()
        self.assertNotIn("not_reloaded", self.pod.log_tail(1000))

    def test_a_message_under_way_is_finished_before_the_end(self):
        client = self.pod.smtp("smtp")
        client.mail("eve@away.test")
        client.rcpt("carol@example.test")
        client.docmd("DATA")
        idle = self.pod.smtp("smtp")
        worker = self.worker_of(client)
        os.kill(worker, signal.SIGTERM)
        if self.worker_of(idle) == worker:
            self.assertEqual(idle.getreply()[0], 421)
        idle.close()
        client.sock.sendall(b"Subject: last words\r\n\r\nhi\r\n.\r\n")
        self.assertEqual(client.getreply()[0], 250)
        self.assertEqual(client.getreply()[0], 421)
        client.close()
        self.delivered("carol", "last words")
        until(lambda: worker not in self.pod.processes(), "the end of the worker")
        self.pod.smtp("smtp").quit()

    def worker_of(self, client):
        """The pid of the worker that serves a connection: who has its other end among his descriptors."""
        local, remote = client.sock.getsockname()[1], client.sock.getpeername()[1]
        with open("/proc/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        inode = [r[9] for r in rows if r[1].endswith(f":{remote:04X}") and r[2].endswith(f":{local:04X}")][0]
        for pid in self.pod.pids_of("mta"):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                        return pid
                except OSError:
                    continue
        raise AssertionError("nobody serves it")


if __name__ == "__main__":
    unittest.main()
