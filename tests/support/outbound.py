"""An outbound process of the mta, without a queue: tests give it jobs and wait for the results.

    with Outbound(tree.conf(), options={"port": server.port}) as out:
        result = out.send("good.test", ["a@good.test"], b"Subject: x\r\n\r\nhello\r\n")
        result["outcomes"][0]["state"] == "delivered"
"""
import json
import os
import shutil
import subprocess
import tempfile
import threading

from pod import until

TOOL = os.path.join(os.path.dirname(os.environ.get("PODMAIL_BIN") or os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "build", "bin")),
    "tests", "component", "outbound_job")

# Nothing takes long between two processes of one machine; tests that wait for a time-out set it lower still.
OPTIONS = {"connect_timeout": "5s", "greeting_timeout": "20s", "command_timeout": "20s", "data_timeout": "20s",
           "block_timeout": "20s", "done_timeout": "20s", "silent_host_time": "0ms"}


class Outbound:
    def __init__(self, conf="", options=None, hostname="us.test"):
        self.dir = tempfile.mkdtemp(prefix="podmail-outbound-")
        self.options = {**OPTIONS, **(options or {})}
        self.conf, self.hostname = conf, hostname
        self.results, self.waiting = {}, threading.Condition()
        self.last = 0
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write_conf(self):
        lines = "".join(f"  {k} = {json.dumps(v)}\n" for k, v in self.options.items())
        os.makedirs(self.path("run"), exist_ok=True)
        with open(self.path("podmail.conf"), "w", encoding="utf-8") as f:
            f.write(f'pod {{\n  domain = "us.test"\n  user_mta = ""\n}}\nmta {{\n  hostname = "{self.hostname}"\n}}\n'
                    f"outbound {{\n{lines}}}\n{self.conf}")

    def start(self):
        self.write_conf()
        # pylint: disable=consider-using-with
        self.log = open(self.path("log"), "ab")
        self.process = subprocess.Popen([TOOL, self.path("podmail.conf")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def close(self):
        if self.process:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=60)
            finally:
                self.process.kill()
                self.reader.join(20)
                self.process.stdout.close()
        self.log.close()
        if "Sanitizer" in self.log_text():
            raise AssertionError(self.log_text()[-8000:])
        shutil.rmtree(self.dir, ignore_errors=True)

    def log_text(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def _read(self, pipe):
        for line in pipe:
            result = json.loads(line)
            with self.waiting:
                self.results[result["id"]] = result
                self.waiting.notify_all()
        with self.waiting:
            self.results[None] = {}
            self.waiting.notify_all()

    def begin(self, destination, rcpts, body, **more):
        """Starts a job; returns its number."""
        self.last += 1
        path = self.path(f"body.{self.last}")
        with open(path, "wb") as f:
            f.write(body)
        targets = [r if isinstance(r, dict) else {"address": r} for r in rcpts]
        job = {"id": self.last, "body": path, "sender": "sender@us.test", "destination": destination, "targets": targets,
               "trace": f"t{self.last}", **more}
        self._say(job)
        return self.last

    def wait(self, number, limit=60):
        with self.waiting:
            if not self.waiting.wait_for(lambda: number in self.results or None in self.results, timeout=limit) or \
                    number not in self.results:
                raise AssertionError(f"no result for job {number}\n{self.log_text()[-6000:]}")
            return self.results[number]

    def send(self, destination, rcpts, body=b"Subject: x\r\n\r\nhello\r\n", **more):
        return self.wait(self.begin(destination, rcpts, body, **more))

    def cancel(self, number):
        self._say({"cancel": number})

    def restart(self):
        self._say({"restart": True})

    def reload(self, options):
        """With these options changed; waits until they are in force, or refused."""
        self.options.update(options)
        self.write_conf()

        def reloads():
            return self.log_text().count("config.reloaded") + self.log_text().count("config.not_reloaded")

        done = reloads()
        self._say({"reload": True})
        until(lambda: reloads() > done, "the reload")

    def _say(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
