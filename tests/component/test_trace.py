"""podctl trace: the whole way of a message with several recipients, through the queue, to a report, across restarts."""
import json
import os
import signal
import unittest

from pod import PodTest, until


class Trace(PodTest):
    def submit(self, name, recipients, options=()):
        """The id of a message from the user."""
        with self.pod.smtp("submission", starttls=True) as client:
            client.login(self.pod.address(name), self.pod.password(name))
            client.mail(self.pod.address(name))
            for one in recipients:
                client.rcpt(one, options)
            code, text = client.data(f"From: {self.pod.address(name)}\r\nSubject: s\r\n\r\nbody\r\n")
        self.assertEqual(code, 250, text)
        return text.decode().rpartition("id=")[2]

    def story(self, trace):
        """What is known so far; lines of the log take a moment."""
        done = self.pod.podctl("--format", "json", "trace", trace, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {"recipients": [], "reports": [], "state": ""}

    def states(self, trace):
        return {r["address"]: r["state"] for r in self.story(trace)["recipients"]}

    def test_each_recipient_has_its_outcome_and_each_step_its_line(self):
        pod, alice, bob = self.pod, self.pod.address("alice"), self.pod.address("bob")
        trace = self.submit("alice", [bob, pod.address("nobody"), pod.address("carol")])
        until(lambda: self.states(trace) == {bob: "delivered", pod.address("carol"): "delivered",
                                             pod.address("nobody"): "refused"}, "the outcomes")
        text = pod.podctl("trace", trace).stdout
        for event in ("rcpt.refused", "rcpt.delivered", "message.accepted"):
            self.assertIn(event, text)
        self.assertIn("volume=vol01", text)
        # Found by who and when, also after all programs were started again.
        pod.down()
        pod.up()
        for query in (("--from", alice.upper()), ("--to", bob), ("--to", bob, "--from", alice, "--since", "1h"),
                      ("--since", "1h")):
            found = pod.podctl("trace", *query, as_json=True)["messages"]
            self.assertIn(trace, [m["trace"] for m in found], query)
        self.assertEqual(pod.podctl("trace", "--to", bob, "--until", "1h", as_json=True)["messages"], [])
        self.assertNotEqual(pod.podctl("trace", "--follow", "--to", bob, check=False).returncode, 0)
        self.assertNotEqual(pod.podctl("trace", "00000000000000ff", check=False).returncode, 0)

    def test_a_volume_that_is_down_shows_and_the_attempts_after_it(self):
        pod, carol = self.pod, self.pod.address("carol")
        stores = pod.pids_of("stored")
        for pid in stores:
            os.kill(pid, signal.SIGSTOP)
        try:
            with pod.smtp("smtp") as client:
                client.mail("stranger@example.com")
                client.rcpt(carol)
                code, text = client.data("Subject: late\r\n\r\nbody\r\n")
            self.assertEqual(code, 250)
            trace = text.decode().rpartition("id=")[2]
            until(lambda: self.story(trace)["state"] == "waiting", "the message to be in the queue")
        finally:
            for pid in stores:
                os.kill(pid, signal.SIGCONT)
        done = pod.podctl("trace", trace, "--follow")
        self.assertIn("delivered " + carol, done.stdout)
        until(lambda: "queue.done" in [e["event"] for e in self.story(trace)["events"]], "the end of the story")
        self.assertIn("rcpt.queued", [e["event"] for e in self.story(trace)["events"]])

    def test_a_report_is_linked_to_its_message(self):
        alice, bob = self.pod.address("alice"), self.pod.address("bob")
        trace = self.submit("bob", [alice], ["NOTIFY=SUCCESS"])
        until(lambda: self.story(trace)["reports"], "the report")
        self.assertEqual(self.states(trace), {alice: "delivered"})
        report = self.story(trace)["reports"][0]
        until(lambda: self.states(report) == {bob: "delivered"}, "the report's way")
        self.assertEqual(self.story(report)["report_on"], trace)
        self.assertIn("was reported in " + report, self.pod.podctl("trace", trace).stdout)


if __name__ == "__main__":
    unittest.main()
