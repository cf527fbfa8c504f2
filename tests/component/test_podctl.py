"""podctl and podd as an admin meets them: a pod's life, its users, its exit statuses, and what happens to the
pod when parts of it are killed."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from pod import BIN, Pod, free_base_port, until

SERVICES = {"smtp": 25, "lmtp": 24, "submission": 587, "submissions": 465, "imap": 143, "imaps": 993, "https": 443,
            "admin": 900, "metrics": 901}
PODCTL = os.path.join(BIN, "podctl")
ADMIN_SOCKET = "run/admin.sock"


def run(*args, stdin=None, **more):
    return subprocess.run([PODCTL, *args], input=stdin, text=True, capture_output=True, timeout=120, check=False, **more)


def processes(pod):
    done = pod.podctl("--format", "json", "status", check=False)  # status 1 where one is not ready
    return {p["name"]: p for p in json.loads(done.stdout)["processes"]}


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def of_pod(folder):
    """Process ids of everything that runs with this pod's configuration."""
    config = os.path.join(os.path.realpath(folder), "podmail.conf").encode()
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as f:
                if config in f.read().split(b"\0") and alive(name):
                    found.append(int(name))
        except OSError:
            pass
    return found


def all_ready(pod):
    done = pod.podctl("status", check=False)
    return done.returncode == 0


