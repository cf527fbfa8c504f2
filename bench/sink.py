"""A server that takes mail and throws it away, for both sides of a relay bench: Postfix's smtp-sink, counting."""
import re
import subprocess
import threading
import time


class Sink:
    def __init__(self, port):
        self.port = port
        self.messages = 0
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(["/usr/sbin/smtp-sink", "-c", "-u", "nobody", f"127.0.0.1:{port}", "1000"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        """It writes "sess=N quit=N mesg=N" over and over into one line."""
        while piece := self.process.stdout.read1(65536):
            found = re.findall(rb"mesg=\s*(\d+)", piece)
            if found:
                self.messages = int(found[-1])

    def wait_for(self, total, limit=300):
        deadline = time.monotonic() + limit
        while self.messages < total:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.messages} of {total} messages came to the sink")
            time.sleep(0.005)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
