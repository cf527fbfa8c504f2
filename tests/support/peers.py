"""Postfix, Exim and OpenSMTPD as Debian ships them, each in mount namespaces of its own over the host's files, all in one
network namespace without a way out: ports and addresses are free, and the DNS is the test's.

    enter_network()                        # first of all: the program starts again in a network of its own
    with Postfix("127.0.10.1", cert, ca_pem) as peer:
        peer.domain, peer.host             # postfix.test, mx.postfix.test
        peer.messages()                    # what was delivered to any address of its domain
        peer.log()

A peer relays for everybody, and finds its way by the DNS at 127.0.0.1. Needs root.
"""
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(TOP, "build", "peers")
USERS = {"postfix": 801, "postdrop": 802, "Debian-exim": 803, "opensmtpd": 804, "opensmtpq": 805, "vmail": 806}


def enter_network():
    """Starts the program again in a network namespace with a loopback interface; there, returns."""
    if os.environ.get("PODMAIL_TEST_NETNS") != "1":
        fetch()
        os.environ["PODMAIL_TEST_NETNS"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    # An address that is not loopback: resolvers that look for one before they ask for an A record find it.
    for command in ("link set lo up", "link add net0 type veth peer name net1", "addr add 192.0.2.1/24 dev net0", "link set net0 up",
                    "link set net1 up"):
        subprocess.run(["ip", *command.split(" ")], check=True, timeout=20)


def fetch():
    packages = [p for peer in (Postfix, Exim, OpenSmtpd) for p in peer.packages]
    subprocess.run([os.path.join(TOP, "scripts", "fetch-peers"), PEERS, *packages], check=True, timeout=300)


class Peer:
    """What they have in common: a folder, an /etc and a /var of their own, and how they are started and ended."""
    packages, name = (), ""
    serves_tls = True

    def __init__(self, address, certificate, ca_pem):
        self.address = address
        self.domain, self.host = f"{self.name}.test", f"mx.{self.name}.test"
        self.dir = tempfile.mkdtemp(prefix=f"podmail-{self.name}-")
        os.chmod(self.dir, 0o755)
        self.process = None
        for sub in ("etc", "var/spool", "var/lib", "var/log", "var/mail", "var/empty", "run", "tmp"):
            os.makedirs(self.path(sub))
        self._write("etc/resolv.conf", "nameserver 127.0.0.1\noptions edns0 trust-ad\n")
        self._add_users()
        for name, source in (("cert.pem", certificate.pem), ("key.pem", certificate.key), ("ca.pem", ca_pem)):
            shutil.copy(source, self.path("etc", name))
            os.chmod(self.path("etc", name), 0o600 if name == "key.pem" else 0o644)
        os.makedirs(self.path("var/mail/box"))
        shutil.chown(self.path("var/mail/box"), USERS["vmail"], USERS["vmail"])
        self.configure()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def _add_users(self):
        """The host's users but those of this name, and the ones that the packages would have made."""
        for file, line in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"), ("group", "{0}:x:{1}:\n")):
            with open(f"/etc/{file}", encoding="utf-8") as f:
                text = "".join(x for x in f if x.split(":")[0] not in USERS)
            self._write(f"etc/{file}", text + "".join(line.format(n, i) for n, i in USERS.items()))

    def configure(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def _in_namespace(self, *command):
        usr = ":".join(os.path.join(PEERS, p, "usr") for p in self.packages)
        etc = ":".join([self.path("etc")] + [d for d in (os.path.join(PEERS, p, "etc") for p in self.packages) if os.path.isdir(d)])
        mounts = [f"mount -t overlay peer -o lowerdir={usr}:/usr /usr", f"mount -t overlay peer -o lowerdir={etc}:/etc /etc",
                  f"mount --bind {self.path('run')} /run"]
        mounts += [f"mount --bind {self.path('var', d)} /var/{d}" for d in ("spool", "lib", "log", "mail")]
        # Of its own processes, too: Postfix's master leaves the group of who started it, and ends with its namespace.
        return ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-ec", "; ".join(mounts) + '; exec "$@"', "sh", *command]

    def run(self, *command, **how):
        return subprocess.run(self._in_namespace(*command), text=True, capture_output=True, timeout=60, check=False, **how)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        # pylint: disable=consider-using-with
        self.out = open(self.path("output"), "ab")
        self.process = subprocess.Popen(self._in_namespace(*self.command()), stdout=self.out, stderr=self.out, start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection((self.address, 25), timeout=5) as s:
                    if s.recv(4).startswith(b"220"):
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} does not start:\n{self.log()}")
            time.sleep(0.05)

    def stop(self):
        if self.process:
            for sig in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.process.pid, sig)
                    self.process.wait(20)
                    break
                except subprocess.TimeoutExpired:
                    continue
                except ProcessLookupError:
                    break
            self.process.wait(20)
            self.out.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        text = ""
        for path in [self.path("output")] + sorted(glob.glob(self.path("var/log/**"), recursive=True)):
            if os.path.isfile(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    text += f.read()
        return text[-12000:]

    def messages(self):
        """The files of its Maildir, as bytes."""
        found = []
        for path in glob.glob(self.path("var/mail/box/**/new/*"), recursive=True):
            with open(path, "rb") as f:
                found.append(f.read())
        return found


class Postfix(Peer):
    packages, name = ("postfix",), "postfix"

    MAIN = """compatibility_level = 3.6
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = 127.0.0.2
myhostname = {host}
mydestination =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = {domain}
virtual_mailbox_base = /var/mail
virtual_mailbox_maps = static:box/
virtual_minimum_uid = 1
virtual_uid_maps = static:{vmail}
virtual_gid_maps = static:{vmail}
maillog_file = /var/log/postfix.log
smtpd_tls_cert_file = /etc/cert.pem
smtpd_tls_key_file = /etc/key.pem
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
smtp_tls_loglevel = 1
smtp_tls_CAfile = /etc/ca.pem
smtputf8_enable = yes
minimal_backoff_time = 5s
queue_run_delay = 5s
"""
    MASTER = """{address}:25 inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 5 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def configure(self):
        os.makedirs(self.path("etc/postfix"))
        for sub in ("var/spool/postfix", "var/lib/postfix"):
            os.makedirs(self.path(sub))
        shutil.chown(self.path("var/lib/postfix"), USERS["postfix"])
        self._write("etc/postfix/main.cf", self.MAIN.format(address=self.address, host=self.host, domain=self.domain,
                                                            vmail=USERS["vmail"]))
        self._write("etc/postfix/master.cf", self.MASTER.format(address=self.address))

    def command(self):
        return ["/usr/sbin/postfix", "start-fg"]


class Exim(Peer):
    packages, name = ("exim4-daemon-light", "exim4-base"), "exim"

    CONFIG = """primary_hostname = {host}
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = {address}
daemon_smtp_ports = 25
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
pid_file_path = /run/exim.pid
never_users =
tls_advertise_hosts = *
tls_certificate = /etc/cert.pem
tls_privatekey = /etc/key.pem
dsn_advertise_hosts = *
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_rcpt = accept_all
acl_smtp_data = accept_all
begin acl
accept_all:
  accept
begin routers
own:
  driver = accept
  domains = {domain}
  transport = box
out:
  driver = dnslookup
  domains = ! {domain}
  transport = smtp
  self = send
  dnssec_request_domains = *
  no_more
begin transports
box:
  driver = appendfile
  directory = /var/mail/box
  maildir_format
  create_directory
  user = vmail
  group = vmail
smtp:
  driver = smtp
  interface = 127.0.0.3
  hosts_try_dane = *
  hosts_try_chunking = *
  tls_verify_certificates = /etc/ca.pem
  tls_try_verify_hosts = *
begin retry
* * F,1h,2s
"""

    def configure(self):
        os.makedirs(self.path("etc/exim4"))
        for sub in ("var/spool/exim4", "var/log/exim4"):
            os.makedirs(self.path(sub))
            shutil.chown(self.path(sub), USERS["Debian-exim"], USERS["Debian-exim"])
        shutil.chown(self.path("etc/key.pem"), USERS["Debian-exim"])
        self._write("etc/exim4/exim4.conf", self.CONFIG.format(address=self.address, host=self.host, domain=self.domain))

    def command(self):
        return ["/usr/sbin/exim4", "-bdf", "-q5s"]


class OpenSmtpd(Peer):
    packages, name = ("opensmtpd",), "opensmtpd"
    serves_tls = False  # offers STARTTLS, and every handshake fails: Debian's was not made for OpenSSL 3 (its issue 1239)

    CONFIG = """pki "own" cert "/etc/cert.pem"
pki "own" key "/etc/key.pem"
table boxes {{ "@" = "vmail" }}
listen on {address} port 25 tls pki "own" hostname {host}
action "own" maildir "/var/mail/box" virtual <boxes>
action "out" relay helo {host} src 127.0.0.4
match from any for domain "{domain}" action "own"
match from any for any action "out"
"""

    def configure(self):
        self._write("etc/smtpd.conf", self.CONFIG.format(address=self.address, host=self.host, domain=self.domain))
        for sub in ("var/spool/smtpd", "var/lib/opensmtpd/empty"):
            os.makedirs(self.path(sub))
        os.chmod(self.path("var/spool/smtpd"), 0o711)

    def command(self):
        return ["/usr/sbin/smtpd", "-d", "-v"]