class OnePod(unittest.TestCase):
    """Tests that share one pod and leave it as they found it."""

    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.up()

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()

    def status_of(self, status, *args, stdin=None, says=None):
        done = self.pod.podctl(*args, stdin=stdin, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        if says:
            self.assertRegex(done.stdout + done.stderr, says)
        return done

    def test_up_tells_what_the_contract_promises(self):
        info = self.pod.info
        self.assertEqual(info["dir"], self.pod.dir)
        self.assertEqual(info["domain"], "example.test")
        self.assertEqual([u["address"].split("@")[0] for u in info["users"]][:3], ["alice", "bob", "carol"])
        self.assertEqual(info["endpoints"], {name: {"host": "127.0.0.1", "port": self.pod.base_port + offset}
                                             for name, offset in SERVICES.items()})
        again = self.pod.up()
        first = {v["name"]: v for v in info["volumes"]}
        self.assertEqual({v["name"]: v for v in again["volumes"] if v["name"] in first}, first)  # other tests add some
        self.assertEqual({**again, "volumes": []}, {**info, "volumes": []})
        self.assertEqual((first["vol01"]["kind"], first["vol01"]["replication"]), ("directory", "not replicated"))
        self.assertTrue(os.path.exists(os.path.join(self.pod.dir, "tls", "ca.pem")))

    def test_a_pod_keeps_the_base_port_it_was_made_with(self):
        done = run("up", "--dir", self.pod.dir, "--base-port", str(self.pod.base_port + 1), "--detach")
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"has base port {self.pod.base_port}", done.stderr)

    def test_a_user_is_made_shown_changed_and_removed(self):
        address = "dora@example.test"
        self.status_of(0, "user", "add", address, "--password-stdin", "--display-name", "Dora", "--quota", "5M",
                       stdin="first secret\n")
        shown = self.pod.podctl("user", "show", address, as_json=True)
        self.assertEqual((shown["display_name"], shown["quota_bytes"], shown["state"]), ("Dora", 5 << 20, "active"))
        self.pod.info["users"].append({"address": address, "password": "first secret"})
        self.pod.imap("dora").logout()
        self.status_of(0, "user", "passwd", address, "--password-stdin", stdin="second secret\n")
        with self.assertRaises(Exception):
            self.pod.imap("dora")
        self.pod.info["users"][-1]["password"] = "second secret"
        before = time.time()
        self.pod.imap("dora").logout()
        self.assertGreaterEqual(self.pod.podctl("user", "show", address, as_json=True)["last_login"], int(before))
        self.status_of(0, "user", "set", address, "--suspend")
        with self.assertRaises(Exception):
            self.pod.imap("dora")
        self.status_of(0, "user", "set", address, "--activate", "--quota", "none")
        self.pod.imap("dora").logout()
        self.assertEqual(self.pod.podctl("user", "show", address, as_json=True)["quota_bytes"], 0)
        self.status_of(0, "user", "remove", address)
        self.status_of(3, "user", "show", address)
        with self.assertRaises(Exception):
            self.pod.imap("dora")
        self.pod.info["users"].pop()

    def test_a_password_is_made_when_none_is_given(self):
        made = self.pod.podctl("user", "add", "emil@example.test", as_json=True)
        self.pod.info["users"].append({"address": "emil@example.test", "password": made["password"]})
        self.pod.imap("emil").logout()
        done = self.status_of(0, "user", "passwd", "emil@example.test", "--password", "on the command line")
        self.assertIn("--password-stdin is safer", done.stderr)
        self.pod.info["users"].pop()
        self.status_of(0, "user", "remove", "emil@example.test")

    def test_addresses_are_one_thing_only_and_in_use_ones_stay(self):
        self.status_of(0, "alias", "add", "info@example.test", "bob@example.test", "other@example.org")
        self.status_of(4, "user", "add", "info@example.test")
        self.status_of(4, "alias", "add", "BOB@example.test", "alice@example.test")
        self.status_of(1, "user", "remove", "bob@example.test", says="in use by alias info@example.test")
        self.pod.imap("bob").logout()  # and nothing of it was taken away
        self.status_of(0, "group", "add", "all@example.test", "alice@example.test", "--display-name", "Alle")
        self.status_of(0, "group", "member-add", "all@example.test", "bob@example.test", "carol@example.test")
        self.status_of(0, "group", "member-remove", "all@example.test", "alice@example.test")
        group = self.pod.podctl("group", "show", "all@example.test", as_json=True)
        self.assertEqual(group["members"], ["bob@example.test", "carol@example.test"])
        self.status_of(3, "group", "member-remove", "all@example.test", "alice@example.test")
        self.status_of(0, "group", "remove", "all@example.test")
        self.status_of(0, "alias", "remove", "info@example.test")

    def test_domains_come_and_go(self):
        self.status_of(2, "domain", "add", "not_a_domain")
        self.status_of(0, "domain", "add", "Other.Test", "--description", "Zweite")
        self.status_of(4, "domain", "add", "other.test")
        self.status_of(0, "domain", "set", "other.test", "--language", "de", "--no-subaddresses")
        other = next(d for d in self.pod.podctl("domain", "list", as_json=True)["domains"] if d["name"] == "other.test")
        self.assertEqual((other["language"], other["subaddressing"], other["description"]), ("de", False, "Zweite"))
        self.status_of(0, "domain", "set", "other.test", "--subaddresses", "--description", "")
        self.status_of(2, "domain", "set", "other.test", "--language", "tlh")
        self.status_of(2, "domain", "set", "other.test", "--subaddresses", "--no-subaddresses")
        self.status_of(2, "domain", "set", "other.test")
        self.status_of(3, "domain", "set", "nowhere.test", "--language", "de")
        self.status_of(3, "domain", "set", "other.test", "--volume", "nosuch")
        names = [d["name"] for d in self.pod.podctl("domain", "list", as_json=True)["domains"]]
        self.assertEqual(names, ["example.test", "other.test"])
        self.status_of(0, "user", "add", "fritz@other.test")
        self.status_of(1, "domain", "remove", "other.test", says="in use by user fritz@other.test")
        self.status_of(0, "user", "remove", "fritz@other.test")
        self.status_of(0, "domain", "remove", "other.test")
        self.status_of(3, "user", "add", "fritz@other.test", says="podctl domain add other.test")

    def test_exit_statuses_tell_programs_what_happened(self):
        self.status_of(2, "usr")
        self.status_of(2, "user", "add")
        self.status_of(2, "user", "add", "no-at-sign")
        self.status_of(2, "user", "add", "x@example.test", "--quota", "lots")
        self.status_of(3, "volume", "show", "nosuch")
        self.status_of(3, "trace", "0123456789abcdef")
        self.status_of(3, "queue", "show", "0123456789abcdef")
        self.status_of(4, "volume", "add", "vol01")
        self.status_of(2, "volume", "add", "../escape")
        self.assertEqual(run("--dir", "/nonexistent/pod", "status").returncode, 3)

    def test_errors_are_json_where_that_is_asked_for(self):
        done = self.pod.podctl("--format", "json", "user", "show", "nobody@example.test", check=False)
        self.assertEqual(done.returncode, 3)
        error = json.loads(done.stderr)["error"]
        self.assertEqual(error["code"], "NOTFOUND")
        self.assertIn("nobody@example.test", error["message"])

    def test_another_volume_takes_users_and_is_said_not_to_be_replicated(self):
        self.status_of(0, "volume", "add", "vol02", says="not replicated")
        volumes = {v["name"]: v for v in self.pod.podctl("volume", "list", as_json=True)["volumes"]}
        self.assertEqual(volumes["vol02"]["process"], "ready")
        self.assertEqual({v["replication"] for v in volumes.values()}, {"not replicated"})
        made = self.pod.podctl("user", "add", "greta@example.test", as_json=True)
        self.assertEqual(made["volume"], "vol02")  # the emptier one
        self.pod.info["users"].append({"address": "greta@example.test", "password": made["password"]})
        self.pod.imap("greta").logout()
        self.pod.info["users"].pop()
        self.status_of(0, "user", "remove", "greta@example.test")
        show = self.pod.podctl("volume", "show", "vol02", as_json=True)
        self.assertEqual((show["users"], show["store_state"]), (0, "active"))

    def test_a_message_can_be_traced_from_its_answer(self):
        with socket.create_connection(("127.0.0.1", self.pod.port("smtp")), timeout=60) as s:
            f = s.makefile("rwb")
            f.readline()
            for line in (b"HELO x\r\n", b"MAIL FROM:<x@y.test>\r\n", b"RCPT TO:<alice@example.test>\r\n", b"DATA\r\n",
                         b"Subject: t\r\n\r\nt\r\n.\r\n"):
                f.write(line)
                f.flush()
                answer = f.readline().decode()
            f.write(b"QUIT\r\n")
            f.flush()
        trace = re.search(r"[0-9a-f]{16}", answer).group()
        events = until(lambda: self.pod.podctl("trace", trace, as_json=True)["events"], "the trace in the log")
        self.assertTrue({"stored", "mta", "podfilter"} >= {e["program"] for e in events}, events)
        self.assertTrue(all(e["fields"]["trace"] == trace for e in events), events)

    def test_the_admin_port_wants_the_token(self):
        url = f"http://127.0.0.1:{self.pod.port('admin')}"
        with open(os.path.join(self.pod.dir, "run", "admin.token"), encoding="ascii") as f:
            token = f.read().strip()

        def ask(path, method="GET", data=None, bearer=None):
            request = urllib.request.Request(url + path, method=method, data=data)
            if bearer:
                request.add_header("Authorization", "Bearer " + bearer)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as e:
                return e.code, json.load(e)

        self.assertEqual(ask("/status")[0], 401)
        self.assertEqual(ask("/status", bearer="0" * 64)[0], 401)
        self.assertEqual(ask("/status", bearer=token)[1]["domain"], "example.test")
        self.assertEqual(ask("/nosuch", bearer=token)[0], 404)
        self.assertEqual(ask("/status", "DELETE", bearer=token)[0], 405)
        self.assertEqual(ask("/users/%zz", bearer=token)[0], 400)
        self.assertEqual(ask("/users", "POST", b"{", bearer=token)[0], 400)
        self.assertEqual(ask("/users", "POST", b"[]", bearer=token)[0], 400)
        status, answer = ask("/users", "POST", b'{"address": "h@example.test", "pasword": "x"}', bearer=token)
        self.assertEqual((status, answer["error"]["message"]), (400, 'unknown field "pasword"'))
        self.assertEqual(ask("/users?limit=2", bearer=token)[1]["more"], True)

    def test_metrics_and_health_are_for_everybody_on_the_machine(self):
        base = f"http://127.0.0.1:{self.pod.port('metrics')}"
        with urllib.request.urlopen(base + "/metrics", timeout=60) as answer:
            text = answer.read().decode()
        self.assertIn('podmail_podd_child_up{child="mta"} 1\n', text)
        self.assertIn("podmail_imapd_connections_total", text)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? -?\d+)$')
        with urllib.request.urlopen(base + "/health", timeout=60) as answer:
            self.assertEqual(answer.read(), b"ok\n")

    def test_a_wrong_configuration_is_refused_with_its_line_and_changes_nothing(self):
        path = os.path.join(self.pod.dir, "podmail.conf")
        with open(path, encoding="utf-8") as f:
            good = f.read()
        line = good.count("\n") + 2
        try:
            with open(path, "w", encoding="utf-8") as f:
                f.write(good + "mta {\n    max_recipientz = 5\n}\n")
            done = self.status_of(1, "config", "check")
            self.assertRegex(done.stderr, rf"podmail\.conf:{line}: .*max_recipientz")
        finally:
            with open(path, "w", encoding="utf-8") as f:
                f.write(good)
        self.status_of(0, "config", "check")
        self.status_of(0, "config", "reload")
        self.status_of(0, "config", "show", says=f"base_port = {self.pod.base_port}")
        self.assertTrue(all_ready(self.pod))


