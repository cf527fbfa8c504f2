"""Who is meant by what was typed, and whether a certificate is any good: ResolveRecipients, ValidateCert (MS-ASCMD 2.2.1.15, 2.2.1.22)."""
import base64
import subprocess
import tempfile
import unittest

from eas_client import VERSIONS, Phone
from eas_wbxml import E
from pod import PodTest


def resolve(*names, options=()):
    more = [E("ResolveRecipients:Options", *options)] if options else []
    return E("ResolveRecipients:ResolveRecipients", *[E("ResolveRecipients:To", n) for n in names], *more)


class Resolve(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, full in (("miller", "Anne Miller"), ("mill", "Bob O'Mills"), ("zoe", "Zoë Anders")):
            cls.pod.podctl("user", "add", cls.pod.address(name), "--display-name", full, "--password-stdin", stdin="a good password 1\n")
        cls.pod.podctl("domain", "add", "elsewhere.test")
        cls.pod.podctl("user", "add", "miller@elsewhere.test", "--password-stdin", stdin="a good password 1\n")

    def phone(self, version="14.1"):
        phone = Phone(self.pod, "alice", version=version, device="RES" + version.replace(".", ""))
        phone.provision()
        return phone

    def test_names_are_found_in_the_own_domain_alone(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                answer = self.phone(version).ask("ResolveRecipients", resolve("anne", "mill", "nobody-there", "miller@example.test"))
                self.assertEqual(answer.root.get("Status"), "1", answer)
                got = {r.get("To"): (r.get("Status"), [p.get("EmailAddress") for p in r.all("Recipient")])
                       for r in answer.root.all("Response")}
                self.assertEqual(got["anne"], ("1", ["miller@example.test"]))
                self.assertEqual(got["mill"], ("2", ["mill@example.test", "miller@example.test"]))
                self.assertEqual(got["nobody-there"], ("4", []))
                self.assertEqual(got["miller@example.test"][0], "1")

    def test_what_there_is_not_is_said(self):
        options = [E("ResolveRecipients:CertificateRetrieval", "2"), E("ResolveRecipients:MaxAmbiguousRecipients", "1"),
                   E("ResolveRecipients:Availability", E("ResolveRecipients:StartTime", "2026-11-26T08:00:00.000Z"),
                     E("ResolveRecipients:EndTime", "2026-11-26T10:00:00.000Z")),
                   E("ResolveRecipients:Picture", E("ResolveRecipients:MaxSize", "1000"))]
        answer = self.phone().ask("ResolveRecipients", resolve("anne", "mill", options=options))
        anne, several = answer.root.all("Response")
        self.assertEqual(anne.get("Recipient/Availability/MergedFreeBusy"), "4444")
        self.assertEqual(anne.get("Recipient/Certificates/Status"), "7")
        self.assertEqual(anne.get("Recipient/Picture/Status"), "173")
        self.assertEqual((several.get("Status"), len(several.all("Recipient"))), ("3", 1))

    def test_what_is_wrong_is_refused(self):
        phone = self.phone()
        window = lambda start, end: E("ResolveRecipients:Availability", E("ResolveRecipients:StartTime", start + ".000Z"),
                                      E("ResolveRecipients:EndTime", end + ".000Z"))
        backwards, long = window("2026-11-26T10:00:00", "2026-11-26T08:00:00"), window("2026-11-01T00:00:00", "2026-12-13T00:00:01")
        for tree in (resolve(), resolve("x", options=[backwards]), resolve("x", options=[long]), resolve(*["x"] * 101),
                     resolve("x" * 257),
                     resolve("x", options=[E("ResolveRecipients:CertificateRetrieval", "9")])):
            self.assertEqual(phone.ask("ResolveRecipients", tree).root.get("Status"), "5")
        for tree in (resolve("x", options=[window("2026-11-01T00:00:00", "2026-12-13T00:00:00")]), resolve("\u00e4" * 256)):
            self.assertEqual(phone.ask("ResolveRecipients", tree).root.get("Status"), "1")

    def test_certificates_are_judged(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "1", "-keyout",
                            folder + "/key", "-out", folder + "/cert", "-outform", "DER"], check=True, capture_output=True)
            with open(folder + "/cert", "rb") as f:
                own = base64.b64encode(f.read()).decode()
        tree = E("ValidateCert:ValidateCert", E("ValidateCert:Certificates", E("ValidateCert:Certificate", own),
                                                E("ValidateCert:Certificate", "bm90IGE="), E("ValidateCert:Certificate", "***")))
        answer = self.phone().ask("ValidateCert", tree)
        self.assertEqual([c.get("Status") for c in answer.root.all("Certificate")], ["4", "10", "10"], answer)
        self.assertEqual(answer.root.get("Status"), "1")
        self.assertEqual(self.phone().ask("ValidateCert", E("ValidateCert:ValidateCert")).root.get("Status"), "2")


if __name__ == "__main__":
    unittest.main()
