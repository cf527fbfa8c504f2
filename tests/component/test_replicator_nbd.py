"""The NBD export of a replica, met with libnbd: what it says of itself, what requests do, and what is refused.

Rows of the tables become tests of their own. The programs that bring NBD clients with them are in
test_replicator_nbd_clients.py.
"""
import errno
import os
import random
import subprocess
import tempfile
import threading
import unittest

from pod import until
from replicators import Replicas

import nbd  # Debian's python3-libnbd; replicators knows where it is

SIZE = 64 << 20
BLOCK = 4096


def patterned(length, seed):
    return random.Random(seed).randbytes(length)


def rows(table):
    """Gives the class a test for each row (name, ...), which calls its check(*rest)."""
    def give(cls):
        for name, *rest in table:
            def test(self, rest=tuple(rest)):
                self.check(*rest)
            test.__name__ = f"test_{name}"
            assert not hasattr(cls, test.__name__), name
            setattr(cls, test.__name__, test)
        return cls
    return give


def block_status(disk, length, offset, flags=0):
    """One answer: (length, kind) of each extent that it names."""
    found = []
    disk.block_status(length, offset, lambda context, at, entries, error: found.extend(entries) or 0, flags)
    return [(found[i], found[i + 1]) for i in range(0, len(found), 2)]


def extents_of(disk, length=SIZE, offset=0):
    """All of a range, neighbours of a kind joined."""
    extents, end = [], offset + length
    while offset < end:
        for size, kind in block_status(disk, end - offset, offset):
            offset += size
            if extents and extents[-1][1] == kind:
                extents[-1] = (extents[-1][0] + size, kind)
            else:
                extents.append((size, kind))
    return extents


class OneReplica(unittest.TestCase):
    """Tests that share one primary without peers."""
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.replicas = Replicas(sites=("site1",), **cls.options)
        cls.addClassCleanup(cls.replicas.close)
        cls.replica = cls.replicas["site1"].start(token=1)

    def connect(self, export="vol", loose=False, **settings):
        """loose: libnbd passes on what it knows to be wrong."""
        disk = nbd.NBD()
        disk.set_export_name(export)
        if loose:
            disk.set_strict_mode(0)
        for name, value in settings.items():
            getattr(disk, name)(value)
        disk.connect_unix(self.replica.socket)
        self.addCleanup(self.hang_up, disk)
        return disk

    @staticmethod
    def hang_up(disk):
        try:
            disk.shutdown()
        except nbd.Error:
            pass

    def fails_with(self, number, call, *args):
        with self.assertRaises(nbd.Error) as failure:
            call(*args)
        self.assertEqual(errno.errorcode.get(failure.exception.errnum), errno.errorcode[number],
                         failure.exception.string)


@rows((
    ("size_is_the_volumes", "get_size", (), SIZE),
    ("is_not_read_only", "is_read_only", (), False),
    ("is_not_rotational", "is_rotational", (), False),
    ("flush", "can_flush", (), True),
    ("fua", "can_fua", (), True),
    ("trim", "can_trim", (), True),
    ("write_zeroes", "can_zero", (), True),
    ("fast_zero", "can_fast_zero", (), True),
    ("cache", "can_cache", (), True),
    ("df", "can_df", (), True),
    ("multi_conn", "can_multi_conn", (), True),
    ("block_status", "can_meta_context", (nbd.CONTEXT_BASE_ALLOCATION,), True),
    ("structured_replies", "get_structured_replies_negotiated", (), True),
    ("protocol_is_newstyle_fixed", "get_protocol", (), "newstyle-fixed"),
    ("no_tls_on_a_unix_socket", "get_tls_negotiated", (), False),
    ("any_byte_can_be_addressed", "get_block_size", (nbd.SIZE_MINIMUM,), 1),
    ("preferred_block_is_4096", "get_block_size", (nbd.SIZE_PREFERRED,), BLOCK),
    ("largest_request_is_32_mib", "get_block_size", (nbd.SIZE_MAXIMUM,), 32 << 20),
    ("handshake_flags", "get_handshake_flags", (), nbd.HANDSHAKE_FLAG_MASK),
))
class WhatTheExportSays(OneReplica):
    def check(self, question, arguments, answer):
        disk = self.connect(add_meta_context=nbd.CONTEXT_BASE_ALLOCATION)
        self.assertEqual(getattr(disk, question)(*arguments), answer)