class Life(unittest.TestCase):
    def setUp(self):
        self.pod = Pod()
        self.addCleanup(self.pod.close)

    def test_down_ends_all_of_this_pod_and_nothing_of_another(self):
        other = Pod(base_port=None)
        self.pod.up()
        other.base_port = free_base_port()
        self.addCleanup(other.close)
        other.up()
        ours, theirs = of_pod(self.pod.dir), of_pod(other.dir)
        self.assertGreaterEqual(len(ours), 4)
        self.assertEqual(self.pod.down().returncode, 0)
        self.assertEqual([pid for pid in ours if alive(pid)], [])
        self.assertEqual(set(of_pod(other.dir)), set(theirs))
        self.assertTrue(all_ready(other))
        self.assertEqual(self.pod.podctl("status", check=False).returncode, 5)
        self.assertEqual(self.pod.down().returncode, 0)  # nothing to do is no failure

    def test_what_is_killed_is_started_again_and_forgets_nothing(self):
        self.pod.up()
        self.pod.add_user("ida", "pw of ida")
        for name in ("mta", "podfilter", "imapd", "stored:vol01"):
            pid = processes(self.pod)[name]["pid"]
            os.kill(pid, signal.SIGKILL)
            until(lambda: processes(self.pod)[name]["pid"] not in (0, pid) and all_ready(self.pod), f"{name} to be back")
            self.assertEqual(processes(self.pod)[name]["restarts"], 1, self.pod.log_tail())
            self.assertEqual(processes(self.pod)[name]["last_end"], "signal 9")
        until(lambda: self.pod.imap("ida").logout(), "a login")

    def test_a_killed_podd_takes_its_children_along_and_up_starts_anew(self):
        self.pod.up()
        os.kill(self.pod.podctl("status", as_json=True)["pid"], signal.SIGKILL)
        until(lambda: not of_pod(self.pod.dir), "all processes to end by themselves")
        self.pod.up()
        pids = of_pod(self.pod.dir)
        os.kill(self.pod.podctl("status", as_json=True)["pid"], signal.SIGKILL)
        self.pod.up()  # and nobody has to wait for that
        self.assertEqual(set(pids) & set(of_pod(self.pod.dir)), set())
        self.pod.imap("alice").logout()

    def connections(self):
        """To podd's admin socket, also those that it has not taken yet."""
        with open("/proc/net/unix", encoding="utf-8") as f:
            return sum(os.path.join(os.path.realpath(self.pod.dir), ADMIN_SOCKET) in line for line in f)

    def test_a_podd_that_dies_while_up_asks_it_is_replaced(self):
        self.pod.up()
        podd = self.pod.podctl("status", as_json=True)["pid"]
        os.kill(podd, signal.SIGSTOP)  # as one that is dying: a process still, with a socket that nobody reads
        before = self.connections()
        up = subprocess.Popen([PODCTL, "--dir", self.pod.dir, "up", "--detach"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
        until(lambda: self.connections() > before, "up to ask")
        os.kill(podd, signal.SIGKILL)
        said = up.communicate(timeout=120)[1]
        self.assertEqual(up.returncode, 0, said)
        self.assertNotEqual(self.pod.podctl("status", as_json=True)["pid"], podd)
        self.pod.imap("alice").logout()

    def test_a_volume_takes_as_many_users_as_it_may_and_the_next_is_refused_whole(self):
        self.pod.up()
        self.pod.down()
        with open(os.path.join(self.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("stored {\n    users_max = 5\n}\n")
        self.pod.up()
        for name in ("d", "e"):
            self.pod.podctl("user", "add", f"{name}@example.test")
        for volume in ((), ("--volume", "vol01")):  # by podd's count, and by the store's own
            done = self.pod.podctl("user", "add", "f@example.test", *volume, check=False)
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertIn("podctl volume add", done.stderr)
            self.assertEqual(self.pod.podctl("user", "show", "f@example.test", check=False).returncode, 3)
        self.assertEqual(self.pod.podctl("volume", "show", "vol01", as_json=True)["users"], 5)
        self.pod.podctl("volume", "add", "vol02")
        self.assertEqual(self.pod.podctl("user", "add", "f@example.test", as_json=True)["volume"], "vol02")

    def test_a_user_half_made_when_podd_died_is_cleared_away(self):
        self.pod.up()
        store = processes(self.pod)["stored:vol01"]["pid"]
        podd = self.pod.podctl("status", as_json=True)["pid"]
        os.kill(store, signal.SIGSTOP)
        adding = subprocess.Popen([PODCTL, "--dir", self.pod.dir, "user", "add", "kai@example.test"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def state():
            users = self.pod.podctl("user", "list", as_json=True)["users"]
            return [u["state"] for u in users if u["address"] == "kai@example.test"]

        until(lambda: state() == ["pending"], "the user to be pending")
        os.kill(podd, signal.SIGKILL)
        os.kill(store, signal.SIGCONT)
        self.assertEqual(adding.wait(timeout=60), 5)
        self.pod.up()
        until(lambda: state() == [], "the user to be gone")
        self.pod.podctl("user", "add", "kai@example.test")
        self.assertEqual(self.pod.podctl("volume", "show", "vol01", as_json=True)["users"], 4)

    def test_a_port_that_is_taken_is_named_with_who_has_it(self):
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", self.pod.base_port + 143))
            taken.listen()
            done = run("up", "--dir", self.pod.dir, "--base-port", str(self.pod.base_port), "--detach")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"imap needs 127.0.0.1:{self.pod.base_port + 143}", done.stderr)
        self.assertIn(f"(pid {os.getpid()})", done.stderr)
        self.pod.up()  # and it was only put off

    def test_three_who_start_it_at_once_get_the_same_pod(self):
        command = [PODCTL, "up", "--dir", self.pod.dir, "--base-port", str(self.pod.base_port), "--detach", "--format", "json"]
        ups = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
        answers = [up.communicate(timeout=120) for up in ups]
        self.assertEqual([up.returncode for up in ups], [0, 0, 0], answers)
        self.assertEqual(len({out for out, _ in answers}), 1)
        self.pod.info = json.loads(answers[0][0])
        self.pod.imap("carol").logout()

    def test_in_the_foreground_ctrl_c_stops_it_in_order(self):
        up = subprocess.Popen([PODCTL, "up", "--dir", self.pod.dir, "--base-port", str(self.pod.base_port)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = ""
        while "stored:vol01 ready" not in said:
            line = up.stdout.readline()
            self.assertTrue(line, said + up.stderr.read() if up.poll() is not None else said)
            said += line
        self.assertIn(f"port {self.pod.base_port + 993}", said)
        self.assertRegex(said, r"alice@example\.test +\S+")
        pids = of_pod(self.pod.dir)
        up.send_signal(signal.SIGINT)
        self.assertEqual(up.wait(timeout=60), 0)
        up.stdout.close()
        up.stderr.close()
        self.assertEqual([pid for pid in pids if alive(pid)], [])
        log = self.pod.log_tail(200)
        self.assertLess(log.rindex("child.exited child=imapd"), log.rindex("child.exited child=stored:vol01"))
        self.assertIn("pod.stopped", log)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root, to become nobody")
class NotRoot(unittest.TestCase):
    def test_a_pod_runs_as_a_user_who_is_not_root(self):
        with tempfile.TemporaryDirectory(prefix="podmail-nobody-") as top:
            binaries, folder = os.path.join(top, "bin"), os.path.join(top, "pod")
            os.chmod(top, 0o755)
            os.mkdir(binaries)
            for name in ("podctl", "podd", "mta", "podfilter", "imapd", "stored"):
                shutil.copy(os.path.join(BIN, name), binaries)  # the tree may be closed for nobody
            os.mkdir(folder)
            os.chown(folder, 65534, 65534)
            command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                       os.path.join(binaries, "podctl"), "--dir", folder]
            base = free_base_port()

            def nobody(*args):
                return subprocess.run(command + list(args), text=True, capture_output=True, timeout=120, check=False)

            up = nobody("up", "--base-port", str(base), "--detach", "--format", "json")
            try:
                self.assertEqual(up.returncode, 0, up.stderr)
                for pid in of_pod(folder):
                    self.assertEqual(os.stat(f"/proc/{pid}").st_uid, 65534)
                pod = Pod(folder, base)
                pod.info = json.loads(up.stdout)
                pod.imap("alice").logout()
                self.assertEqual(nobody("user", "add", "z@example.test").returncode, 0)
                self.assertEqual(pod.podctl("status").returncode, 0)  # root may look
            finally:
                self.assertEqual(nobody("down").returncode, 0)
            self.assertEqual(of_pod(folder), [])

    def test_as_root_whatever_reads_from_outside_is_not_root(self):
        with Pod() as pod:
            owners = {}
            for pid in of_pod(pod.dir):
                with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                    owners.setdefault(os.stat(f"/proc/{pid}").st_uid, set()).add(f.read().strip())
            # podd reads what root and its own token say; mta's parent opens ports and reads nothing.
            self.assertLessEqual(owners.pop(0), {"podd", "mta"}, owners)
            self.assertEqual(len(owners), 4, owners)  # mta, podfilter, imapd, stored: each as its own

    def test_a_folder_that_the_programs_cannot_reach_is_named(self):
        with tempfile.TemporaryDirectory(prefix="podmail-closed-") as closed:  # mode 0700
            done = run("up", "--dir", os.path.join(closed, "pod"), "--base-port", str(free_base_port()), "--detach")
            self.assertEqual(done.returncode, 6)
            self.assertIn(f"cannot enter {os.path.realpath(closed)}", done.stderr)
            self.assertIn(f"chmod a+x {os.path.realpath(closed)}", done.stderr)


class Words(unittest.TestCase):
    def commands(self):
        """Every group and command as --help shows them."""
        top = run("--help").stdout
        for group in re.findall(r"^  (\w+) ", top.split("Commands:")[1].split("Options")[0], re.M):
            text = run(group, "--help").stdout
            if "\nCommands:\n" not in text:
                yield (group,), text
                continue
            for name in re.findall(r"^  ([\w-]+)", text.split("\nCommands:\n")[1], re.M):
                yield (group, name), run(group, name, "--help").stdout

    def test_every_command_has_help(self):
        seen = 0
        for words, text in self.commands():
            self.assertTrue(text.startswith("usage: podctl " + " ".join(words)), text)
            self.assertIn("--format", text)
            seen += 1
        self.assertGreater(seen, 30)

    def test_the_manual_says_what_the_programs_say(self):
        tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        for page, words in (("podctl.1", ("help", "--man")), ("podmail.conf.5", ("config", "man"))):
            done = subprocess.run(["scripts/man-update", "--check", f"docs/man/{page}", PODCTL, *words], cwd=tree,
                                  text=True, capture_output=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_bash_completes_commands_and_options(self):
        script = run("completion", "bash").stdout

        def complete(*words):
            ask = (f"{script}\nCOMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
                   'COMPREPLY=(); _podctl; echo "${COMPREPLY[@]}"')
            done = subprocess.run(["bash", "-c", ask], text=True, capture_output=True, timeout=60, check=True)
            self.assertEqual(done.stderr, "")
            return done.stdout.split()

        self.assertIn("volume", complete("podctl", ""))
        self.assertEqual(complete("podctl", "us"), ["user"])
        self.assertEqual(complete("podctl", "user", "pa"), ["passwd"])
        self.assertEqual(complete("podctl", "--dir", "/x", "user", "sh"), ["show"])
        self.assertEqual(complete("podctl", "user", "add", "--quo"), ["--quota"])
        self.assertEqual(complete("podctl", "user", "add", "--format", "j"), ["json"])


if __name__ == "__main__":
    unittest.main()
