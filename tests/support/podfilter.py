"""A podfilter alone, asked over the milter protocol as an mta would: no pod, no mta.

    with Filter("greylist = all") as f, f.client() as m:
        m.connect("mail.sender.test", "192.0.2.1")
"""
import os
import signal
import subprocess
import tempfile

from milter_client import MilterClient
from pod import BIN, until


class Filter:
    """A podfilter of its own, with a configuration section given as text."""

    def __init__(self, section="", extra=""):
        self.dir = tempfile.mkdtemp(prefix="podmail-filter-")
        for folder in ("run", "run/metrics"):
            os.mkdir(os.path.join(self.dir, folder))
        self.section, self.extra, self.process = section, extra, None
        self.start()

    def write_config(self):
        with open(os.path.join(self.dir, "podmail.conf"), "w", encoding="utf-8") as f:
            f.write(f'pod {{ domain = "example.test"\n user_filter = "" }}\n'
                    f'filter {{\n trusted = ""\n{self.section}\n}}\n{self.extra}\n')

    def start(self):
        self.write_config()
        self.log_path = os.path.join(self.dir, "log")
        ready, tell = os.pipe()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([os.path.join(BIN, "podfilter"), "--config", os.path.join(self.dir, "podmail.conf")],
                                            stderr=log, pass_fds=[tell], env={**os.environ, "PODMAIL_READY_FD": str(tell)})
        os.close(tell)
        word = os.read(ready, 16)
        os.close(ready)
        assert word == b"ready\n", self.log()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_for_log(self, text):
        """What an answer was about is logged behind it."""
        until(lambda: text in self.log(), f"{text!r} in podfilter's log")

    def client(self):
        return MilterClient(os.path.join(self.dir, "run", "podfilter.sock"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def reload(self, section):
        self.section = section
        self.write_config()
        done = self.log().count("filter.reloaded") + self.log().count("filter.not_reloaded")
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.log().count("filter.reloaded") + self.log().count("filter.not_reloaded") > done, "the reload")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        subprocess.run(["rm", "-rf", self.dir], check=True)
