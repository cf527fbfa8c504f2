"""A clamd of one's own, with a signature database that knows EICAR's test file and nothing else.

    with Clamd() as clamd:
        clamd.socket, clamd.stop()
"""
import os
import shutil
import subprocess
import tempfile

from pod import until

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Clamd:
    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="podmail-clamd-")
        os.mkdir(os.path.join(self.dir, "db"))
        self.socket = os.path.join(self.dir, "clamd.sock")
        with open(os.path.join(self.dir, "db", "test.ndb"), "w", encoding="ascii") as f:
            f.write(f"Test-Signature:0:*:{EICAR.hex()}\n")
        with open(os.path.join(self.dir, "clamd.conf"), "w", encoding="utf-8") as f:
            f.write(f"LocalSocket {self.socket}\nDatabaseDirectory {self.dir}/db\nForeground yes\nLogFile {self.dir}/log\n"
                    "StreamMaxLength 1M\nMaxThreads 2\nOfficialDatabaseOnly no\n")
        self.process = subprocess.Popen(["clamd", "-c", os.path.join(self.dir, "clamd.conf")], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        until(lambda: os.path.exists(self.socket), "clamd's socket")
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
