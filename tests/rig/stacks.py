"""What is compared in the rig: each is a block device in guest a, with or without a copy of it in guest b.

A stack starts on fresh or used disks, says where its device is, and knows how its standby takes over and how a node
that was lost comes back. Guest scripts are short shell; what they print is parsed here.
"""
import json
import os
import subprocess

from rig import SHARE, Rig

VOLUME_MB = 512
DATA, SECOND = "/dev/ubda", "/dev/ubdb"


class Stack:
    """Without replication: subclasses that have it fill in the second half."""

    replicated = False

    def __init__(self, rig: Rig, label):
        self.rig, self.label = rig, label

    def start(self):
        """The device is there in guest a, and in sync with guest b."""

    def stop(self):
        """Nothing of it is left running."""

    def device(self, guest):
        raise NotImplementedError

    def lost_peer(self):
        """A shell condition that holds once guest b has seen that guest a is gone; the other way round in a."""
        raise NotImplementedError

    def in_sync(self):
        """A shell condition that holds in the guest that is primary once both copies are the same."""
        raise NotImplementedError

    def is_member(self, guest):
        """Whether the standby, as the primary sees it, has been kept up with all along: flushes waited for it."""
        return True

    def take_over(self, guest):
        """That guest, which has lost its peer, has the device now."""
        raise NotImplementedError

    def rejoin(self, guest):
        """That guest has booted again, and follows the other."""
        raise NotImplementedError


class Bare(Stack):
    def device(self, guest):
        return DATA


class Nbdkit(Stack):
    """The kernel's nbd on `nbdkit file`: what the way through a server costs, without any replication."""

    def start(self):
        self.rig.a.do(f"nbdkit -U /run/n.sock -P /run/n.pid -e n file {DATA}")
        attach(self.rig.a, "/run/n.sock", "n")

    def stop(self):
        detach(self.rig.a)
        self.rig.a.do("kill $(cat /run/n.pid)")

    def device(self, guest):
        return attached_device(guest)


class Drbd(Stack):
    """DRBD 8.4 as its manual has it for two nodes, with its metadata on the second disk."""

    replicated = True

    def __init__(self, rig, protocol):
        super().__init__(rig, f"drbd-{protocol}")
        self.protocol = protocol

    def configuration(self):
        on = "\n".join(f"  on node{g.name} {{ address {g.link_address}:7788; }}" for g in self.rig.guests)
        return f"""resource r0 {{
  protocol {self.protocol}; device /dev/drbd0 minor 0; disk {DATA}; meta-disk {SECOND};
  net {{ ping-int 3; timeout 30; connect-int 3; max-buffers 8000; max-epoch-size 8000; after-sb-0pri disconnect; }}
  disk {{ size {VOLUME_MB}M; resync-rate 200M; c-plan-ahead 0; al-extents 1237; }}
{on}
}}
"""

    def _configure(self, guest):
        guest.do("modprobe drbd; modprobe crc32c_generic; cp /host/r0.res /run/drbd.d/")

    def start(self):
        with open(os.path.join(SHARE, "r0.res"), "w", encoding="utf-8") as f:
            f.write(self.configuration())
        for guest in self.rig.guests:
            self._configure(guest)
            guest.do(f"dd if=/dev/zero of={SECOND} bs=1M count=4 status=none; drbdadm --force create-md r0 && drbdadm up r0")
        self.rig.a.do("drbdadm primary --force r0")
        self.rig.a.until(self.in_sync(), 180)

    def stop(self):
        for guest in self.rig.guests:
            guest.do("drbdadm down r0", check=False)

    def device(self, guest):
        return "/dev/drbd0"

    def lost_peer(self):
        return "! grep -q cs:Connected /proc/drbd"

    def in_sync(self):
        return "grep -q cs:Connected.*ds:UpToDate/UpToDate /proc/drbd"

    def take_over(self, guest):
        guest.do("for i in $(seq 50); do drbdadm primary r0 && exit 0; sleep 0.1; done; exit 1")

    def rejoin(self, guest):
        self._configure(guest)
        guest.do("drbdadm up r0")


# ---- volattach in a guest -----------------------------------------------------------------------------------------

def attach(guest, socket, export, *options):
    """Attaches an export; returns once it is ready. volattach ends with its parent, so it is given one that stays."""
    guest.do(f"modprobe nbd; mkfifo /run/attach.ready; "
             f"PODMAIL_READY_FD=9 setsid sh -c '/host/bin/volattach --method kernel --socket {socket} --export {export} "
             f"{' '.join(options)} & echo $! >/run/attach.pid; exec 9>&-; wait' "
             "9>/run/attach.ready 2>/run/attach.log </dev/null >&2 &\n"
             "read word </run/attach.ready; rm /run/attach.ready; cat /run/attach.log; [ \"$word\" = ready ]")


