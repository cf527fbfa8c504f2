#!/usr/bin/env python3
"""Two guests with real kernels on a link of their own: for tests that need the kernel's nbd, DRBD, a node that dies.

    rig.py up [--fresh]        both guests; --fresh: with new, empty disks
    rig.py do a|b SCRIPT       runs a shell script in a guest
    rig.py cut | heal          the replication link goes down, comes up
    rig.py delay MS            delays every packet on the link by so much in each direction; 0 ends it
    rig.py rate MBIT           limits the link; 0 ends it
    rig.py kill a|b            the guest's power goes;  rig.py boot a|b  starts it again on its disks
    rig.py bytes               what went over the link so far, in each direction
    rig.py down                takes everything away

A guest is user-mode-linux, a kernel that runs as a process. It boots in seconds from a root that both share
read-only (mkroot makes it), has two disks of its own (/dev/ubda, /dev/ubdb) and the folder /host of this machine.
All of it lives in a network namespace, in which the guests have 10.77.0.1 and .2 on the replication link and
10.78.0.1 and .2 for commands.
"""
import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DIR = os.environ.get("RIG_DIR", "/var/tmp/podmail-rig")
NAMESPACE = os.environ.get("RIG_NAMESPACE", "podmail-rig")
SHARE = os.path.join(DIR, "share")
COMMAND_PORT = 7000
BOOT_LIMIT = 300.0  # seconds; some on a quiet machine
LAST_LINE = re.compile(rb"(.*)RC=(\d+)\n")

NUMBER = {"a": 1, "b": 2}
DISKS = (("ubda", "disk", "1G"), ("ubdb", "second", "1G"))


class GuestError(Exception):
    """A script in a guest ended with another status than 0, or the guest did not answer."""

    def __init__(self, guest, status, output):
        super().__init__(f"guest {guest}: status {status}\n{output}")
        self.status, self.output = status, output


def in_namespace(*command):
    return ["ip", "netns", "exec", NAMESPACE, *command]


