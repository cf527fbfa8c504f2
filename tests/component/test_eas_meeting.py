"""Invitations that a phone answers (MeetingResponse): they leave the inbox, and from 16.0 on the organizer is told."""
import email
import email.header
import unittest

from eas_client import Phone
from eas_wbxml import E
from pod import PodTest, until

INVITATION = """From: Org <{org}>\r
To: {to}\r
Subject: {subject}\r
MIME-Version: 1.0\r
Content-Type: multipart/alternative; boundary=b\r
\r
--b\r
Content-Type: text/plain\r
\r
please come\r
--b\r
Content-Type: text/calendar; charset=utf-8; method=REQUEST\r
\r
BEGIN:VCALENDAR\r
VERSION:2.0\r
METHOD:REQUEST\r
BEGIN:VEVENT\r
UID:{subject}@x\r
DTSTAMP:20261120T100000Z\r
DTSTART:20261201T100000Z\r
DTEND:20261201T110000Z\r
SUMMARY:Gr\u00fcn {subject}\r
ORGANIZER;CN="J\u00f6rg^nBcc: {to}":mailto:{org}\r
ATTENDEE;RSVP=TRUE:mailto:{to}\r
{more}END:VEVENT\r
END:VCALENDAR\r
--b--\r
"""


def meeting(tag, *children):
    return E("MeetingResponse:" + tag, *children)


class Meetings(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest, cls.host = cls.new_box("guest"), cls.new_box("host")

    def invited(self, subject, version, more=""):
        """A phone that has the invitation; its id."""
        text = INVITATION.format(org=self.pod.address("host"), to=self.pod.address("guest"), subject=subject, more=more)
        self.guest.append("INBOX", "", None, text.encode())
        self.phone = Phone(self.pod, "guest", version=version).set_up()
        self.phone.pull(self.phone.inbox)
        return next(i for i, data in self.phone.items[self.phone.inbox].items() if data.get("Email:Subject") == subject)

    def respond(self, item, response, *more, folder=None):
        answer = self.phone.ask("MeetingResponse", meeting("MeetingResponse", meeting(
            "Request", meeting("UserResponse", response), meeting("CollectionId", folder or self.phone.inbox),
            meeting("RequestId", item), *more)))
        self.assertEqual(answer.status, 200)
        return answer.root.get("Result/Status") or "root " + answer.root.get("Status")

    def told(self, subject, count=1):
        """What the organizer got of that subject."""
        def found():
            self.host.select("INBOX", readonly=True)
            ids = self.host.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            return ids if len(ids) >= count else None
        ids = until(found, subject)
        self.assertEqual(len(ids), count)
        message = email.message_from_bytes(self.host.fetch(ids[-1], "(BODY.PEEK[])")[1][0][1])
        calendar = next(p for p in message.walk() if p.get_content_type() == "text/calendar")
        return message, calendar.get_payload(decode=True).decode().replace("\r\n ", "")

    def test_an_answer_takes_the_invitation_out_of_the_inbox(self):
        item = self.invited("plain", "14.1")
        self.assertEqual(self.respond(item, "1"), "1")
        self.assertEqual(self.respond(item, "1"), "1", "the answer was lost: the same again")
        self.assertEqual([d.get("ServerId") for d in self.phone.sync(self.phone.inbox).all("Commands/Delete")], [item])
        self.guest.select("Trash", readonly=True)
        self.assertTrue(self.guest.search(None, "SUBJECT", "plain")[1][0])

    def test_the_organizer_is_told_once_where_the_phone_wants_it(self):
        item = self.invited("told", "16.1")
        words = meeting("SendResponse", E("AirSyncBase:Body", E("AirSyncBase:Type", "2"), E("AirSyncBase:Data", "<p>gern <b>da</b></p>")))
        self.assertEqual([self.respond(item, "2", words) for _ in range(2)], ["1", "1"])
        message, calendar = self.told("told")
        self.assertEqual(str(email.header.make_header(email.header.decode_header(message["Subject"]))), "Tentative: Grün told")
        self.assertEqual(message["Bcc"], None, "what a stranger calls himself is no field")
        self.assertIn("J\u00f6rg", str(email.header.make_header(email.header.decode_header(message["To"]))))
        self.assertEqual([p.get_content_type() for p in message.walk()][1:], ["text/plain", "text/html", "text/calendar"])
        for line in ("METHOD:REPLY", "UID:told@x", "PARTSTAT=TENTATIVE", "COMMENT:gern da"):
            self.assertIn(line, calendar)
        self.assertEqual(self.respond(self.invited("quiet", "16.1"), "3"), "1")

    def test_one_of_a_series_leaves_the_rest_to_be_answered(self):
        item = self.invited("series", "16.1", "RRULE:FREQ=WEEKLY;COUNT=5\r\n")
        one = meeting("InstanceId", "2026-12-08T10:00:00.000Z")
        self.assertEqual(self.respond(item, "3", one, meeting("SendResponse")), "1")
        self.assertIn("RECURRENCE-ID:20261208T100000Z", self.told("series")[1])
        self.assertIsNone(self.phone.sync(self.phone.inbox), "it is still there")
        proposal = meeting("SendResponse", meeting("ProposedStartTime", "2026-12-02T10:00:00.000Z"),
                           meeting("ProposedEndTime", "2026-12-02T11:00:00.000Z"))
        self.assertEqual(self.respond(item, "2", proposal), "1")
        calendar = self.told("series", 2)[1]
        self.assertIn("METHOD:COUNTER", calendar)
        self.assertIn("DTSTART:20261202T100000Z", calendar)

    def test_what_cannot_be_answered_says_why(self):
        self.guest.append("INBOX", "", None, b"Subject: no invitation\r\n\r\nx\r\n")
        item = self.invited("once", "16.1")
        plain = next(i for i, data in self.phone.items[self.phone.inbox].items() if data.get("Email:Subject") == "no invitation")
        send, start = meeting("SendResponse"), meeting("ProposedStartTime", "2026-12-02T10:00:00.000Z")
        for wanted, got in (("2", self.respond(plain, "1")), ("2", self.respond("nothing", "1")),
                            ("2", self.respond(f"{self.phone.inbox}:999", "1")), ("2", self.respond(item, "1", folder="none")),
                            ("146", self.respond(item, "1", meeting("InstanceId", "2026-12-08T10:00:00.000Z"))),
                            ("104", self.respond(item, "1", meeting("InstanceId", "soon"))),
                            ("root 103", self.respond(item, "4")), ("root 103", self.respond("", "1", send)),
                            ("root 103", self.respond(item, "2", meeting("SendResponse", start)))):
            self.assertEqual(got, wanted)
        self.assertIsNone(self.phone.sync(self.phone.inbox))
        self.phone.version = "12.1"
        self.assertEqual(self.phone.ask("MeetingResponse", meeting("MeetingResponse")).status, 400)


if __name__ == "__main__":
    unittest.main(verbosity=2)