class Names(OneReplica):
    def listed(self):
        found = []
        disk = nbd.NBD()
        disk.set_opt_mode(True)
        disk.connect_unix(self.replica.socket)
        disk.opt_list(lambda name, description: found.append(name))
        disk.opt_abort()
        return found

    def test_the_list_has_the_volume(self):
        self.assertEqual(self.listed(), ["vol"])

    def test_no_name_means_the_volume(self):
        disk = self.connect(export="", set_full_info=True)
        self.assertEqual(disk.get_size(), SIZE)
        self.assertEqual(disk.get_canonical_export_name(), "vol")

    def test_the_volume_has_a_description(self):
        self.assertEqual(self.connect(set_full_info=True).get_export_description(), "the volume")

    def test_info_then_go_on_one_connection(self):
        disk = nbd.NBD()
        disk.set_opt_mode(True)
        disk.connect_unix(self.replica.socket)
        disk.set_export_name("nothing")
        self.fails_with(errno.ENOENT, disk.opt_info)
        disk.set_export_name("vol")
        disk.opt_info()
        self.assertEqual(disk.get_size(), SIZE)
        disk.opt_go()
        self.assertEqual(len(disk.pread(BLOCK, 0)), BLOCK)
        disk.shutdown()

    def test_an_unknown_meta_context_is_not_given(self):
        disk = self.connect(add_meta_context="podmail:nothing")
        self.assertFalse(disk.can_meta_context("podmail:nothing"))

    def test_a_client_without_structured_replies_is_served(self):
        disk = self.connect(set_request_structured_replies=False)
        self.assertFalse(disk.get_structured_replies_negotiated())
        disk.pwrite(patterned(BLOCK, 1), 8192)
        self.assertEqual(disk.pread(BLOCK, 8192), patterned(BLOCK, 1))

    def test_a_client_with_the_oldest_handshake_flags_is_served(self):
        disk = self.connect(set_handshake_flags=nbd.HANDSHAKE_FLAG_FIXED_NEWSTYLE)
        self.assertEqual(len(disk.pread(BLOCK, 0)), BLOCK)


@rows((
    ("another_word", "nothing"), ("another_case", "VOL"), ("more_behind", "volume"), ("less", "vo"),
    ("a_space", "vol "), ("a_path", "../vol"), ("a_slash", "vol/"), ("an_unknown_snapshot", "vol@nothing"),
    ("a_snapshot_without_name", "vol@"), ("a_snapshot_of_nothing", "@"), ("a_snapshot_of_another", "other@vol"),
    ("a_path_as_snapshot", "vol@../image"), ("a_long_name", "v" * 4096), ("a_long_snapshot", "vol@" + "s" * 4000),
    ("control_characters", "vol\n\x01"), ("not_ascii", "v\u00f6l"),
))
class UnknownNames(OneReplica):
    def check(self, name):
        with self.assertRaises(nbd.Error):
            self.connect(export=name)
        self.assertEqual(self.connect().get_size(), SIZE)


def zero(disk, length, offset, flags=0):
    disk.zero(length, offset, flags)


