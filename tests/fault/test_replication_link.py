"""What a bad line and a bad standby do to the writer of a replicated volume: nothing but a bounded wait. And afterwards
both sites hold the same."""
import os
import random
import signal
import threading
import time
import unittest

from disks import SmallDisk, need_root
from pod import until
from relay import Relay
from replicators import Replicas

BLOCK = 4096
SIZE = 64 << 20
WAIT_S = 3


class Writer(threading.Thread):
    """Writes random blocks, flushes after every few, and knows what must be read."""

    def __init__(self, replica, seed=1, per_flush=4):
        super().__init__(daemon=True)
        self.disk = replica.nbd()
        self.random, self.per_flush = random.Random(seed), per_flush
        self.model, self.flushes, self.waits, self.error = {}, 0, [], None
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                for _ in range(self.per_flush):
                    at = self.random.randrange(SIZE // BLOCK) * BLOCK
                    data = self.random.randbytes(BLOCK)
                    self.disk.pwrite(data, at)
                    self.model[at] = data
                begun = time.monotonic()
                self.disk.flush()
                self.waits.append(time.monotonic() - begun)
                self.flushes += 1
        except Exception as why:  # pylint: disable=broad-except
            self.error = why

    def goes_on(self, count=20, limit=120):
        goal = self.flushes + count
        until(lambda: self.flushes >= goal or self.error, f"{count} more flushes", limit)
        if self.error:
            raise AssertionError(f"the writer saw an error: {self.error}")

    def end(self):
        self.stopping.set()
        self.join(120)
        if self.error:
            raise AssertionError(f"the writer saw an error: {self.error}")
        for at, data in self.model.items():
            if self.disk.pread(BLOCK, at) != data:
                raise AssertionError(f"block at {at} reads differently")
        self.disk.shutdown()


class Lines(unittest.TestCase):
    MODE = "sync"

    def setUp(self):
        self.pair = Replicas(size=str(SIZE), mode=self.MODE, wait=f"{WAIT_S}s")
        self.addCleanup(self.pair.close)
        self.relay = Relay(self.pair["site2"].link_port)
        self.addCleanup(self.relay.close)

    def begin(self, per_flush=4):
        self.pair.start(port=self.relay.port)
        self.writer = Writer(self.pair["site1"], per_flush=per_flush)
        self.writer.start()
        self.writer.goes_on()

    def until_in_sync(self):
        until(lambda: self.pair["site1"].peer("site2")["in_sync"], "the standby to be in sync again", 180)

    def end(self):
        """All is well again: the writer saw nothing, and both sites are the same at one point."""
        self.writer.goes_on()
        self.writer.end()
        self.pair["site1"].ask("snapshot_take", name="both")
        until(lambda: any(s["name"] == "both" for s in self.pair["site2"].ask("snapshot_list")["snapshots"]),
              "the snapshot at the standby", 120)
        sums = [self.pair[site].ask("snapshot_checksum", name="both")["checksum"] for site in ("site1", "site2")]
        self.assertEqual(sums[0], sums[1])

    def longest_wait(self):
        return max(self.writer.waits)


class Sync(Lines):
    def test_a_cut_line_costs_the_set_time_once(self):
        self.begin()
        self.relay.cut()
        self.writer.goes_on()
        self.assertTrue(self.pair["site1"].watcher.saw("strike"))
        self.assertFalse(self.pair["site1"].peer("site2")["in_sync"])
        self.relay.heal()
        self.until_in_sync()
        self.end()
        self.assertGreater(sum(1 for w in self.writer.waits if w < WAIT_S), len(self.writer.waits) - 3)

    def test_a_line_that_is_deaf_one_way_is_a_cut_line(self):
        for way in ("up", "down"):
            with self.subTest(way=way):
                self.setUp()
                self.begin()
                self.relay.swallow = {way}
                self.writer.goes_on(limit=180)
                self.assertTrue(self.pair["site1"].watcher.saw("strike"))
                self.relay.heal()
                self.relay.reset()
                self.until_in_sync()
                self.end()

    def test_corrupted_bytes_are_never_applied(self):
        self.begin()
        self.relay.corrupt = 0.01
        self.writer.goes_on(200, limit=300)
        self.relay.heal()
        self.relay.reset()
        self.until_in_sync()
        self.end()

    def test_a_long_line_is_only_slow(self):
        self.begin(per_flush=16)
        self.relay.delay, self.relay.jitter = 0.05, 0.02
        self.writer.goes_on(20)
        self.assertTrue(self.pair["site1"].peer("site2")["in_sync"])
        self.assertFalse(self.pair["site1"].watcher.saw("strike"))
        self.end()

    def test_a_standby_that_hangs_is_struck_and_comes_back(self):
        self.begin()
        self.pair["site2"].signal(signal.SIGSTOP)
        self.writer.goes_on(limit=180)
        self.assertTrue(self.pair["site1"].watcher.saw("strike"))
        self.pair["site2"].signal(signal.SIGCONT)
        self.until_in_sync()
        self.end()

    def test_a_storm_of_reconnects_loses_nothing(self):
        self.begin()
        for _ in range(40):
            self.relay.reset()
            time.sleep(random.uniform(0, 0.1))  # the storm itself, not a wait for something
        self.writer.goes_on()
        self.until_in_sync()
        self.end()

    def test_nothing_is_acknowledged_without_the_peer_before_the_directory_knows(self):
        self.begin()
        self.pair["site1"].watcher.confirm = False
        self.relay.cut()
        until(lambda: self.pair["site1"].watcher.saw("strike"), "the wish to strike the standby", 60)
        # No flush may come back now, however long we look: twice the set time is enough to tell.
        done = self.writer.flushes
        deadline = time.monotonic() + 2 * WAIT_S
        while time.monotonic() < deadline:
            self.assertLessEqual(self.writer.flushes, done)
            time.sleep(0.05)
        event = self.pair["site1"].watcher.saw("strike")[-1]
        self.pair["site1"].watcher.confirm = True
        self.pair["site1"].ask("struck", peer="site2", serial=event["serial"])
        self.writer.goes_on()
        self.relay.heal()
        self.until_in_sync()
        self.end()


class Async(Lines):
    MODE = "async"

    def test_a_long_or_cut_line_is_not_felt(self):
        self.begin(per_flush=2)
        self.relay.delay = 0.2
        before = len(self.writer.waits)
        self.writer.goes_on(50)
        slow = sorted(self.writer.waits[before:])
        self.assertLess(slow[len(slow) // 2], 0.2)  # one that waited for the peer would have taken twice the delay
        self.relay.cut()
        self.writer.goes_on(50)
        self.assertFalse(self.pair["site1"].watcher.saw("strike") and self.pair["site1"].peer("site2")["in_sync"])
        self.relay.heal()
        until(lambda: self.pair["site1"].peer("site2")["state"] == "following", "the standby to follow", 180)
        self.end()


class FullStandby(Lines):
    def test_a_standby_without_room_is_struck_and_catches_up_when_it_has_some(self):
        need_root("losetup")
        disk = SmallDisk(160)
        self.addCleanup(disk.close)
        self.addCleanup(self.pair.close)
        standby = self.pair["site2"]
        os.rename(standby.folder, standby.folder + ".unused")
        standby.folder = os.path.join(disk.folder, "site2")
        standby.create(str(SIZE), "16M", self.pair.volume_id)
        disk.fill(leave_bytes=2 << 20)
        self.begin()
        self.writer.goes_on(400, limit=300)
        until(lambda: not self.pair["site1"].peer("site2")["in_sync"] or self.pair["site2"].ask("status").get("broken"),
              "the standby to say that it is full", 120)
        self.writer.goes_on()
        disk.remove_filler()
        self.until_in_sync()
        self.end()


if __name__ == "__main__":
    unittest.main(verbosity=2)
