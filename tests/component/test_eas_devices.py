"""How devices find us, what is asked of them, and what an admin does with them: autodiscover and its kin, Provision (MS-ASPROV),
Settings, podctl device."""
import json
import plistlib
import subprocess
import unittest
import urllib.parse
import xml.etree.ElementTree as ET

from eas_client import VERSIONS, Line, Phone
from eas_wbxml import E
from pod import PodTest

SCHEMAS = "http://schemas.microsoft.com/exchange/autodiscover/"
TYPE = E("Provision:PolicyType", "MS-EAS-Provisioning-WBXML")


def settings(*questions):
    return E("Settings:Settings", *questions)


USER_INFORMATION = settings(E("Settings:UserInformation", E("Settings:Get")))


class Devices(PodTest):
    def phone(self, version="14.1", device="DEVICE01", **options):
        return Phone(self.pod, "alice", version=version, device=device, **options)

    def shown(self, device):
        return self.pod.podctl("device", "show", self.pod.address("alice"), device, as_json=True)

    def order(self, *args, status=0):
        done = self.pod.podctl("device", args[0], self.pod.address("alice"), *args[1:], check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)

    # ---- finding ----

    def get(self, path, host=None):
        headers = {"Host": host} if host else {}
        return Line(self.pod).ask("GET", path, None, headers)

    def discover(self, schema, address=None, login=True, body=None):
        phone = self.phone()
        text = body or (f'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="{SCHEMAS}{schema[0]}requestschema/2006"><Request>'
                        f"<EMailAddress>{address or phone.address}</EMailAddress><AcceptableResponseSchema>{SCHEMAS}{schema[0]}"
                        f"responseschema/{schema[1]}</AcceptableResponseSchema></Request></Autodiscover>")
        headers = {"Content-Type": "text/xml"}
        if login:
            headers["Authorization"] = phone.headers(None)["Authorization"]
        status, headers, answer = Line(self.pod).ask("POST", "/AutoDiscover/AutoDiscover.xml", text.encode(), headers)
        return status, headers, ET.fromstring(answer) if status == 200 else None

    def test_outlook_and_phones_find_their_settings(self):
        status, _, root = self.discover(("mobilesync/", "2006"))
        name = "{" + SCHEMAS + "mobilesync/responseschema/2006}"
        self.assertEqual((status, root.find(f".//{name}Type").text), (200, "MobileSync"))
        self.assertEqual(root.find(f".//{name}Url").text,
                         f"https://127.0.0.1:{self.pod.port('https')}/Microsoft-Server-ActiveSync")
        self.assertEqual(root.find(f".//{name}DisplayName").text, "Alice Example")
        status, _, root = self.discover(("outlook/", "2006a"))
        name = "{" + SCHEMAS + "outlook/responseschema/2006a}"
        protocols = {p.find(f"{name}Type").text: p.find(f"{name}Port").text for p in root.iter(f"{name}Protocol")}
        self.assertEqual(protocols, {"IMAP": str(self.pod.port("imaps")), "SMTP": str(self.pod.port("submissions"))})

    def test_what_is_not_ours_is_not_told(self):
        status, headers, _ = self.discover(("mobilesync/", "2006"), login=False)
        self.assertEqual((status, headers["WWW-Authenticate"].split()[0]), (401, "Basic"))
        _, _, root = self.discover(("mobilesync/", "2006"), address=self.pod.address("bob"))
        self.assertEqual(root.find(".//{*}Action/{*}Error/{*}Status").text, "2")
        for body, code in (("no xml", "600"), ("<Autodiscover/>", "600"),
                           ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Autodiscover><Request><EMailAddress>&x;</EMailAddress>'
                            "<AcceptableResponseSchema>a</AcceptableResponseSchema></Request></Autodiscover>", "600"),
                           ("<Autodiscover><Request><AcceptableResponseSchema>urn:x</AcceptableResponseSchema></Request></Autodiscover>",
                            "601")):
            _, _, root = self.discover(None, body=body)
            self.assertEqual(root.find(".//{*}ErrorCode").text, code, body)

    def test_those_without_a_password_learn_no_names(self):
        for address in (self.pod.address("alice"), self.pod.address("nobody-here")):
            query = urllib.parse.urlencode({"Email": address, "Protocol": "ActiveSync", "RedirectCount": "1"})
            status, _, body = self.get("/autodiscover/autodiscover.json?" + query)
            self.assertEqual((status, json.loads(body)["Protocol"]), (200, "ActiveSync"))
        status, _, body = self.get("/autodiscover/autodiscover.json/v1.0/a@b?Protocol=Rest")
        self.assertEqual((status, json.loads(body)["ErrorCode"]), (400, "InvalidProtocol"))

    def test_thunderbird_and_apple_get_files_of_theirs(self):
        for path, host in (("/mail/config-v1.1.xml?emailaddress=x%40example.test", None), ("/mail/config-v1.1.xml", "autoconfig.example.test"),
                           ("/.well-known/autoconfig/mail/config-v1.1.xml", "example.test")):
            status, _, body = self.get(path, host)
            self.assertEqual(status, 200, path)
            ports = [e.text for e in ET.fromstring(body).iter("port")]
            self.assertEqual(ports, [str(self.pod.port(s)) for s in ("imaps", "imap", "submissions", "submission")])
        self.assertEqual(self.get("/mail/config-v1.1.xml?emailaddress=x%40other.example")[0], 404)
        for kind, payload in (("imap", "com.apple.mail.managed"), ("eas", "com.apple.eas.account")):
            status, headers, body = self.get(f"/mobileconfig?email=alice%40example.test&type={kind}")
            self.assertEqual((status, headers["Content-Type"]), (200, "application/x-apple-aspen-config"))
            done = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-purpose", "any", "-CAfile", self.pod.dir + "/tls/ca.pem"],
                                  input=body, capture_output=True, check=True)
            self.assertEqual(plistlib.loads(done.stdout)["PayloadContent"][0]["PayloadType"], payload)

    # ---- policies ----

    def test_policies_are_shown_answered_and_changed_at_every_version(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                phone = self.phone(version, device="POL" + version.replace(".", ""))
                early = phone.ask("Settings", USER_INFORMATION)
                if version < "14":
                    self.assertEqual(early.status, 449)
                else:
                    self.assertEqual(early.root.get("Status"), "142", early)
                document = phone.provision()
                self.assertEqual(document.get("DevicePasswordEnabled"), "0")
                self.assertEqual(phone.ask("Settings", USER_INFORMATION).root.get("Status"), "1")
                good, phone.policy_key = phone.policy_key, 12345
                wrong = phone.ask("Settings", USER_INFORMATION)
                self.assertTrue(wrong.status == 449 or wrong.root.get("Status") == "144", wrong)
                phone.policy_key = good
                self.pod.podctl("device", "policy", "example.test", "MinDevicePasswordLength=6", "DevicePasswordEnabled=1")
                try:
                    changed = phone.ask("Settings", USER_INFORMATION)
                    self.assertTrue(changed.status == 449 or changed.root.get("Status") == "143", changed)
                    self.assertEqual(phone.provision().get("MinDevicePasswordLength"), "6")
                    self.assertEqual(phone.ask("Settings", USER_INFORMATION).root.get("Status"), "1")
                finally:
                    self.pod.podctl("device", "policy", "example.test", "MinDevicePasswordLength=", "DevicePasswordEnabled=")

    def provision(self, phone, *more, key=None, status=None):
        policy = [TYPE] + ([E("Provision:PolicyKey", key), E("Provision:Status", status)] if key else [])
        return phone.ask("Provision", E("Provision:Provision", *more, E("Provision:Policies", E("Provision:Policy", *policy))))

    def test_a_lost_answer_of_either_half_costs_nothing(self):
        phone = self.phone("14.0", device="LOST01")
        self.provision(phone)
        key = self.provision(phone).root.get("Policies/Policy/PolicyKey")
        first = self.provision(phone, key=key, status="1").root.get("Policies/Policy/PolicyKey")
        again = self.provision(phone, key=key, status="1").root.get("Policies/Policy/PolicyKey")
        self.assertEqual(first, again)
        phone.policy_key = int(again)
        self.assertEqual(phone.ask("Settings", USER_INFORMATION).root.get("Status"), "1")

    def test_wrong_answers_have_their_statuses(self):
        phone = self.phone("14.1", device="WRONG01")
        information = E("Settings:DeviceInformation", E("Settings:Set", E("Settings:Model", "M")))
        self.assertEqual(self.provision(phone).root.get("Status"), "165", "14.1 wants to know what it is")
        key = self.provision(phone, information).root.get("Policies/Policy/PolicyKey")
        self.assertEqual(self.provision(phone, key="99", status="1").root.get("Policies/Policy/Status"), "5")
        other = E("Provision:Provision", information, E("Provision:Policies", E("Provision:Policy", E("Provision:PolicyType", "X"))))
        self.assertEqual(phone.ask("Provision", other).root.get("Policies/Policy/Status"), "3")
        self.assertEqual(phone.ask("Provision", E("Provision:Provision")).root.get("Status"), "2")
        self.pod.podctl("device", "policy", "alice@example.test", "AllowCamera=0")
        try:
            key = self.provision(phone, information).root.get("Policies/Policy/PolicyKey")
            self.assertEqual(self.provision(phone, key=key, status="2").root.get("Status"), "139")
            self.assertEqual(self.provision(phone, key=key, status="4").root.get("Status"), "145")
        finally:
            self.pod.podctl("device", "policy", "alice@example.test", "AllowCamera=")

    # ---- orders ----

    def test_a_device_is_wiped_and_may_begin_anew(self):
        for version, order, element in (("12.1", "wipe", "RemoteWipe"), ("14.1", "wipe", "RemoteWipe"), ("16.1", "wipe", "RemoteWipe"),
                                        ("16.1", "wipe-account", "AccountOnlyRemoteWipe")):
            with self.subTest(version=version, order=order):
                phone = self.phone(version, device=f"WIPE{version.replace('.', '')}{order[4:5]}".replace("-", "A"))
                phone.provision()
                self.order(order, phone.device, status=2)  # not without --yes
                self.order(order, phone.device, "--yes")
                self.assertEqual(self.shown(phone.device)["wipe"], "ordered")
                refused = phone.ask("Settings", USER_INFORMATION)
                self.assertTrue(refused.status == 449 or refused.root.get("Status") == "140", refused)
                phone.policy_key = 0
                told = self.provision(phone)
                self.assertEqual((told.root.get("Status"), told.root.find(element) is not None), ("1", True), told)
                self.assertEqual(self.shown(phone.device)["wipe"], "told")
                answer = E("Provision:Provision", E("Provision:" + element, E("Provision:Status", "1")))
                self.assertEqual(phone.ask("Provision", answer).root.get("Status"), "1")
                self.assertEqual(self.shown(phone.device)["wipe"], "wiped")
                self.assertIsNotNone(self.provision(phone).root.find(element), "whoever sets it up again is wiped again")
                self.order("wipe", phone.device, "--cancel")
                phone.provision()
                self.assertEqual(phone.ask("Settings", USER_INFORMATION).root.get("Status"), "1")

    def test_the_account_alone_needs_a_device_that_can(self):
        self.phone("14.1", device="OLD01").provision()
        self.order("wipe-account", "OLD01", "--yes", status=1)

    def test_devices_are_blocked_allowed_and_forgotten(self):
        phone = self.phone("14.1", device="BLOCK01")
        phone.provision()
        self.order("block", "BLOCK01")
        self.assertEqual(phone.ask("Settings", USER_INFORMATION).root.get("Status"), "129")
        self.order("allow", "BLOCK01")
        self.assertEqual(phone.ask("Settings", USER_INFORMATION).root.get("Status"), "1")
        self.order("remove", "BLOCK01")
        self.order("show", "BLOCK01", status=3)
        self.assertEqual(phone.ask("Settings", USER_INFORMATION).root.get("Status"), "142")

    def test_new_devices_wait_where_the_domain_says_so(self):
        self.pod.podctl("device", "policy", "example.test", "--new-devices", "quarantine")
        try:
            phone = self.phone("14.1", device="NEW01")
            information = E("Settings:DeviceInformation", E("Settings:Set", E("Settings:Model", "M")))
            self.assertEqual(self.provision(phone, information).root.get("Status"), "130")
            self.assertEqual(self.shown("NEW01")["access"], "quarantined")
            self.order("allow", "NEW01")
            phone.provision()
        finally:
            self.pod.podctl("device", "policy", "example.test", "--new-devices", "allow")

    def test_one_device_however_its_id_is_written(self):
        raw = self.phone("14.1", device="00112233445566778899aabbccddeeff", base64_query="raw")
        raw.provision()
        listed = self.pod.podctl("device", "list", self.pod.address("alice"), as_json=True)["devices"]
        self.assertEqual([d["id"].lower() for d in listed].count(raw.device), 1)
        plain = self.phone("14.1", device=raw.device)
        plain.policy_key = raw.policy_key
        self.assertEqual(plain.ask("Settings", USER_INFORMATION).root.get("Status"), "1")

    # ---- settings ----

    def test_settings_are_answered_one_by_one(self):
        phone = self.phone("14.1", device="SET01")
        phone.provision()
        got = phone.ask("Settings", settings(
            E("Settings:DeviceInformation", E("Settings:Set", E("Settings:Model", "Überphone"), E("Settings:OS", "OS 9"))),
            E("Settings:UserInformation", E("Settings:Get")), E("Settings:RightsManagementInformation", E("Settings:Get")),
            E("Settings:DevicePassword", E("Settings:Set", E("Settings:Password", "secret")))))
        self.assertEqual(got.root.get("DeviceInformation/Status"), "1", got)
        self.assertEqual(got.root.get("UserInformation/Get/Accounts/Account/EmailAddresses/PrimarySmtpAddress"), phone.address)
        self.assertEqual(got.root.get("DevicePassword/Status"), "7", "nobody asked for it")
        self.assertEqual(self.shown("SET01")["model"], "Überphone")
        self.assertEqual(phone.ask("Settings", settings()).root.get("Status"), "2")


if __name__ == "__main__":
    unittest.main()