# name, bytes written before, request, its arguments, what reads as zeros (offset, length) or bytes then
REQUESTS = (
    ("write_a_block", "pwrite", (patterned(BLOCK, 1), 0)),
    ("write_a_byte", "pwrite", (b"x", 5000)),
    ("write_the_first_byte", "pwrite", (b"x", 0)),
    ("write_the_last_byte", "pwrite", (b"x", SIZE - 1)),
    ("write_a_sector", "pwrite", (patterned(512, 2), 512 * 3)),
    ("write_the_last_sector", "pwrite", (patterned(512, 2), SIZE - 512)),
    ("write_over_a_block_border", "pwrite", (patterned(100, 3), BLOCK - 50)),
    ("write_over_two_block_borders", "pwrite", (patterned(BLOCK + 100, 4), BLOCK - 50)),
    ("write_one_byte_less_than_a_block", "pwrite", (patterned(BLOCK - 1, 5), BLOCK)),
    ("write_one_byte_more_than_a_block", "pwrite", (patterned(BLOCK + 1, 5), BLOCK)),
    ("write_a_mebibyte", "pwrite", (patterned(1 << 20, 6), 1 << 20)),
    ("write_a_mebibyte_unaligned", "pwrite", (patterned(1 << 20, 7), (1 << 20) + 1)),
    ("write_more_than_a_record_takes", "pwrite", (patterned((256 << 10) + BLOCK, 8), BLOCK)),
    ("write_32_mib", "pwrite", (patterned(32 << 20, 9), 16 << 20)),
    ("write_with_fua", "pwrite", (patterned(BLOCK, 10), 0, nbd.CMD_FLAG_FUA)),
    ("write_unaligned_with_fua", "pwrite", (patterned(700, 11), 9000, nbd.CMD_FLAG_FUA)),
    ("zero_a_block", "zero", (BLOCK, BLOCK)),
    ("zero_without_hole", "zero", (1 << 20, BLOCK, nbd.CMD_FLAG_NO_HOLE)),
    ("zero_fast", "zero", (1 << 20, BLOCK, nbd.CMD_FLAG_FAST_ZERO)),
    ("zero_fast_without_hole", "zero", (BLOCK, BLOCK, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE)),
    ("zero_with_fua", "zero", (BLOCK, BLOCK, nbd.CMD_FLAG_FUA)),
    ("zero_all_flags", "zero", (BLOCK, 0, nbd.CMD_FLAG_FUA | nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FAST_ZERO)),
    ("zero_a_byte", "zero", (1, 77)),
    ("zero_unaligned", "zero", (3 * BLOCK, 100)),
    ("zero_everything", "zero", (SIZE, 0)),
    ("trim_a_block", "trim", (BLOCK, BLOCK)),
    ("trim_with_fua", "trim", (1 << 20, BLOCK, nbd.CMD_FLAG_FUA)),
    ("trim_everything", "trim", (SIZE, 0)),
    ("cache", "cache", (1 << 20, 0)),
    ("cache_unaligned", "cache", (1, 5)),
    ("flush", "flush", ()),
)


