"""A drill on a replicated pod of one machine: the primary dies under load, and nothing that was promised is missing."""
import json
import os
import unittest

from pod import Pod, replication_able, until


@unittest.skipUnless(replication_able(), "replicated volumes take root and FUSE")
class DrillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod(volumes="replicated")
        cls.addClassCleanup(cls.pod.close)
        cls.pod.up()

    def volume(self, name):
        """Status 1 is no failure here: a standby may only just be coming back."""
        status = self.pod.podctl("replication", "status", check=False, as_json=True)
        return [v for v in status["volumes"] if v["volume"] == name][0]

    def test_a_primary_killed_under_load_costs_no_message(self):
        done = self.pod.podctl("--format", "json", "drill", "run", "node-kill", "--volume", "vol01", "--load", "30",
                               "--seconds", "2", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.pod.log_tail())
        result = json.loads(done.stdout)
        self.assertEqual((result["outcome"], result["killed"], result["mode"]), ("good", 3, "sync"))
        self.assertGreater(result["acknowledged"], 50)
        for when in ("after_failover", "after_failback"):
            self.assertEqual((result[when]["missing"], result[when]["doubled"], result[when]["flags_missing"]), (0, 0, 0))
            self.assertGreater(result[when]["checked"], 30)
        for what in ("read_ms", "accepted_ms", "delivered_ms", "promoted_ms"):
            self.assertIsInstance(result["rto"][what], int, what)
        self.assertEqual(result["rpo"]["messages"], 0)
        # Back where it was, the drill's users are gone, and it is in the list.
        volume = self.volume("vol01")
        self.assertEqual((volume["primary"], volume["serving"]), (result["from"], True))
        users = [u["address"] for u in self.pod.podctl("user", "list", as_json=True)["users"]]
        self.assertEqual([u for u in users if u.startswith("drill-")], [])
        listed = self.pod.podctl("drill", "list", as_json=True)["drills"]
        self.assertEqual([(d["drill"], d["outcome"], d["lost"]) for d in listed], [("node-kill", "good", 0)])
        self.assertTrue(os.listdir(os.path.join(self.pod.dir, "drills")))

    def test_an_async_standby_may_lack_what_its_lag_said_and_fails_back(self):
        self.pod.podctl("volume", "create", "vol02", "--replicated", "--mode", "async")
        until(lambda: [r["state"] for r in self.volume("vol02")["replicas"] if r["role"] == "secondary"] == ["following"],
              "the standby to follow")
        self.assertEqual(self.pod.podctl("drill", "run", "node-kill", check=False).returncode, 2, "which of the two?")
        done = self.pod.podctl("--format", "json", "drill", "run", "node-kill", "--volume", "vol02", "--load", "30", "--seconds",
                               "1", check=False)
        self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual(result["mode"], "async")
        self.assertTrue(result["rpo"]["lag_known"])
        self.assertEqual(done.returncode == 0, result["outcome"] == "good")
        # In order nothing is lost, also to a standby that no flush waits for.
        self.assertIsInstance(result["failback_ms"], int)
        self.assertEqual(result["after_failback"]["missing"], result["after_failover"]["missing"])
        volume = self.volume("vol02")
        self.assertEqual(volume["primary"], result["from"])
        self.assertEqual([r["in_sync"] for r in volume["replicas"] if r["role"] == "secondary"], [False])

    def test_what_cannot_be_drilled_is_said(self):
        for args, status in ((["run", "nothing"], 2), (["run", "node-kill", "--volume", "vol77"], 3),
                             (["run", "node-kill", "--load", "0"], 2)):
            self.assertEqual(self.pod.podctl("drill", *args, check=False).returncode, status, args)


if __name__ == "__main__":
    unittest.main()
