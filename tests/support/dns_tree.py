"""A DNS of one's own for tests: a signed root, top-level domains and zones, served by knot on a free loopback port.

    with DnsTree({"good.test": Zone("@ MX 10 mx\\nmx A 127.0.0.1"),
                  "plain.test": Zone("@ MX 10 mx\\nmx A 127.0.0.1", UNSIGNED),
                  "forged.test": Zone("@ MX 10 mx", BOGUS)}) as tree:
        conf = tree.conf()                      # the section for podmail.conf
        tree.set("good.test", "@ MX 10 other")  # other records from now on
        tree.stop_answering(); tree.answer()    # an outage

Every zone is found from the root on, and validated with the tree's own trust anchor. Records are lines of a zone file
(RFC 1035 5.1) relative to the zone, with a TTL of 0, so that a change shows at once. Zones between the root and those
named are made. `helpers` below write the records of mail: TLSA, MTA-STS, DMARC, a DNSBL.

As a program, for tests in C: dns_tree.py FILE, where FILE has a line "[ZONE] signed|unsigned|bogus" before each zone's
records. It prints "PORT TRUST_ANCHOR STUBS" when it answers and ends when its standard input does.
"""
import base64
import contextlib
import hashlib
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

SIGNED, UNSIGNED, BOGUS = "signed", "unsigned", "bogus"

CONFIG = """
server:
    listen: {address}@{port}
    rundir: "{dir}/run"
    user: {user}
database:
    storage: "{dir}/db"
log:
  - target: stderr
    any: warning
policy:
  - id: tree
    manual: on
    single-type-signing: on
    algorithm: ecdsap256sha256
template:
  - id: default
    storage: "{dir}/zones"
    file: "%s.zone"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
"""

ZONE_HEAD = """$TTL 0
@ SOA ns. hostmaster.ns. 1 3600 600 86400 0
@ NS ns.
"""

RESOLVER = """
server:
    interface: {address}
    port: {port}
    interface-automatic: no
    access-control: 0.0.0.0/0 allow
    access-control: ::0/0 allow
    directory: "{dir}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: ""
    do-daemonize: no
    do-not-query-localhost: no
    unblock-lan-zones: yes
    trust-anchor-file: "{anchor}"
    local-zone: "test." nodefault
    local-zone: "127.in-addr.arpa." nodefault
remote-control:
    control-enable: no
"""


@dataclass
class Zone:
    records: str = ""
    kind: str = SIGNED


