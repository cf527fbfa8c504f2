"""What the gateway sends is read by a decoder that others wrote: libwbxml's wbxml2xml knows the tags up to 14.1."""
import os
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET

from eas_client import Phone
from eas_wbxml import E
from pod import Pod

MESSAGE = (b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nTo: a@example.test\r\nSubject: decoded\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
           b"<p>Gr\xc3\xbc\xc3\x9fe &amp; more</p>\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n"
           b"Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n")


@unittest.skipUnless(shutil.which("wbxml2xml"), "wbxml2xml is not here")
class Decoders(unittest.TestCase):
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

    def test_libwbxml_reads_every_answer_as_we_do(self):
        with Pod() as pod:
            box = pod.imap("alice")
            box.append("INBOX", "(\\Flagged)", None, MESSAGE)
            box.logout()
            for version in ("12.1", "14.0", "14.1"):
                phone = Phone(pod, "alice", version=version, device="DEC" + version.replace(".", ""))
                read = 0
                asked = phone.ask

                def ask(command, tree=None, **options):
                    nonlocal read
                    answer = asked(command, tree, **options)
                    if answer.root is not None:
                        self.compare(answer.root, self.as_xml(answer), command)
                        read += 1
                    return answer

                phone.ask = ask
                phone.set_up()
                for kind in ("1", "2", "4"):
                    phone.keys.clear()
                    phone.items.clear()
                    phone.pull(phone.inbox, options=phone.options_tree(kind, more=[E("AirSync:MIMESupport", "2")]))
                item = next(iter(phone.items[phone.inbox]))
                ask("Settings", E("Settings:Settings", E("Settings:UserInformation", E("Settings:Get"))))
                ask("GetItemEstimate", E("GetItemEstimate:GetItemEstimate", E("GetItemEstimate:Collections", E(
                    "GetItemEstimate:Collection", E("AirSync:SyncKey", phone.keys[phone.inbox]),
                    E("GetItemEstimate:CollectionId", phone.inbox)))))
                ask("ItemOperations", E("ItemOperations:ItemOperations", E(
                    "ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), E("AirSync:CollectionId", phone.inbox),
                    E("AirSync:ServerId", item))))
                ask("Search", E("Search:Search", E("Search:Store", E("Search:Name", "GAL"), E("Search:Query", "ali"),
                                                   E("Search:Options", E("Search:Range", "0-5")))))
                ask("ResolveRecipients", E("ResolveRecipients:ResolveRecipients", E("ResolveRecipients:To", "ali")))
                self.assertGreater(read, 12)


if __name__ == "__main__":
    unittest.main()