def detach(guest):
    guest.do("pid=$(cat /run/attach.pid); kill $pid; while [ -e /proc/$pid ]; do sleep 0.05; done")


def attached_device(guest):
    return guest.do("sed -n 's/.*attach.ready device=\\([^ ]*\\).*/\\1/p' /run/attach.log").strip()


# ---- ours ---------------------------------------------------------------------------------------------------------

def make_certificates(folder, names):
    """A CA, and for each site a certificate with the name that its peers expect."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-days", "30", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=rig CA")
    for name in names:
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN=podmail-replica-{name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "30", "-out", f"{name}.pem")


class Podmail(Stack):
    """Two replicas of ours over TLS, the image on the data disk, the log on the second; volattach for the device."""

    replicated = True
    SITE = {"a": "site1", "b": "site2"}

    def __init__(self, rig, mode, threads=None):
        super().__init__(rig, f"podmail-{mode}" + (f"-{threads}" if threads else ""))
        self.mode = mode
        self.threads = f"--threads {threads} " if threads else ""
        self.token = 1

    def _serve(self, guest, *options):
        """In a loop, as podd would: one that ended is started again."""
        site, other = self.SITE[guest.name], next(g for g in self.rig.guests if g is not guest)
        peer = f"{self.SITE[other.name]},address={other.link_address}:7790,mode={self.mode},wait=5s"
        guest.do("mkdir -p /v/second; mountpoint -q /v/second || mount %s /v/second; ls /v/second >/dev/null" % SECOND)
        guest.start(f"export PATH=/host/bin:$PATH; echo $$ >/run/replicator.pid; while sleep 0.2; do replicator serve "
                    f"--folder /v/second/replica --name vol "
                    f"--site {site} --nbd unix:/run/vol.nbd --control /run/vol.control --stage /dev/shm/stage --stage-size 16M "
                    f"--link-listen {guest.link_address}:7790 --peer {peer} --tls-ca /host/tls/ca.pem "
                    f"--tls-cert /host/tls/{site}.pem --tls-key /host/tls/{site}.key {self.threads}{' '.join(options)}; done",
                    f"replicator-{guest.name}.log")
        guest.until("[ -S /run/vol.control ] && [ -S /run/vol.nbd ]")
        guest.start("exec python3 /host/bin/guest-podd /run/vol.control", f"podd-{guest.name}.log")

    def _ask(self, request):
        """A shell command that asks a replica and prints its answer."""
        return f"python3 /host/bin/guest-podd /run/vol.control '{json.dumps(request)}'"

    def status(self, guest):
        return json.loads(guest.do(self._ask({"do": "status"})))

    def start(self):
        tls = os.path.join(SHARE, "tls")
        os.makedirs(tls, exist_ok=True)
        make_certificates(tls, self.SITE.values())
        volume_id = os.urandom(16).hex()
        for guest in self.rig.guests:
            guest.do(f"umount /v/second 2>/dev/null; rm -rf /dev/shm/stage; mkfs.ext4 -q -F {SECOND}; mkdir -p /v/second; "
                     f"mount {SECOND} /v/second; PATH=/host/bin:$PATH replicator create --folder /v/second/replica "
                     f"--size {VOLUME_MB}M --log-size 256M --volume-id {volume_id} --image-device {DATA}")
        self._serve(self.rig.b)
        self._serve(self.rig.a, "--primary", str(self.token))
        self.rig.a.until(self.in_sync(), 180)
        attach(self.rig.a, "/run/vol.nbd", "vol")

    def stop(self):
        for guest in self.rig.guests:
            if guest.do("cat /run/attach.pid", check=False).strip().isdigit():
                detach(guest)
            guest.do("pid=$(cat /run/replicator.pid); kill -- -$pid; while kill -0 -- -$pid 2>/dev/null; do sleep 0.05; done; "
                     "umount /v/second; rm -f /run/*.pid", check=False)

    def device(self, guest):
        return attached_device(guest)

    def _peer_is(self, jq):
        return f"{self._ask({'do': 'status'})} | jq -e '.peers[0] | {jq}' >/dev/null 2>&1"

    def lost_peer(self):
        return self._peer_is('.state == "down"')

    def in_sync(self):
        # What is not flushed yet is there, and durable with the next flush: lag_bytes counts it, and would wait for that.
        return self._peer_is('.state == "following" and .dirty_bytes == 0 and .received_lsn == .sent_lsn '
                             'and (.in_sync or .mode == "async")')

    def is_member(self, guest):
        return self.mode == "async" or self.status(guest)["peers"][0]["in_sync"]

    def take_over(self, guest):
        self.token += 1
        guest.do(self._ask({"do": "promote", "token": self.token}) + " | jq -e .ok >/dev/null")
        attach(guest, "/run/vol.nbd", "vol")

    def rejoin(self, guest):
        self._serve(guest)