@rows(REQUESTS)
class Requests(OneReplica):
    """Each request on a volume whose bytes are known, and then all bytes looked at."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.before = patterned(1 << 20, 0) * (SIZE >> 20)

    def check(self, request, arguments):
        disk = self.connect()
        for at in range(0, SIZE, 32 << 20):
            disk.pwrite(self.before[at:at + (32 << 20)], at)
        expected = bytearray(self.before)
        if request == "pwrite":
            data, offset = arguments[:2]
            expected[offset:offset + len(data)] = data
        elif request in ("zero", "trim"):
            length, offset = arguments[:2]
            expected[offset:offset + length] = bytes(length)
        getattr(disk, request)(*arguments)
        for at in range(0, SIZE, 32 << 20):
            self.assertTrue(disk.pread(32 << 20, at) == expected[at:at + (32 << 20)], f"bytes from {at} on")


class ManyRequests(OneReplica):
    options = {"size": "16M"}

    def test_what_is_read_is_what_was_written_last_whatever_the_order(self):
        disk, size = self.connect(), 16 << 20
        for seed in range(4):
            rng = random.Random(seed)
            expected = bytearray(size)
            disk.zero(size, 0)
            for step in range(300):
                unit = rng.choice((1, 512, BLOCK))
                length = min(rng.choice((1, 2, 3, 8, 64, 300)) * unit, size)
                offset = rng.randrange(0, size - length + 1) // unit * unit
                what = rng.choice(("pwrite", "pwrite", "pwrite", "zero", "trim", "flush", "pread"))
                if what == "pwrite":
                    data = rng.randbytes(length)
                    disk.pwrite(data, offset, rng.choice((0, 0, 0, nbd.CMD_FLAG_FUA)))
                    expected[offset:offset + length] = data
                elif what == "zero":
                    fast = nbd.CMD_FLAG_FAST_ZERO if unit == BLOCK else 0  # of parts of blocks it is not
                    disk.zero(length, offset, rng.choice((0, nbd.CMD_FLAG_NO_HOLE, fast)))
                    expected[offset:offset + length] = bytes(length)
                elif what == "trim" and unit == BLOCK:  # unaligned ends of a trim may stay as they are
                    disk.trim(length, offset)
                    expected[offset:offset + length] = bytes(length)
                elif what == "flush":
                    disk.flush()
                self.assertEqual(disk.pread(length, offset), expected[offset:offset + length], (seed, step, what))
            self.assertTrue(disk.pread(size, 0) == expected, f"everything, seed {seed}")

    def test_a_zero_of_parts_of_blocks_is_not_fast_and_says_so(self):
        self.fails_with(errno.ENOTSUP, self.connect().zero, 100, 100, nbd.CMD_FLAG_FAST_ZERO)

    def test_64_requests_in_flight(self):
        disk = self.connect()
        data = [patterned(BLOCK, i) for i in range(64)]
        for wanted in (data, data[::-1]):
            cookies = [disk.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(d)), i * 2 * BLOCK)
                       for i, d in enumerate(wanted)]
            self.wait(disk, cookies)
            buffers = [nbd.Buffer(BLOCK) for _ in wanted]
            self.wait(disk, [disk.aio_pread(b, i * 2 * BLOCK) for i, b in enumerate(buffers)])
            self.assertEqual([bytes(b.to_bytearray()) for b in buffers], wanted)

    def test_64_flushes_and_writes_in_flight(self):
        disk = self.connect()
        cookies = []
        for i in range(64):
            cookies.append(disk.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(patterned(BLOCK, i))), i * BLOCK))
            cookies.append(disk.aio_flush())
        self.wait(disk, cookies)
        self.assertEqual(disk.pread(BLOCK, 63 * BLOCK), patterned(BLOCK, 63))

    @staticmethod
    def wait(disk, cookies):
        for cookie in cookies:
            while not disk.aio_command_completed(cookie):
                disk.poll(-1)

    def test_connections_see_each_others_completed_writes(self):
        one, two = self.connect(), self.connect()
        for i in range(50):
            (one, two)[i % 2].pwrite(patterned(BLOCK, i), BLOCK)
            self.assertEqual((two, one)[i % 2].pread(BLOCK, BLOCK), patterned(BLOCK, i))

    def test_eight_connections_write_at_once_each_its_own_bytes_of_the_same_blocks(self):
        """Parts of a block are read, changed and written: none may bring back what another has changed."""
        disks = [self.connect() for _ in range(8)]
        disks[0].zero(64 * BLOCK, 0)
        failures = []

        def work(number):
            try:
                for block in range(64):
                    disks[number].pwrite(bytes([number + 1]) * 512, block * BLOCK + number * 512)
            except nbd.Error as e:
                failures.append(e)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(120)
        self.assertEqual(failures, [])
        self.assertEqual(disks[0].pread(64 * BLOCK, 0), b"".join(bytes([n + 1]) * 512 for n in range(8)) * 64)


@rows((
    ("read_behind_the_end", errno.EINVAL, "pread", (BLOCK, SIZE)),
    ("read_over_the_end", errno.EINVAL, "pread", (BLOCK, SIZE - 512)),
    ("read_far_away", errno.EINVAL, "pread", (BLOCK, 1 << 62)),
    ("read_nothing", errno.EINVAL, "pread", (0, 0)),
    ("write_behind_the_end", errno.ENOSPC, "pwrite", (bytes(BLOCK), SIZE)),
    ("write_over_the_end", errno.ENOSPC, "pwrite", (bytes(BLOCK), SIZE - 512)),
    ("write_far_away", errno.ENOSPC, "pwrite", (bytes(BLOCK), 1 << 62)),
    ("write_nothing", errno.ENOSPC, "pwrite", (b"", 0)),
    ("zero_behind_the_end", errno.ENOSPC, "zero", (BLOCK, SIZE)),
    ("zero_over_the_end", errno.ENOSPC, "zero", (BLOCK, SIZE - 512)),
    ("trim_behind_the_end", errno.EINVAL, "trim", (BLOCK, SIZE)),
    ("trim_nothing", errno.EINVAL, "trim", (0, 0)),
    ("cache_behind_the_end", errno.EINVAL, "cache", (BLOCK, SIZE)),
    ("a_flag_that_nobody_knows", errno.EINVAL, "pwrite", (bytes(BLOCK), 0, 1 << 15)),
    ("no_hole_on_a_write", errno.EINVAL, "pwrite", (bytes(BLOCK), 0, nbd.CMD_FLAG_NO_HOLE)),
    ("fast_zero_on_a_trim", errno.EINVAL, "trim", (BLOCK, 0, nbd.CMD_FLAG_FAST_ZERO)),
    ("block_status_behind_the_end", errno.EINVAL, "block_status", (BLOCK, SIZE, lambda *_: 0)),
))
class RefusedRequests(OneReplica):
    def check(self, number, request, arguments):
        disk = self.connect(loose=True, add_meta_context=nbd.CONTEXT_BASE_ALLOCATION)
        disk.pwrite(patterned(BLOCK, 1), SIZE - BLOCK)
        self.fails_with(number, getattr(disk, request), *arguments)
        # The connection goes on, nothing has changed.
        self.assertEqual(disk.pread(BLOCK, SIZE - BLOCK), patterned(BLOCK, 1))


class BlockStatus(OneReplica):
    def setUp(self):
        self.disk = self.connect(add_meta_context=nbd.CONTEXT_BASE_ALLOCATION)
        self.disk.trim(SIZE, 0)

    def test_an_empty_volume_is_a_hole(self):
        self.assertEqual(extents_of(self.disk), [(SIZE, nbd.STATE_HOLE | nbd.STATE_ZERO)])

    def test_what_is_written_is_data(self):
        self.disk.pwrite(patterned(1 << 20, 1), 2 << 20)
        hole = nbd.STATE_HOLE | nbd.STATE_ZERO
        self.assertEqual(extents_of(self.disk), [(2 << 20, hole), (1 << 20, 0), (SIZE - (3 << 20), hole)])

    def test_it_stays_data_once_it_is_in_the_image(self):
        self.disk.pwrite(patterned(1 << 20, 1), 2 << 20)
        self.disk.flush()
        end = self.replica.ask("status")["cursors"]["durable"]
        until(lambda: self.replica.ask("status")["cursors"]["applied"] >= end, "the image to have it")
        kinds = {kind for _, kind in extents_of(self.disk, 1 << 20, 2 << 20)}
        self.assertEqual(kinds, {0})
        self.assertEqual(extents_of(self.disk, 1 << 20, 8 << 20), [(1 << 20, nbd.STATE_HOLE | nbd.STATE_ZERO)])

    def test_trimmed_is_a_hole_again(self):
        self.disk.pwrite(patterned(1 << 20, 1), 0)
        self.disk.trim(1 << 20, 0)
        self.assertEqual(extents_of(self.disk), [(SIZE, nbd.STATE_HOLE | nbd.STATE_ZERO)])

    def test_zeroed_without_hole_is_zero_and_no_hole(self):
        self.disk.pwrite(patterned(1 << 20, 1), 0)
        self.disk.zero(1 << 20, 0, nbd.CMD_FLAG_NO_HOLE)
        self.assertEqual(extents_of(self.disk, 1 << 20), [(1 << 20, nbd.STATE_ZERO)])

    def test_one_extent_where_one_is_asked_for(self):
        self.disk.pwrite(patterned(BLOCK, 1), BLOCK)
        extents = block_status(self.disk, 1 << 20, 0, nbd.CMD_FLAG_REQ_ONE)
        self.assertEqual(len(extents), 1)
        self.assertLessEqual(extents[0][0], 1 << 20)

    def test_extents_agree_with_the_bytes(self):
        rng = random.Random(5)
        for _ in range(60):
            getattr(self.disk, rng.choice(("trim", "zero")))(rng.randrange(1, 64) * BLOCK, rng.randrange(0, 8000) * BLOCK)
            self.disk.pwrite(rng.randbytes(rng.randrange(1, 64) * BLOCK), rng.randrange(0, 8000) * BLOCK)
        offset = 0
        for size, kind in extents_of(self.disk):
            if kind & nbd.STATE_ZERO:
                for at in range(offset, offset + size, 32 << 20):
                    part = min(32 << 20, offset + size - at)
                    self.assertEqual(self.disk.pread(part, at).count(0), part)
            offset += size
        self.assertEqual(offset, SIZE)


class WhatSurvives(unittest.TestCase):
    """kill -9, where the stage stays, and what is like a power cut: the stage is gone too."""

    def setUp(self):
        self.replicas = Replicas(sites=("site1",))
        self.addCleanup(self.replicas.close)
        self.replica = self.replicas["site1"].start(token=1)

    def crash(self, power=False):
        self.replica.kill()
        if power:
            os.unlink(self.replica.stage)
        self.replica.start(token=1)
        return self.replica.nbd()

    def test_acknowledged_writes_survive_a_kill(self):
        disk = self.replica.nbd()
        for i in range(200):
            disk.pwrite(patterned(BLOCK, i), i * BLOCK)
        disk = self.crash()
        for i in range(200):
            self.assertEqual(disk.pread(BLOCK, i * BLOCK), patterned(BLOCK, i))

    def test_flushed_writes_survive_a_power_cut(self):
        disk = self.replica.nbd()
        disk.pwrite(patterned(1 << 20, 1), 0)
        disk.flush()
        self.assertEqual(self.crash(power=True).pread(1 << 20, 0), patterned(1 << 20, 1))

    def test_a_flush_on_one_connection_covers_the_writes_of_another(self):
        one, two = self.replica.nbd(), self.replica.nbd()
        one.pwrite(patterned(1 << 20, 1), 0)
        two.flush()
        self.assertEqual(self.crash(power=True).pread(1 << 20, 0), patterned(1 << 20, 1))

    def test_a_write_with_fua_survives_a_power_cut(self):
        self.replica.nbd().pwrite(patterned(BLOCK, 1), BLOCK, nbd.CMD_FLAG_FUA)
        self.assertEqual(self.crash(power=True).pread(BLOCK, BLOCK), patterned(BLOCK, 1))

    def test_an_unaligned_write_with_fua_survives_a_power_cut(self):
        self.replica.nbd().pwrite(patterned(10000, 1), 1000, nbd.CMD_FLAG_FUA)
        self.assertEqual(self.crash(power=True).pread(10000, 1000), patterned(10000, 1))

    def test_zeroes_and_trims_with_fua_survive_a_power_cut(self):
        disk = self.replica.nbd()
        disk.pwrite(patterned(1 << 20, 1), 0)
        disk.flush()
        disk.zero(BLOCK, 0, nbd.CMD_FLAG_FUA)
        disk.trim(BLOCK, 2 * BLOCK, nbd.CMD_FLAG_FUA)
        data = self.crash(power=True).pread(3 * BLOCK, 0)
        self.assertEqual(data, bytes(BLOCK) + patterned(1 << 20, 1)[BLOCK:2 * BLOCK] + bytes(BLOCK))

    def test_a_power_cut_takes_what_was_not_flushed_at_most(self):
        disk = self.replica.nbd()
        disk.pwrite(patterned(BLOCK, 1), 0)
        disk.flush()
        disk.pwrite(patterned(BLOCK, 2), 0)
        self.assertIn(self.crash(power=True).pread(BLOCK, 0), (patterned(BLOCK, 1), patterned(BLOCK, 2)))

    def test_everything_is_there_after_an_orderly_end(self):
        disk = self.replica.nbd()
        disk.pwrite(patterned(1 << 20, 1), 0)
        disk.shutdown()
        self.replica.stop()
        if os.path.exists(self.replica.stage):
            os.unlink(self.replica.stage)
        self.replica.start(token=1)
        self.assertEqual(self.replica.nbd().pread(1 << 20, 0), patterned(1 << 20, 1))


class Snapshots(OneReplica):
    def snapshot(self, name):
        answer = self.replica.ask("snapshot_take", name=name)
        self.addCleanup(until, lambda: self.replica.ask("snapshot_delete", check=False, name=name)["ok"],
                        "the readers to be gone")  # the server notices a little later that they are
        return answer

    def test_a_snapshot_is_listed_and_readable_and_stays_as_it_was_while_the_volume_is_written(self):
        disk = self.connect()
        disk.pwrite(patterned(1 << 20, 1), 0)
        self.snapshot("s1")
        taken = self.connect(export="vol@s1")
        for i in range(20):
            disk.pwrite(patterned(1 << 20, 100 + i), 0)
            disk.pwrite(patterned(BLOCK, i), (2 << 20) + i * BLOCK)
            disk.flush()
            self.assertEqual(taken.pread(1 << 20, 0), patterned(1 << 20, 1))
        self.assertEqual(taken.pread(1 << 20, 2 << 20), bytes(1 << 20))
        self.hang_up(taken)

    def test_a_snapshot_has_what_was_written_but_not_flushed_before(self):
        self.connect().pwrite(patterned(BLOCK, 5), 40 << 20)
        self.snapshot("s2")
        taken = self.connect(export="vol@s2")
        self.assertEqual(taken.pread(BLOCK, 40 << 20), patterned(BLOCK, 5))
        self.hang_up(taken)

    def test_parts_of_blocks_of_a_snapshot_can_be_read(self):
        self.connect().pwrite(patterned(1 << 20, 1), 0)
        self.snapshot("s3")
        taken = self.connect(export="vol@s3")
        self.assertEqual(taken.pread(1001, 4000), patterned(1 << 20, 1)[4000:5001])
        self.hang_up(taken)

    def test_a_snapshot_is_read_only(self):
        self.snapshot("s4")
        taken = self.connect(export="vol@s4", loose=True)
        self.assertTrue(taken.is_read_only())
        self.assertEqual(taken.get_size(), SIZE)
        for request, arguments in (("pwrite", (bytes(BLOCK), 0)), ("zero", (BLOCK, 0)), ("trim", (BLOCK, 0))):
            self.fails_with(errno.EPERM, getattr(taken, request), *arguments)
        taken.flush()
        self.hang_up(taken)

    def test_several_snapshots_each_show_their_time(self):
        disk = self.connect()
        for i in range(4):
            disk.pwrite(bytes([i + 1]) * BLOCK, 50 << 20)
            self.snapshot(f"t{i}")
        disk.pwrite(bytes(BLOCK), 50 << 20)
        disk.flush()
        for i in range(4):
            taken = self.connect(export=f"vol@t{i}")
            self.assertEqual(taken.pread(BLOCK, 50 << 20), bytes([i + 1]) * BLOCK)
            self.hang_up(taken)

    def test_block_status_of_a_snapshot_is_of_its_time(self):
        hole = nbd.STATE_HOLE | nbd.STATE_ZERO
        disk = self.connect()
        disk.trim(SIZE, 0)
        disk.pwrite(patterned(1 << 20, 1), 8 << 20)
        disk.pwrite(patterned(1 << 20, 2), 32 << 20)
        self.snapshot("map")
        expected = [(8 << 20, hole), (1 << 20, 0), (23 << 20, hole), (1 << 20, 0), (31 << 20, hole)]
        taken = self.connect(export="vol@map", add_meta_context=nbd.CONTEXT_BASE_ALLOCATION)
        self.assertEqual(extents_of(taken), expected)
        disk.trim(2 << 20, 8 << 20)                # was data
        disk.pwrite(patterned(4 << 20, 3), 30 << 20)  # was a hole, data, a hole
        disk.flush()
        end = self.replica.ask("status")["cursors"]["durable"]
        until(lambda: self.replica.ask("status")["cursors"]["applied"] >= end, "the image to have it")
        self.assertEqual(extents_of(taken), expected)
        self.assertEqual(taken.pread(1 << 20, 8 << 20), patterned(1 << 20, 1))
        self.hang_up(taken)

    def test_one_that_is_deleted_is_refused(self):
        self.replica.ask("snapshot_take", name="gone")
        self.replica.ask("snapshot_delete", name="gone")
        with self.assertRaises(nbd.Error):
            self.connect(export="vol@gone")


class Roles(unittest.TestCase):
    def setUp(self):
        self.replicas = Replicas(sites=("site1",))
        self.addCleanup(self.replicas.close)
        self.replica = self.replicas["site1"]

    def refused(self, call, *args):
        with self.assertRaises(nbd.Error) as failure:
            call(*args)
        return failure.exception

    def test_a_secondary_lists_and_serves_nothing_but_snapshots(self):
        self.replica.start(token=1)
        self.replica.nbd().pwrite(patterned(BLOCK, 1), 0)
        self.replica.ask("snapshot_take", name="s")
        self.replica.ask("demote", token=1)
        self.refused(self.replica.nbd)
        self.assertEqual(self.replica.nbd("vol@s").pread(BLOCK, 0), patterned(BLOCK, 1))

    def test_it_starts_as_secondary_and_serves_once_it_is_promoted(self):
        self.replica.start()
        self.refused(self.replica.nbd)
        self.replica.ask("promote", token=7)
        self.assertEqual(self.replica.nbd().pread(BLOCK, 0), bytes(BLOCK))

    def test_a_connection_does_not_survive_a_demotion(self):
        self.replica.start(token=1)
        disk = self.replica.nbd()
        disk.pwrite(patterned(BLOCK, 1), 0)
        self.replica.ask("demote", token=1)
        for request, arguments in (("pread", (BLOCK, 0)), ("pwrite", (bytes(BLOCK), 0)), ("flush", ()),
                                   ("zero", (BLOCK, 0)), ("trim", (BLOCK, 0))):
            self.assertEqual(self.refused(getattr(disk, request), *arguments).errnum, errno.ESHUTDOWN, request)
        # Nor does it come to life again: what its client has in its cache may be older than the volume by now.
        self.replica.ask("promote", token=2)
        self.assertEqual(self.refused(disk.pwrite, bytes(BLOCK), 0).errnum, errno.ESHUTDOWN)
        self.assertEqual(self.replica.nbd().pread(BLOCK, 0), patterned(BLOCK, 1))

    def test_an_older_token_does_not_promote(self):
        self.replica.start(token=5)
        self.replica.ask("demote", token=5)
        answer = self.replica.ask("promote", check=False, token=4)
        self.assertEqual((answer["ok"], answer["error"]), (False, "STALE"))


@unittest.skipUnless(os.geteuid() == 0, "needs a file system of its own, and so root")
class FullDisk(unittest.TestCase):
    """The replica's own disk is full: a client is told, nothing that was taken is lost, and it goes on with room."""

    def setUp(self):
        self.mount = tempfile.mkdtemp(prefix="podmail-full-")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "podmail-full", self.mount], check=True)
        before, tempfile.tempdir = tempfile.tempdir, self.mount
        try:
            self.replicas = Replicas(size="256M", sites=("site1",))
        finally:
            tempfile.tempdir = before
        self.addCleanup(self.tidy)
        self.replica = self.replicas["site1"].start(token=1)

    def tidy(self):
        self.replicas.close()
        subprocess.run(["umount", self.mount], check=True)
        os.rmdir(self.mount)

    @staticmethod
    def takes(disk, data, offset):
        try:
            disk.pwrite(data, offset)
        except nbd.Error:
            return False
        return True

    def test_a_full_disk_is_enospc_to_the_client_until_there_is_room(self):
        disk, megabyte, taken = self.replica.nbd(), 1 << 20, 0
        with self.assertRaises(nbd.Error) as failure:
            for taken in range(256):
                disk.pwrite(patterned(megabyte, taken), taken * megabyte)
        self.assertEqual(errno.errorcode.get(failure.exception.errnum), "ENOSPC", failure.exception.string)
        self.assertGreater(taken, 10)
        disk.flush()  # what was taken
        # And what has its place already is overwritten all the same, when the applier has brought it there.
        until(lambda: self.takes(disk, patterned(megabyte, 1), 0), "a place to be overwritten")
        subprocess.run(["mount", "-o", "remount,size=400m", self.mount], check=True)
        disk.pwrite(patterned(megabyte, taken), taken * megabyte)
        disk.flush()
        for number in range(taken + 1):
            self.assertEqual(disk.pread(megabyte, number * megabyte), patterned(megabyte, number or 1), number)


if __name__ == "__main__":
    unittest.main()
