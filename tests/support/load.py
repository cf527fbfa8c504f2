"""A load while servers die and come back: threads that do a client's work until they are told to stop."""
import imaplib
import random
import smtplib
import threading
import time

# How a client sees that its server is gone.
LOST = (OSError, EOFError, imaplib.IMAP4.error, imaplib.IMAP4.abort, smtplib.SMTPException)


class Load:
    """A thread for each of kinds, which are called as kind(rng, number) again and again; they return when `stopping` is set."""

    def __init__(self, kinds, rng):
        self.stopping = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self._run, args=(kind, random.Random(rng.random()), i), daemon=True)
                        for i, kind in enumerate(kinds)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
            if thread.is_alive():
                self.failures.append("a client hangs")

    def _run(self, kind, rng, number):
        while not self.stopping.is_set():
            try:
                kind(rng, number)
            except LOST:
                time.sleep(0.02)  # the server is being restarted; trying again is the waiting
            except Exception as e:  # noqa: BLE001 - anything else is the test's finding
                self.failures.append(repr(e))
                return