def _free_port(address):
    """A port that is free for UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((address, 0))
            port = tcp.getsockname()[1]
            with contextlib.suppress(OSError):
                udp.bind((address, port))
                return port


def _query(address, port, name):
    """Whether a SOA question for name is answered without an error."""
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".") if x)
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.sendto(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00\x06\x00\x01", (address, port))
        try:
            reply = s.recv(4096)
        except OSError:
            return False
    return reply[3] & 0xF == 0


def _end(process):
    if process and process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class DnsTree:
    def __init__(self, zones, address="127.0.0.1", port=None, resolver_port=None, resolver=False):
        self.zones = dict(zones)
        self.address = address
        self.port = port
        self.dir = tempfile.mkdtemp(prefix="podmail-dns-")
        os.chmod(self.dir, 0o755)  # for the users that a pod's programs run as
        self.trust_anchor = os.path.join(self.dir, "root.key")
        self.with_resolver = resolver or resolver_port is not None
        self.resolver_port = resolver_port
        self.knot = self.resolver = None
        self._complete()

    # ---- life ----

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        for folder in ("run", "db", "zones"):
            os.makedirs(os.path.join(self.dir, folder), exist_ok=True)
        self.port = self.port or _free_port(self.address)
        self._write_config()
        ds = {name: self._key(name) for name, zone in self.zones.items() if zone.kind != UNSIGNED}
        with open(self.trust_anchor, "w", encoding="ascii") as f:
            f.write(ds["."])
        self.ds = ds
        for name in self.zones:
            self._write_zone(name)
        self.answer()
        if self.with_resolver:
            self._start_resolver()

    def answer(self):
        """Starts the name server; returns when every zone is answered."""
        with open(self._path("knot.log"), "ab") as log:
            self.knot = subprocess.Popen(["knotd", "-c", self._path("knot.conf")], stdout=subprocess.DEVNULL, stderr=log)
        self._wait(self.knot, "knot.log", self.port, list(self.zones))

    def stop_answering(self):
        """The name server is gone: questions get no answer."""
        _end(self.knot)
        self.knot = None

    def close(self):
        _end(self.resolver)
        _end(self.knot)
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- use ----

    def set(self, zone, records):
        """Other records for a zone; returns when they are served."""
        self.zones[zone].records = records
        self._write_zone(zone)
        done = subprocess.run(["knotc", "-c", self._path("knot.conf"), "--blocking", "zone-reload", zone], text=True,
                              capture_output=True, timeout=60, check=False)
        if done.returncode != 0:
            raise AssertionError(f"knotc zone-reload {zone}: {done.stdout}{done.stderr}{self._log('knot.log')}")

    def stubs(self):
        return ", ".join(f"{name}={self.address}:{self.port}" for name in self.zones)

    def conf(self):
        """The section `dns` of podmail.conf that makes a pod live in this tree."""
        return f'dns {{\n  stubs = "{self.stubs()}"\n  trust_anchor = "{self.trust_anchor}"\n  timeout = 5s\n}}\n'

    # ---- parts ----

    def _path(self, *names):
        return os.path.join(self.dir, *names)

    def _log(self, name):
        with contextlib.suppress(OSError), open(self._path(name), encoding="utf-8", errors="replace") as f:
            return f.read()[-4000:]
        return ""

    def _wait(self, process, log, port, names, limit=60):
        deadline = time.monotonic() + limit
        while not all(_query(self.address, port, name) for name in names):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{process.args[0]} does not answer on port {port}:\n{self._log(log)}")
            time.sleep(0.02)

    def _complete(self):
        """The root, and what lies between it and the zones that were named."""
        self.zones.setdefault(".", Zone())
        for name in list(self.zones):
            labels = name.strip(".").split(".")
            for i in range(1, len(labels)):
                parent = ".".join(labels[i:])
                if len(labels) - i == 1:
                    self.zones.setdefault(parent, Zone())

    def _parent(self, name):
        labels = name.split(".")
        for i in range(1, len(labels)):
            if ".".join(labels[i:]) in self.zones:
                return ".".join(labels[i:])
        return "."

    def _write_config(self):
        user = "root:root" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"
        text = CONFIG.format(address=self.address, port=self.port, dir=self.dir, user=user) + "zone:\n"
        for name, zone in self.zones.items():
            text += f'  - domain: "{name}"\n    file: "{name if name != "." else "root"}.zone"\n'
            if zone.kind != UNSIGNED:
                text += "    dnssec-signing: on\n    dnssec-policy: tree\n"
        with open(self._path("knot.conf"), "w", encoding="utf-8") as f:
            f.write(text)

    def _keymgr(self, *args):
        return subprocess.run(["keymgr", "-c", self._path("knot.conf"), *args], text=True, capture_output=True, check=True,
                              timeout=60).stdout

    def _key(self, name):
        """Makes the zone's key; returns its DS record, of SHA-256."""
        self._keymgr(name, "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes")
        return next(line for line in self._keymgr(name, "ds").splitlines() if line.split()[-2] == "2") + "\n"

    def _delegations(self, name):
        for child, zone in self.zones.items():
            if child == "." or self._parent(child) != name:
                continue
            yield f"{child}. NS ns.\n"
            if zone.kind == SIGNED:
                yield self.ds[child]
            elif zone.kind == BOGUS:
                fields = self.ds[child].split()
                yield " ".join(fields[:-1] + ["00" * 32]) + "\n"

    def _write_zone(self, name):
        text = ZONE_HEAD + "".join(self._delegations(name))
        if name == ".":
            text += f"ns. A {self.address}\n"
        path = self._path("zones", ("root" if name == "." else name) + ".zone")
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text + self.zones[name].records + "\n")
        os.rename(path + ".new", path)

    def _start_resolver(self):
        self.resolver_port = self.resolver_port or _free_port(self.address)
        text = RESOLVER.format(address=self.address, port=self.resolver_port, dir=self.dir, anchor=self.trust_anchor)
        for name in self.zones:
            text += f'stub-zone:\n    name: "{name}"\n    stub-addr: {self.address}@{self.port}\n'
        with open(self._path("unbound.conf"), "w", encoding="utf-8") as f:
            f.write(text)
        with open(self._path("unbound.log"), "ab") as log:
            self.resolver = subprocess.Popen(["unbound", "-d", "-c", self._path("unbound.conf")],
                                             stdout=subprocess.DEVNULL, stderr=log)
        self._wait(self.resolver, "unbound.log", self.resolver_port, ["."])


# ---- helpers: records of mail ----

def _der(pem):
    return base64.b64decode("".join(pem.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0].split()))


def _spki(cert_pem):
    key = subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=cert_pem, text=True, capture_output=True, check=True)
    return subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.stdout.encode(), capture_output=True,
                          check=True).stdout


def tlsa(host, port, cert_pem, usage=3, selector=1, matching=1):
    """The TLSA record of a certificate (RFC 6698): by default DANE-EE, its key, SHA-256."""
    data = _spki(cert_pem) if selector == 1 else _der(cert_pem)
    data = {0: lambda d: d, 1: lambda d: hashlib.sha256(d).digest(), 2: lambda d: hashlib.sha512(d).digest()}[matching](data)
    return f"_{port}._tcp.{host} TLSA {usage} {selector} {matching} {data.hex()}\n"


def txt(name, text):
    """A TXT record, in strings of 255 bytes."""
    return f"{name} TXT " + " ".join(f'"{text[i:i + 255]}"' for i in range(0, len(text), 255)) + "\n"


def mta_sts(policy_id, policy_address="127.0.0.1"):
    """RFC 8461 3.1: where a domain says that it has a policy, and the host that serves it."""
    return txt("_mta-sts", f"v=STSv1; id={policy_id};") + f"mta-sts A {policy_address}\n"


def tls_rpt(rua):
    return txt("_smtp._tls", f"v=TLSRPTv1; rua={rua}")


def dnsbl(*addresses, answer="127.0.0.2", why="listed for the test"):
    """The records of a DNSBL (RFC 5782) that lists IPv4 and IPv6 addresses."""
    names = [ipaddress.ip_address(a).reverse_pointer.rsplit(".", 2)[0] for a in addresses]
    return "".join(f"{n} A {answer}\n" + txt(n, why) for n in names)


# ---- as a program ----

def _parse(text):
    zones = {}
    zone = None
    for line in text.splitlines():
        if line.startswith("["):
            name, kind = line[1:].split("]")
            zone = zones.setdefault(name, Zone("", kind.strip() or SIGNED))
        elif zone is not None:
            zone.records += line + "\n"
    return zones


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(sys.argv[1], encoding="utf-8") as f:
        zones = _parse(f.read())
    with DnsTree(zones) as tree:
        print(tree.port, tree.trust_anchor, tree.stubs().replace(" ", ""), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
