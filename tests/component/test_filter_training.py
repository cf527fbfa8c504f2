#!/usr/bin/env python3
"""What users teach: a move into Junk, or out of it, reaches reputation and rspamd's learner."""
import http.server
import os
import re
import shutil
import tempfile
import threading
import unittest

from milter_client import MilterClient
from pod import Pod, until
from real_milters import Rspamd

MESSAGE = b"From: a@sender.test\r\nTo: alice@example.test\r\nSubject: lesson %d\r\nMessage-ID: <%d@sender.test>\r\n\r\nWords %d.\r\n"


class Learner:
    """What rspamd's controller is to podfilter: it takes messages and says how it liked them."""

    def __enter__(self):
        self.learnt, self.status = [], 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status < 500:
                    outer.learnt.append((self.path, self.headers.get("Password"), body))
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(b'{"success":true}')

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def configure(pod, section):
    with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
        f.write(f"\nfilter {{\n{section}\n}}\n")


class Training(unittest.TestCase):
    def header_of_filter(self, pod, message, address):
        """What podfilter adds to a message from an address."""
        with MilterClient(os.path.join(pod.dir, "run", "podfilter.sock")) as m:
            m.connect("mail.sender.test", address)
            m.helo("mail.sender.test")
            return m.message("a@sender.test", [pod.address("alice")], message)

    def test_moves_are_learnt_once_and_wait_for_a_learner_that_is_away(self):
        with Learner() as learner, Pod() as pod:
            pod.down()
            configure(pod, f'  trusted = ""\n  training_interval = 1s\n  greylist = off\n  rspamd_url = "{learner.url}"\n'
                           '  rspamd_password = "secret"')
            pod.up()
            for n in range(3):
                pod.send("alice", MESSAGE % (n, n, n))
            box = pod.imap("alice")
            box.select("INBOX")
            learner.status = 503
            self.assertEqual(box.uid("MOVE", "1:3", "Junk")[0], "OK")
            until(lambda: "training.rspamd_failed" in pod.log_tail(400), "the learner's absence to be noticed")
            self.assertEqual(learner.learnt, [])
            learner.status = 200
            until(lambda: len(learner.learnt) >= 3, "three lessons")
            self.assertEqual({path for path, _, _ in learner.learnt}, {"/learnspam"})
            self.assertEqual({password for _, password, _ in learner.learnt}, {"secret"})
            self.assertIn(b"Words 0.", learner.learnt[0][2])
            until(lambda: pod.log_tail(400).count("training.learnt") >= 3, "the log of it")
            pod.wait_for_log("source=known", times=3)
            self.assertEqual(pod.log_tail(400).count("source=known"), 3)
            # It counts: a stranger's mail from there has points now, more than his words alone.
            answer = self.header_of_filter(pod, MESSAGE % (4, 4, 4), "127.0.0.1")
            self.assertRegex(answer.header("X-Spam-Status") or "", r"REPUTATION=[1-5]\.")
            self.assertNotIn("REPUTATION=2", self.header_of_filter(pod, MESSAGE % (5, 5, 5), "198.51.100.8").header("X-Spam-Status"))
            self.assertIn("127.0.0.1", pod.podctl("filter", "show", "127.0.0.1").stdout)
            box.select("Junk")
            uid = box.uid("SEARCH", "SUBJECT", '"lesson 1"')[1][0]
            self.assertEqual(box.uid("MOVE", uid, "INBOX")[0], "OK")
            until(lambda: len(learner.learnt) >= 4, "a fourth lesson")
            self.assertEqual(learner.learnt[3][0], "/learnham")
            self.assertIn(b"Words 1.", learner.learnt[3][2])
            box.select("Junk")
            box.uid("MOVE", "1:*", "Trash")  # emptied: nobody's mail got better by that
            box.select("INBOX")
            box.uid("COPY", "1:*", "Junk")
            until(lambda: len(learner.learnt) >= 5, "a fifth lesson")
            self.assertEqual([path for path, _, _ in learner.learnt[4:]], ["/learnspam"])
            self.assertEqual(pod.podctl("filter", "forget", "127.0.0.1", as_json=True)["forgotten"], 1)

    def test_a_user_teaches_so_much_a_day_and_no_more(self):
        with Learner() as learner, Pod() as pod:
            pod.down()
            configure(pod, f'  trusted = ""\n  training_interval = 1s\n  greylist = off\n  training_per_day = 3\n'
                           f'  rspamd_url = "{learner.url}"')
            pod.up()
            for user in ("alice", "bob"):
                for n in range(5):
                    pod.send(user, MESSAGE % (n, n, n))
            self.assertEqual(self.move_all(pod, "alice"), "OK")
            until(lambda: pod.log_tail(400).count("training.limited") >= 2, "two lessons too many")
            pod.wait_for_log("training.learnt", times=3)
            self.assertEqual((len(learner.learnt), pod.log_tail(400).count("training.learnt")), (3, 3))
            learner.status = 503  # what is tried in vain does not count
            self.assertEqual(self.move_all(pod, "bob"), "OK")
            until(lambda: pod.log_tail(400).count("training.rspamd_failed") >= 2, "the learner's absence to be noticed twice")
            learner.status = 200
            until(lambda: pod.log_tail(400).count("training.limited") >= 4, "two lessons of another user too many")
            self.assertEqual(len(learner.learnt), 6)

    def test_a_learner_that_does_not_say_why_is_asked_for_a_while_only(self):
        with Learner() as learner, Pod() as pod:
            pod.down()
            configure(pod, f'  training_interval = 1s\n  rspamd_patience = 3s\n  rspamd_url = "{learner.url}"')
            pod.up()
            learner.status = 404
            pod.send("alice", MESSAGE % (0, 0, 0))
            self.assertEqual(self.move_all(pod, "alice"), "OK")
            until(lambda: "training.learnt" in pod.log_tail(400), "its no to be taken")
            # At once, perhaps again each second, and after three seconds for the last time.
            self.assertIn(len(learner.learnt), range(2, 6))

    def move_all(self, pod, user):
        box = pod.imap(user)
        box.select("INBOX")
        return box.uid("MOVE", "1:*", "Junk")[0]


