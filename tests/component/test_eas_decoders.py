"""What the gateway sends is read by decoders that others wrote: libwbxml's wbxml2xml and Wireshark's tshark, which know the tags up to
14.1."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET

from eas_client import Phone
from eas_pages import NAMES
from eas_wbxml import E
from pod import Pod

MESSAGE = (b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nTo: a@example.test\r\nSubject: decoded\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
           b"<p>Gr\xc3\xbc\xc3\x9fe &amp; more</p>\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n"
           b"Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n")


# Page and token: there tshark 4.0 has another name, or none.
TSHARK_IS_WRONG = {(1, 0x28), (1, 0x29), (8, 0x10), (8, 0x11), (9, 0x0C), (9, 0x0D), (14, 0x3B), (19, 0x08), (19, 0x09), (19, 0x0A),
                   (24, 0x18)}
TSHARK_NAMES = {(2, 0x3B): "FlagStatus", (14, 0x10): "DeviceEncryptionEnabled"}  # names of before
TSHARK_ROW = re.compile(r"^ +(\[truncated\])? *\d* *\| Tag +\| T +(?P<switch>--> *)?(?P<page>\d+) +\| (?P<what>.*?) +\| *(?P<shown>.*)$")
TSHARK_TAG = re.compile(r"Known Tag (0x[0-9A-Fa-f]{2}) +\(\.(.)\)")


def collect(phone):
    """A phone's answers to one command of each kind."""
    answers, asked = [], phone.ask

    def ask(command, tree=None, **options):
        answer = asked(command, tree, **options)
        if answer.root is not None:
            answers.append((command, answer))
        return answer

    phone.ask = ask
    phone.set_up()
    for kind in ("1", "2", "4"):
        phone.keys.clear()
        phone.items.clear()
        phone.pull(phone.inbox, options=phone.options_tree(kind, more=[E("AirSync:MIMESupport", "2")]))
    item = next(iter(phone.items[phone.inbox]))
    ask("Settings", E("Settings:Settings", E("Settings:UserInformation", E("Settings:Get"))))
    ask("Settings", E("Settings:Settings", E("Settings:Oof", E("Settings:Get", E("Settings:BodyType", "Text")))))
    ask("GetItemEstimate", E("GetItemEstimate:GetItemEstimate", E("GetItemEstimate:Collections", E(
        "GetItemEstimate:Collection", E("AirSync:SyncKey", phone.keys[phone.inbox]),
        E("GetItemEstimate:CollectionId", phone.inbox)))))
    ask("ItemOperations", E("ItemOperations:ItemOperations", E(
        "ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), E("AirSync:CollectionId", phone.inbox),
        E("AirSync:ServerId", item))))
    ask("Search", E("Search:Search", E("Search:Store", E("Search:Name", "GAL"), E("Search:Query", "ali"),
                                       E("Search:Options", E("Search:Range", "0-5")))))
    ask("ResolveRecipients", E("ResolveRecipients:ResolveRecipients", E("ResolveRecipients:To", "ali")))
    return answers


class Decoders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Pod() as pod:
            box = pod.imap("alice")
            box.append("INBOX", "(\\Flagged)", None, MESSAGE)
            box.logout()
            cls.answers = [a for version in ("12.1", "14.0", "14.1")
                           for a in collect(Phone(pod, "alice", version=version, device="DEC" + version.replace(".", "")))]
        assert len(cls.answers) > 36, cls.answers

    # ---- libwbxml ----

    def as_xml(self, answer):
        """The same document as wbxml2xml reads it; tags without their pages."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "answer")
            with open(path, "wb") as f:
                f.write(answer.body)
            done = subprocess.run(["wbxml2xml", "-l", "ACTIVESYNC", "-o", path + ".xml", path], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}\n{answer}")
            return ET.parse(path + ".xml").getroot()

    def compare(self, ours, theirs, where):
        """The same elements with the same texts; libwbxml has other names for some tags."""
        where = f"{where}/{ours.tag} ~ {theirs.tag}"
        self.assertEqual(len(ours.children), len(theirs), where)
        if isinstance(ours.value, str):
            self.assertEqual((theirs.text or "").split(), ours.value.split(), where)
        for mine, other in zip(ours.children, theirs):
            self.compare(mine, other, where)

    @unittest.skipUnless(shutil.which("wbxml2xml"), "wbxml2xml is not here")
    def test_libwbxml_reads_every_answer_as_we_do(self):
        for command, answer in self.answers:
            self.compare(answer.root, self.as_xml(answer), command)

    # ---- tshark ----

    def capture(self, folder):
        """All answers as HTTP in one capture."""
        path = os.path.join(folder, "answers")
        with open(path + ".txt", "w", encoding="ascii") as f:
            for _, answer in self.answers:
                data = (b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ms-sync.wbxml\r\nContent-Length: %d\r\n\r\n"
                        % len(answer.body)) + answer.body
                for at in range(0, len(data), 16):
                    f.write(f"{at:06x} {data[at:at + 16].hex(' ')}\n")
                f.write("\n")
        subprocess.run(["text2pcap", "-q", "-T", "80,40000", path + ".txt", path + ".pcap"], capture_output=True, check=True)
        return path + ".pcap"

    @staticmethod
    def events(e):
        """A tree as tshark shows it: what begins, what it has in it, what ends."""
        has_more = bool(e.children) or e.value not in (None, "", b"")
        yield ("begins" if has_more else "is empty"), e.tag
        if has_more:
            if e.value not in (None, "", b""):
                yield "has", e.value
            for child in e.children:
                yield from Decoders.events(child)
            yield "ends", None

    def rows(self, frame):
        """The same of what it printed, by page and token; names are compared here."""
        for line in frame.splitlines():
            row = TSHARK_ROW.match(line)
            if not row or row["switch"]:
                continue
            tag = TSHARK_TAG.search(row["what"])
            if row["what"].startswith("END"):
                yield "ends", None
            elif tag:
                at = int(row["page"]), int(tag[1], 16)
                name = row["shown"].strip("</> ")
                if at not in TSHARK_IS_WRONG:
                    self.assertEqual(name.lower(), TSHARK_NAMES.get(at, NAMES[at].split(":")[1]).lower(), line)
                yield ("begins" if tag[2] == "C" else "is empty"), NAMES[at]
            elif row["what"].startswith(("STR_I", "OPAQUE")):
                yield "has", row["shown"].strip().strip("'")
            else:
                self.fail(line)

    @unittest.skipUnless(shutil.which("tshark"), "tshark is not here")
    def test_tshark_reads_every_answer_as_we_do(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["tshark", "-r", self.capture(folder), "-O", "wbxml"], capture_output=True, text=True, check=False)
        frames = re.split(r"^Frame \d+: ", done.stdout, flags=re.M)[1:]
        self.assertEqual(len(frames), len(self.answers), done.stderr)
        self.assertNotRegex(done.stdout, r"Malformed|Unknown Tag|\[Expert Info")
        for (command, answer), frame in zip(self.answers, frames):
            ours, theirs = list(self.events(answer.root)), list(self.rows(frame))
            self.assertEqual([o if o[0] != "has" else "text" for o in ours], [t if t[0] != "has" else "text" for t in theirs], command)
            for (kind, text), (_, shown) in zip(ours, theirs):
                if kind == "has" and isinstance(text, str) and text.isalnum() and text.isascii():
                    self.assertEqual(shown[:60], text[:60], command)


if __name__ == "__main__":
    unittest.main()
