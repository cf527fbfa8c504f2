"""Milters from Debian, each started privately with a configuration of its own: on sockets in a folder, as who runs the test."""
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

from milters import let_in, milter_conf
from pod import until

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(address):
    """Whether somebody listens there: a path, or a port."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as s:
        try:
            s.connect(address if isinstance(address, str) else ("127.0.0.1", address))
            return True
        except OSError:
            return False


class RealMilter:
    """Processes started one after the other; the last one is the milter."""

    def __init__(self, folder, name):
        self.name = name
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        self.processes = []
        self.socket = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, address, *command, env=None):
        with open(self.path("out.log"), "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder,
                                       env={**os.environ, "RES_OPTIONS": "timeout:1 attempts:1", **(env or {})})
        self.processes.append((process, address))

    def wait(self):
        for process, address in self.processes:
            until(lambda p=process, a=address: answers(a) or p.poll() is not None, f"{self.name} to listen", limit=120, step=0.1)
            if process.poll() is not None:
                raise AssertionError(f"{self.name} ended:\n{self.log()}")
            if isinstance(address, str):
                let_in(address)

    def log(self):
        with open(self.path("out.log"), encoding="utf-8", errors="replace") as f:
            return f.read()[-4000:]

    def conf(self, **options):
        return milter_conf(self.name, self.socket, **options)

    def stop(self):
        for process, _ in reversed(self.processes):
            process.terminate()
        deadline = time.monotonic() + 10
        for process, _ in reversed(self.processes):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class OpenDkim(RealMilter):
    """Signs for domain where the client is our own or has logged in, verifies everything else."""

    def __init__(self, folder, name, domain, mode):
        super().__init__(folder, name)
        key = os.path.join(folder, "dkim.key")
        if not os.path.exists(key):
            subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        dns = write(self.path("dns"), f"sel._domainkey.{domain} v=DKIM1; k=rsa; p={self.base64(public)}\n")
        port = free_port()
        self.socket = f"inet:{port}@127.0.0.1"
        lines = [f"Socket {self.socket}", f"Mode {mode}", f"Domain {domain}", "Selector sel", f"KeyFile {key}", "Background no",
                 "RequireSafeKeys no", "Syslog no", "SoftwareHeader yes", "AlwaysAddARHeader yes", f"TestDNSData {dns}",
                 f"InternalHosts {write(self.path('internal'), '127.0.0.1' if mode == 's' else '192.0.2.1')}"]
        self.run(port, "opendkim", "-f", "-x", write(self.path("opendkim.conf"), "\n".join(lines) + "\n"))

    @staticmethod
    def base64(data):
        import base64
        return base64.b64encode(data).decode()


class OpenDmarc(RealMilter):
    def __init__(self, folder):
        super().__init__(folder, "opendmarc")
        self.socket = "unix:" + self.path("sock")
        lines = [f"Socket local:{self.path('sock')}", "AuthservID dmarc.example.test", "TrustedAuthservIDs mx.example.test",
                 "Background no", "Syslog no", "SoftwareHeader yes", f"PidFile {self.path('pid')}", "IgnoreHosts /dev/null"]
        self.run(self.path("sock"), "opendmarc", "-f", "-c", write(self.path("opendmarc.conf"), "\n".join(lines) + "\n"))


class ClamAv(RealMilter):
    """clamd with one signature, and its milter, which refuses what it finds."""

    def __init__(self, folder):
        super().__init__(folder, "clamav")
        self.socket = "unix:" + self.path("sock")
        write(self.path("db/own.ndb"), f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
        user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
        clamd = write(self.path("clamd.conf"), f"LocalSocket {self.path('clamd')}\nDatabaseDirectory {self.path('db')}\n"
                      f"Foreground yes\nUser {user}\n")
        milter = write(self.path("milter.conf"), f"MilterSocket {self.path('sock')}\nClamdSocket unix:{self.path('clamd')}\n"
                       f"OnInfected Reject\nRejectMsg Found %v\nAddHeader Replace\nForeground yes\nUser {user}\n"
                       "MilterSocketMode 666\n")
        self.run(self.path("clamd"), "clamd", "-c", clamd)
        until(lambda: answers(self.path("clamd")) or self.processes[0][0].poll() is not None, "clamd", limit=120, step=0.1)
        self.run(self.path("sock"), "clamav-milter", "-c", milter)


class Rspamd(RealMilter):
    """
    The stock rules without what needs a network, hyperscan's compiler, or minutes; its history, and what it learns, goes to a
    redis of its own. Its controller trusts no address, and lets itself be taught with TEACH only.
    """

    LOOK, TEACH = "look", "teach"
    KEPT = ("milter_headers", "regexp", "mime_types", "history_redis", "redis", "force_actions", "hfilter", "mid", "chartable")

    def __init__(self, folder):
        super().__init__(folder, "rspamd")
        proxy, controller = free_port(), free_port()
        self.socket = f"inet:{proxy}@127.0.0.1"
        self.controller = f"http://127.0.0.1:{controller}"
        self.redis = self.path("redis.sock")
        for name in ("db", "run", "log"):
            os.makedirs(self.path(name))
            os.chmod(self.path(name), 0o777)
        tld = write(self.path("tld"), "com\norg\nnet\ntest\n")
        own = {
            "worker-proxy.inc": f'bind_socket = "127.0.0.1:{proxy}"; milter = yes; timeout = 60s; count = 1;\n'
                                'upstream "local" { default = yes; self_scan = yes; }\n',
            "worker-normal.inc": "enabled = false;\n",
            "worker-fuzzy.inc": "enabled = false;\n",
            # Over the stock file, whose password and addresses are merged with those of local.d.
            "../override.d/worker-controller.inc": f'bind_socket = "127.0.0.1:{controller}"; count = 1; password = "{self.LOOK}";\n'
                                                   f'enable_password = "{self.TEACH}"; secure_ip = ["192.0.2.1"];\n',
            "options.inc": 'dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }\ndisable_hyperscan = true;\n'
                           f'filters = "chartable,regexp";\nurl_tld = "{tld}";\n',
            "logging.inc": 'type = "console"; level = "info";\n',
            "redis.conf": f'servers = "{self.redis}";\n',
            "milter_headers.conf": 'use = ["x-spamd-result"]; extended_spam_headers = true; skip_local = false;\n',
        }
        for module in os.listdir("/etc/rspamd/modules.d"):
            if module.endswith(".conf") and module[:-5] not in self.KEPT:
                own[module] = "enabled = false;\n"
        for name, text in own.items():
            write(self.path("conf/local.d/" + name), text)
        self.begin_redis()
        self.run(proxy, "rspamd", "-f", "--insecure", "-c", "/etc/rspamd/rspamd.conf",
                 *(f"--var={k}={self.path(v)}" for k, v in (("DBDIR", "db"), ("RUNDIR", "run"), ("LOGDIR", "log"),
                                                            ("LOCAL_CONFDIR", "conf"))))

    def begin_redis(self):
        self.run(self.redis, "redis-server", "--port", "0", "--unixsocket", self.redis, "--unixsocketperm", "777", "--save", "",
                 "--dir", self.folder)

    def end_redis(self):
        process, _ = self.processes.pop([address for _, address in self.processes].index(self.redis))
        process.terminate()
        process.wait(30)

    def ask_redis(self, *command):
        done = subprocess.run(["redis-cli", "-s", self.redis, *command], capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.split()

    def keys(self):
        return int(self.ask_redis("dbsize")[-1])

    def learnt(self):
        """How many messages its redis knows as spam, and as ham."""
        row = self.ask_redis("hgetall", "RS")
        counts = dict(zip(row[::2], row[1::2]))
        return int(counts.get("learns_spam", 0)), int(counts.get("learns_ham", 0))

    def stat(self):
        """What the controller says of itself."""
        ask = urllib.request.Request(self.controller + "/stat", headers={"Password": self.LOOK})
        with urllib.request.urlopen(ask, timeout=30) as answer:
            return json.load(answer)


class SpamAssassin(RealMilter):
    def __init__(self, folder):
        super().__init__(folder, "spamass")
        self.socket = "unix:" + self.path("sock")
        home = self.path("home")
        os.makedirs(home)
        spamd = self.path("spamd")
        self.run(spamd, shutil.which("spamd") or "/usr/sbin/spamd", "--local", "--nouser-config", "--max-children=1", "--min-children=1",
                 "--syslog=stderr", f"--socketpath={spamd}", "--socketmode=666", f"--pidfile={self.path('pid')}",
                 f"--helper-home-dir={home}", env={"HOME": home})
        self.run(self.path("sock"), "spamass-milter", "-p", self.path("sock"), "-r", "15", "--", "-U", spamd)