def run(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout


def ip(*words):
    return run("ip", "-n", NAMESPACE, *words)


class Guest:
    """One of the two. Its process is found by the file that remembers its number."""

    def __init__(self, name):
        self.name = name
        self.link_address = f"10.77.0.{NUMBER[name]}"
        self.command_address = f"10.78.0.{NUMBER[name]}"
        self.pid_file = os.path.join(DIR, f"pid-{name}")
        self.process = None  # where this is who booted it

    def _pid(self):
        try:
            with open(self.pid_file, encoding="utf-8") as f:
                pid = int(f.read())
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return pid if b"linux.uml" in f.read() else None
        except (OSError, ValueError):
            return None

    def _interface(self, index, kind):
        mac = f"52:54:00:00:0{index}:0{NUMBER[self.name]}"
        return f"vec{index}:transport=tap,ifname={kind}{self.name},depth=128,gro=1,mac={mac}"

    def _disks(self, fresh):
        for device, name, size in DISKS:
            path = os.path.join(DIR, f"{name}-{self.name}.img")
            if fresh and os.path.exists(path):
                os.unlink(path)
            if not os.path.exists(path):
                run("truncate", "-s", size, path)
            yield f"{device}={path}"

    def boot(self, fresh=False, memory="768M"):
        """Starts it and waits until it takes commands."""
        if self._pid():
            raise RuntimeError(f"guest {self.name} runs already")
        scratch = os.path.join(DIR, f"uml-{self.name}")
        os.makedirs(scratch, exist_ok=True)
        command = in_namespace(
            os.path.join(DIR, "uml/usr/bin/linux.uml"), f"mem={memory}", f"umid={self.name}-{os.getpid()}",
            f"uml_dir={scratch}/", "root=/dev/root", "rootfstype=hostfs", f"rootflags={DIR}/root", "ro",
            "init=/guest-init", f"node={self.name}", f"share={SHARE}", *self._disks(fresh),
            self._interface(0, "link"), self._interface(1, "cmd"), "con=null", "con0=null,fd:1", "con1=null,fd:1", "quiet")
        with open(os.path.join(DIR, f"console-{self.name}.log"), "wb") as console:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                            start_new_session=True, env={**os.environ, "TMPDIR": "/dev/shm"})
        with open(self.pid_file, "w", encoding="utf-8") as f:
            f.write(str(self.process.pid))
        deadline = time.monotonic() + BOOT_LIMIT
        while not self.answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"guest {self.name} did not come up: {console.name}")
            time.sleep(0.1)

    def answers(self):
        try:
            return self.do("echo up", limit=3) == "up\n"
        except GuestError:
            return False

    def kill(self):
        """As the loss of its power would: nothing in it is asked. (What its disks were given stays in our page cache.)"""
        pid = self._pid()
        if pid:
            os.killpg(pid, signal.SIGKILL)
            while self._pid():
                time.sleep(0.01)
        if self.process:
            self.process.wait()
            self.process = None
        if os.path.exists(self.pid_file):
            os.unlink(self.pid_file)

    def do(self, script, limit=600.0, check=True):
        """Runs a shell script in it and returns what it printed."""
        data = script.encode()
        socat = subprocess.Popen(in_namespace("socat", "-t", str(limit), "-",
                                              f"TCP:{self.command_address}:{COMMAND_PORT},connect-timeout=2"),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        timer = threading.Timer(limit, socat.kill)
        timer.start()
        try:
            output, status = self._exchange(socat, b"%d\n%s" % (len(data), data))
        finally:
            timer.cancel()
            socat.kill()
            socat.communicate()
        if status is None:
            raise GuestError(self.name, "none", output)
        if check and status != 0:
            raise GuestError(self.name, status, output)
        return output

    @staticmethod
    def _exchange(socat, request):
        """The answer ends with its last line: the end of the connection comes late where a script left something running."""
        try:
            socat.stdin.write(request)
            socat.stdin.flush()
        except BrokenPipeError:
            pass
        lines = []
        for line in socat.stdout:
            last = LAST_LINE.fullmatch(line)
            lines.append(last[1] if last else line)
            if last:
                return b"".join(lines).decode(errors="replace"), int(last[2])
        return b"".join(lines).decode(errors="replace"), None

    def start(self, script, log):
        """Starts a script that goes on by itself; what it says goes to a file of /host."""
        self.do(f"setsid bash -c {shlex.quote(script)} >/host/{log} 2>&1 </dev/null &")

    def until(self, condition, limit=60.0):
        """Waits in the guest until a shell command succeeds; returns the seconds that it took."""
        start = time.monotonic()
        tenths = int(limit * 10)
        self.do(f"for i in $(seq {tenths}); do {condition} && exit 0; sleep 0.1; done; exit 1", limit=limit + 30)
        return time.monotonic() - start


class Rig:
    """Both guests and the link between them."""

    def __init__(self):
        self.a, self.b = Guest("a"), Guest("b")
        self.guests = (self.a, self.b)

    def up(self, fresh=False, memory="768M"):
        subprocess.run([os.path.join(HERE, "mkroot")], check=True, env={**os.environ, "RIG_DIR": DIR})
        self._share()
        self._network()
        for guest in self.guests:
            guest.boot(fresh, memory)

    def down(self):
        for guest in self.guests:
            guest.kill()
        if NAMESPACE in run("ip", "netns", "list").split():
            run("ip", "netns", "del", NAMESPACE)

    @staticmethod
    def _share():
        os.makedirs(os.path.join(SHARE, "bin"), exist_ok=True)
        shutil.copy2(os.path.join(HERE, "guest-command"), SHARE)
        shutil.copy2(os.path.join(HERE, "guest-init"), os.path.join(DIR, "root"))

    @staticmethod
    def _network():
        if NAMESPACE in run("ip", "netns", "list").split():
            return
        run("ip", "netns", "add", NAMESPACE)
        ip("link", "set", "lo", "up")
        for kind in ("link", "cmd"):
            ip("link", "add", f"br-{kind}", "type", "bridge")
            ip("link", "set", f"br-{kind}", "up")
            for name in NUMBER:
                ip("tuntap", "add", f"{kind}{name}", "mode", "tap")
                ip("link", "set", f"{kind}{name}", "master", f"br-{kind}", "up")
        ip("addr", "add", "10.78.0.254/24", "dev", "br-cmd")

    @staticmethod
    def cut():
        ip("link", "set", "linka", "nomaster")

    @staticmethod
    def heal():
        ip("link", "set", "linka", "master", "br-link")

    def _queue(self, kind, words):
        for guest in self.guests:
            guest.do(f"modprobe sch_{kind}; tc qdisc replace dev vec0 root {kind} {words}" if words
                     else "tc qdisc del dev vec0 root 2>/dev/null; true")

    def delay(self, ms):
        self._queue("netem", f"delay {ms}ms limit 100000" if ms else "")

    def rate(self, mbit):
        self._queue("tbf", f"rate {mbit}mbit burst 256k latency 50ms" if mbit else "")

    @staticmethod
    def link_bytes():
        """(from a, from b), as the bridge saw them."""
        read = lambda name: int(run(*in_namespace("cat", f"/sys/class/net/{name}/statistics/rx_bytes")))
        return read("linka"), read("linkb")

    share = SHARE

    @staticmethod
    def install(*files):
        """Puts files into /host/bin of the guests."""
        for f in files:
            shutil.copy2(f, os.path.join(SHARE, "bin"))

    def install_programs(self, build):
        """What of ours runs in guests, as far as it is built."""
        for path in ("bin/volattach", "bin/replicator", "lib/nbdkit-podmail-plugin.so"):
            if os.path.exists(os.path.join(build, path)):
                self.install(os.path.join(build, path))
        self.install(os.path.join(HERE, "guest-podd"))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("command", choices=("up", "do", "cut", "heal", "delay", "rate", "kill", "boot", "bytes", "down"))
    parser.add_argument("words", nargs="*")
    parser.add_argument("--fresh", action="store_true")
    o = parser.parse_args()
    rig = Rig()
    guest = {"a": rig.a, "b": rig.b}.get(o.words[0] if o.words else "")
    if o.command in ("do", "kill", "boot") and not guest:
        parser.error("which guest, a or b?")
    if o.command == "up":
        rig.up(o.fresh)
    elif o.command == "do":
        try:
            sys.stdout.write(guest.do(" ".join(o.words[1:])))
        except GuestError as e:
            sys.stdout.write(e.output)
            return e.status if isinstance(e.status, int) else 99
    elif o.command in ("kill", "boot"):
        getattr(guest, o.command)()
    elif o.command in ("delay", "rate"):
        getattr(rig, o.command)(int(o.words[0]))
    elif o.command == "bytes":
        print("from a %d, from b %d" % rig.link_bytes())
    else:
        getattr(rig, o.command)()
    return 0


if __name__ == "__main__":
    sys.exit(main())
