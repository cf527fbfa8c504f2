"""Milters for tests: our scripted one on libmilter, and how the pod's configuration names them."""
import json
import os
import signal
import subprocess

from pod import BIN, until

SCRIPTED = os.path.normpath(os.path.join(BIN, "../tests/component/scripted_milter"))


def milter_conf(name, socket, **options):
    """One block of mta.milters."""
    fields = {"name": name, "socket": socket, **options}
    return "{ " + "; ".join(f'{k} = "{v}"' if k == "socket" else f"{k} = {v}" for k, v in fields.items()) + " }"


def set_milters(pod, **lists):
    """Writes milters=[...], submission_milters=[...] into a pod's configuration (before it is up, or for a reload)."""
    path = os.path.join(pod.dir, "podmail.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    begin, end = "# milters of a test\n", "# end of milters\n"
    if begin in text:
        text = text[:text.index(begin)] + text[text.index(end) + len(end):]
    lines = "".join(f"    {option} = [ {', '.join(blocks)} ]\n" for option, blocks in lists.items())
    if "\nmta {\n" not in text:
        text += "\nmta {\n}\n"
    text = text.replace("\nmta {\n", "\nmta {\n" + begin + lines + end, 1)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def let_in(path):
    """A pod started by root connects as a user of its own."""
    os.chmod(os.path.dirname(path), 0o755)
    os.chmod(path, 0o666)


class ScriptedMilter:
    """tests/component/scripted_milter.c, listening on a unix socket in folder."""

    def __init__(self, folder, name, script):
        self.name = name
        self.path = os.path.join(folder, name + ".sock")
        self.socket = "unix:" + self.path
        self.log_path = os.path.join(folder, name + ".log")
        self.script_path = os.path.join(folder, name + ".script")
        with open(self.script_path, "w", encoding="utf-8") as f:
            f.write(script)
        self.process = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        open(self.log_path, "w", encoding="utf-8").close()
        self.process = subprocess.Popen([SCRIPTED, self.socket, self.script_path, self.log_path])
        until(lambda: os.path.exists(self.path) and self.events(), f"milter {self.name}")
        let_in(self.path)

    def conf(self, **options):
        return milter_conf(self.name, self.socket, **options)

    def events(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def clear(self):
        os.truncate(self.log_path, 0)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