class RealLearner(unittest.TestCase):
    """The same with Debian's rspamd, whose bayes classifier wants some more words."""

    LONG = (b"From: a@sender.test\r\nTo: alice@example.test\r\nSubject: bargain %d\r\nMessage-ID: <real-%d@sender.test>\r\n\r\n"
            b"Every customer of our great shop in the old town gets a parrot, a lamp and %d cheap watches with his order today.\r\n")

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="podmail-learner-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)
        self.rspamd = Rspamd(self.folder)
        self.addCleanup(self.rspamd.stop)

    def configure(self, pod, password):
        configure(pod, f'  training_interval = 1s\n  rspamd_url = "{self.rspamd.controller}"\n  rspamd_password = "{password}"')

    def correct_password(self, pod):
        path = os.path.join(pod.dir, "podmail.conf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(f'rspamd_password = "{Rspamd.LOOK}"', f'rspamd_password = "{Rspamd.TEACH}"'))
        pod.podctl("config", "reload")

    def move(self, box, source, subject, target):
        box.select(source)
        uids = box.uid("SEARCH", "SUBJECT", f'"{subject}"')[1][0].decode()
        self.assertEqual(box.uid("MOVE", uids, target)[0], "OK")

    def test_it_learns_spam_and_ham_and_what_it_refuses_waits(self):
        with Pod() as pod:
            pod.down()
            self.configure(pod, Rspamd.LOOK)
            pod.up()
            self.rspamd.wait()
            for n in range(3):
                pod.send("alice", self.LONG % (n, n, n))
            pod.send("alice", MESSAGE % (9, 9, 9))
            box = pod.imap("alice")
            self.move(box, "INBOX", "bargain 0", "Junk")
            # One may look with this password, but not teach: 401.
            until(lambda: "status 401" in pod.log_tail(400), "the wrong password to be noticed")
            self.assertEqual(self.rspamd.stat()["learned"], 0)
            self.correct_password(pod)
            until(lambda: self.rspamd.stat()["learned"] == 1, "the first lesson, once the password is right")
            self.assertEqual(self.rspamd.learnt(), (1, 0))

            self.move(box, "Junk", "bargain 0", "INBOX")
            until(lambda: self.rspamd.learnt() == (0, 1), "rspamd to think otherwise of it")
            # What it knows (208) and what has too few words (204) hold up nothing.
            box.select("INBOX")
            uid = box.uid("SEARCH", "SUBJECT", '"bargain 0"')[1][0].decode()
            self.assertEqual([box.uid("COPY", uid, "Junk")[0] for _ in range(2)], ["OK"] * 2)
            self.move(box, "INBOX", "lesson 9", "Junk")
            self.move(box, "INBOX", "bargain 1", "Junk")
            until(lambda: self.rspamd.learnt() == (2, 0), "the lesson after these")

            self.rspamd.end_redis()
            self.move(box, "INBOX", "bargain 2", "Junk")
            until(lambda: "status 404" in pod.log_tail(400), "rspamd to say that it cannot")
            self.rspamd.begin_redis()
            self.rspamd.wait()
            until(lambda: self.rspamd.learnt() == (1, 0), "that lesson, once its redis is there, empty")
            until(lambda: pod.log_tail(600).count("training.learnt") >= 7, "the log of it")
            self.assertEqual(set(re.findall(r"rspamd: status (\d+)", pod.log_tail(600))), {"401", "404"})
            box.logout()


if __name__ == "__main__":
    unittest.main()
