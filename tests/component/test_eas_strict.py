"""What a phone is answered that asks for something wrong or odd: a table of single requests, each with the statuses that MS-ASCMD,
MS-ASAIRS, MS-ASEMAIL, MS-ASCON and MS-ASPROV have for it. After each of them the next request on the connection is answered.

Other tests follow a phone through what it does; here every row stands alone, so that another one is easily added.
"""
import base64
import unittest

from eas_client import Phone
from eas_notation import tree
from eas_wbxml import encode
from pod import PodTest

MAIL = b"""From: Ann <ann@example.org>\r\nTo: strict@example.test\r\nSubject: %s\r\nMessage-ID: <%s@example.org>\r\nMIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsome text\r\n--b\r
Content-Type: application/octet-stream; name=ten.bin\r\nContent-Disposition: attachment; filename=ten.bin\r\n\r\n0123456789\r\n--b--\r\n"""

BODY = "AirSyncBase:BodyPreference"
ONE = "AirSync:Sync{Collections{Collection{SyncKey=$key CollectionId=$inbox %s}}}"
# Of one folder that was primed: what stands behind its CollectionId; the status of the whole, or of the folder.
SYNC = (
    ("WindowSize=-1", "4"), ("WindowSize=many", "4"), ("GetChanges=2", "4"), ("DeletesAsMoves=5", "4"), ("ConversationMode=x", "4"),
    ("Options{FilterType=99}", "4"), ("Options{FilterType=x}", "4"), ("Options{FilterType=1 FilterType=2}", "4"),
    ("Options{Conflict=9}", "4"), ("Options{MIMESupport=3}", "4"), ("Options{MIMETruncation=9}", "4"),
    ("Options{FilterType=1} Options{FilterType=2}", "4"), (f"Options{{{BODY}}}", "4"), (f"Options{{{BODY}{{TruncationSize=9}}}}", "4"),
    (f"Options{{{BODY}{{Type=9}}}}", "4"), (f"Options{{{BODY}{{Type=1 Type=2}}}}", "4"), (f"Options{{{BODY}{{Type=1 Preview=256}}}}", "4"),
    (f"Options{{{BODY}{{Type=1 TruncationSize=-1}}}}", "4"), (f"Options{{{BODY}{{Type=1 TruncationSize=1 AllOrNone=2}}}}", "4"),
    (f"Options{{{BODY}{{Type=1}} {BODY}{{Type=1}}}}", "4"), ("Options{AirSyncBase:BodyPartPreference{Type=1}}", "164"),
    (f"{BODY}{{Type=1}}", "4"), ("Email:Subject=x", "4"), ("Limit=3", "4"), ("Supported{Email:Subject}", "4"), ("Commands", "4"),
    ("Commands{Add{ApplicationData}}", "4"), ("Commands{Change{ApplicationData{Email:Read=1}}}", "4"), ("Commands{Delete}", "4"),
    ("Commands{Fetch{ServerId}}", "4"), (f"WindowSize=1 Options{{{BODY}{{Type=1 TruncationSize=1 AllOrNone=1 Preview=255}}}}", "1"),
)
# Commands on the one message of the folder: the status of the command, None where it is not answered.
ITEM = (
    ("Change{ServerId=$item ApplicationData{Email:Read=1}}", None), ("Change{ServerId=$item ApplicationData{Email:Read=2}}", "6"),
    ("Change{ServerId=$item ApplicationData{Email:Flag{Status=3 FlagType=x}}}", "6"),
    ("Change{ServerId=$item ApplicationData{Email:Flag{Status=2 FlagType=x Tasks:ReminderSet=1}}}", "6"),
    ("Change{ServerId=$item ApplicationData{Email:Flag{Status=2 Tasks:StartDate=2026-12-03T00:00:00.000Z Tasks:DueDate=2026-12-01T00:00:00.000Z}}}",
     "6"),
    ("Change{ServerId=$item ApplicationData{Email:Flag{Status=2 Tasks:StartDate=soon}}}", "6"),
    ("Change{ServerId=$item ApplicationData{Email:Subject=other}}", "6"), ("Change{ServerId=nothing ApplicationData{Email:Read=1}}", "8"),
    ("Change{ServerId=$item ApplicationData{Email:Flag}}", None), ("Fetch{ServerId=nothing}", "8"), ("Fetch{ServerId=$item}", "1"),
    ("Delete{ServerId=nothing}", "8"), ("Add{ClientId=1 ApplicationData{Email:Subject=x}}", "6"),
)

DATES = "Availability{StartTime=%s EndTime=%s}"
FETCH = "ItemOperations:ItemOperations{Fetch{Store=Mailbox %s}}"
MESSAGE = FETCH % "AirSync:CollectionId=$inbox AirSync:ServerId=$item Options{%s}"
EMPTY = "ItemOperations:ItemOperations{%s}"
MAILBOX = "Search:Search{Store{Name=Mailbox Query{%s} Options{Range=%s}}}"
HERE = "AirSync:Class=Email AirSync:CollectionId=$inbox"
FIND = "Find:Find{SearchId=1 ExecuteSearch{MailBoxSearchCriterion{Query{%s FreeText=text} Options{Range=%s}}}}"
OOF = "Settings:Settings{Oof{Set{%s}}}"
PROVISION = "Provision:Provision{Settings:DeviceInformation{Set{Model=M}} Policies{%s}}"
SMART = "ComposeMail:SmartReply{ClientId=$unique Source{%s} Mime=$mime}"
COLLECTIONS = "GetItemEstimate:GetItemEstimate{Collections{Collection{%s}}}"
MOVE = "Move:MoveItems{Move{%s}}"
# command, version, document, then a path and what stands there; an HTTP code alone where there is no document.
REQUESTS = (
    ("FolderSync", "14.1", "FolderHierarchy:FolderSync", "Status", "10"),
    ("FolderSync", "14.1", "FolderHierarchy:FolderSync{SyncKey=bogus}", "Status", "9"),
    ("FolderCreate", "14.1", "FolderHierarchy:FolderCreate{SyncKey=0 ParentId=0 DisplayName=x Type=12}", "Status", "9"),
    ("FolderCreate", "14.1", "FolderHierarchy:FolderCreate{SyncKey=$folders ParentId=none DisplayName=x Type=12}", "Status", "5"),
    ("FolderCreate", "14.1", "FolderHierarchy:FolderCreate{SyncKey=$folders ParentId=0 DisplayName=x}", "Status", "10"),
    ("FolderCreate", "14.1", "FolderHierarchy:FolderCreate{SyncKey=$folders ParentId=0 DisplayName=x Type=8}", "Status", "10"),
    ("FolderUpdate", "14.1", "FolderHierarchy:FolderUpdate{SyncKey=$folders ServerId=none ParentId=0 DisplayName=x}", "Status", "4"),
    ("FolderUpdate", "14.1", "FolderHierarchy:FolderUpdate{SyncKey=$folders ServerId=$inbox ParentId=0 DisplayName=x}", "Status", "3"),
    ("FolderDelete", "14.1", "FolderHierarchy:FolderDelete{SyncKey=$folders ServerId=$inbox}", "Status", "3"),
    ("FolderDelete", "14.1", "FolderHierarchy:FolderDelete{SyncKey=$folders}", "Status", "10"),
    ("Ping", "14.1", "Ping:Ping{HeartbeatInterval=59 Folders{Folder{Id=$inbox Class=Email}}}", "HeartbeatInterval", "60"),
    ("Ping", "14.1", "Ping:Ping{HeartbeatInterval=x Folders{Folder{Id=$inbox Class=Email}}}", "Status", "4"),
    ("Ping", "14.1", "Ping:Ping{HeartbeatInterval=60 Folders{Folder{Id=none Class=Email}}}", "Status", "7"),
    ("GetItemEstimate", "14.1", COLLECTIONS % "AirSync:SyncKey=$key CollectionId=none", "Response/Status", "2"),
    ("GetItemEstimate", "14.1", COLLECTIONS % "AirSync:SyncKey=bogus CollectionId=$inbox", "Response/Status", "4"),
    ("GetItemEstimate", "14.1", COLLECTIONS % "AirSync:SyncKey=$key CollectionId=$sent", "Response/Status", "3"),
    ("MoveItems", "14.1", MOVE % "SrcMsgId=none SrcFldId=$inbox DstFldId=$sent", "Response/Status", "1"),
    ("MoveItems", "14.1", MOVE % "SrcMsgId=$item SrcFldId=$sent DstFldId=$inbox", "Response/Status", "1"),
    ("MoveItems", "14.1", MOVE % "SrcMsgId=$item SrcFldId=$inbox DstFldId=none", "Response/Status", "2"),
    ("MoveItems", "12.1", MOVE % "SrcMsgId=$item SrcFldId=$inbox DstFldId=$inbox", "Response/Status", "4"),
    ("MoveItems", "14.1", MOVE % "SrcMsgId=$item SrcFldId=$inbox DstFldId=$sent DstFldId=$inbox", "Response/Status", "5"),
    ("ItemOperations", "14.1", EMPTY % "", "Status", "2"),
    ("ItemOperations", "14.1", FETCH % "", "Response/Fetch/Status", "2"),
    ("ItemOperations", "14.1", FETCH % "AirSyncBase:FileReference=none", "Response/Fetch/Status", "15"),
    ("ItemOperations", "14.1", FETCH % "AirSyncBase:FileReference=$file AirSyncBase:FileReference=$file", "Response/Fetch/Status", "2"),
    ("ItemOperations", "14.1", FETCH % "AirSyncBase:FileReference=$file Options{Range=5-4}", "Response/Fetch/Status", "8"),
    ("ItemOperations", "14.1", FETCH % "AirSyncBase:FileReference=$file Options{Range=3-99}", "Response/Fetch/Properties/Range", "3-9"),
    ("ItemOperations", "14.1", FETCH % "AirSync:CollectionId=$inbox AirSync:ServerId=none", "Response/Fetch/Status", "6"),
    ("ItemOperations", "14.1", FETCH % "Search:LongId=none", "Response/Fetch/Status", "6"),
    ("ItemOperations", "14.1", MESSAGE % "AirSyncBase:BodyPartPreference{Type=3}", "Response/Fetch/Status", "164"),
    ("ItemOperations", "14.1", MESSAGE % "Schema{Email:Subject}", "Response/Fetch/Properties/Subject", "strict"),
    ("ItemOperations", "14.1", MESSAGE % "RightsManagement:RightsManagementSupport=1", "Response/Fetch/Status", "1"),
    ("ItemOperations", "12.1", EMPTY % "Fetch{Store=Frob Search:LongId=x}", "Response/Fetch/Status", "9"),
    ("ItemOperations", "14.1", EMPTY % "EmptyFolderContents{AirSync:CollectionId=none}", "Response/EmptyFolderContents/Status", "6"),
    ("ItemOperations", "14.1", EMPTY % "Move{ConversationId=$bytes DstFldId=$sent}", "Response/Move/Status", "156"),
    ("ItemOperations", "12.1", EMPTY % "Move{ConversationId=$bytes DstFldId=$sent}", "Status", "2"),
    ("GetAttachment", "14.1", None, None, 500),
    ("Search", "14.1", MAILBOX % ("And{%s FreeText=text FreeText=some}" % HERE, "0-9"), "Response/Store/Status", "8"),
    ("Search", "14.1", MAILBOX % ("Or{FreeText=text FreeText=some}", "0-9"), "Response/Store/Status", "8"),
    ("Search", "14.1", MAILBOX % ("And{%s FreeText=SOME}" % HERE, "5-1"), "Response/Store/Status", "2"),
    ("Search", "14.1", MAILBOX % ("And{%s FreeText=SOME}" % HERE, "0-9"), "Response/Store/Total", "1"),
    ("Search", "14.1", MAILBOX % ("And{%s FreeText=nothing}" % HERE, "0-9"), "Response/Store/Status", "1"),
    ("Search", "14.1", MAILBOX % ("And{AirSync:CollectionId=none FreeText=x}", "0-9"), "Response/Store/Status", "11"),
    ("Search", "14.1", "Search:Search{Store{Name=Frob Query=x}}", "Response/Store/Status", "2"),
    ("Search", "14.1", "Search:Search{Store{Name=GAL Query=strict Options{Range=0-9 Picture{MaxSize=9}}}}",
     "Response/Store/Result/Properties/Picture/Status", "173"),
    ("Find", "16.1", FIND % (HERE, "0-9"), "Response/Total", "1"),
    ("Find", "16.1", FIND % (HERE, "5-1"), "Status", "2"),
    ("Find", "14.1", FIND % (HERE, "0-9"), None, 501),
    ("Settings", "14.1", "Settings:Settings", "Status", "2"),
    ("Settings", "14.1", OOF % "OofState=2", "Oof/Status", "5"),
    ("Settings", "14.1", OOF % "OofState=2 StartTime=2027-01-08T00:00:00.000Z EndTime=2027-01-01T00:00:00.000Z", "Oof/Status", "6"),
    ("Settings", "14.1", OOF % "OofState=1 OofMessage{AppliesToExternalKnown Enabled=1 ReplyMessage=x BodyType=RTF}", "Oof/Status", "5"),
    ("Settings", "14.1", OOF % "OofState=1 OofMessage{AppliesToInternal Enabled=1 ReplyMessage=x BodyType=Text} "
     "OofMessage{AppliesToInternal Enabled=0}", "Oof/Status", "2"),
    ("Settings", "12.1", "Settings:Settings{UserInformation{Get}}", "UserInformation/Get/EmailAddresses/SMTPAddress", "strict@example.test"),
    ("Settings", "14.1", "Settings:Settings{UserInformation{Get}}",
     "UserInformation/Get/Accounts/Account/EmailAddresses/PrimarySmtpAddress", "strict@example.test"),
    ("Provision", "14.1", PROVISION % "Policy{PolicyType=MS-Other}", "Policies/Policy/Status", "3"),
    ("Provision", "14.1", PROVISION % "", "Status", "2"),
    ("Provision", "14.1", "Provision:Provision{Policies{Policy{PolicyType=MS-EAS-Provisioning-WBXML PolicyKey=9 Status=1}}}",
     "Policies/Policy/Status", "5"),
    ("Provision", "14.1", "Provision:Provision{Policies{Policy{PolicyType=MS-EAS-Provisioning-WBXML}}}", "Status", "165"),
    ("ResolveRecipients", "14.1", "ResolveRecipients:ResolveRecipients{To=nobody}", "Response/Status", "4"),
    ("ResolveRecipients", "14.1", "ResolveRecipients:ResolveRecipients{To=strict Options{%s}}" % DATES % ("soon", "2026-12-01T00:00:00.000Z"),
     "Status", "5"),
    ("ResolveRecipients", "14.1", "ResolveRecipients:ResolveRecipients", "Status", "5"),
    ("ValidateCert", "14.1", "ValidateCert:ValidateCert{Certificates}", "Status", "2"),
    ("ValidateCert", "14.1", "ValidateCert:ValidateCert{Certificates{Certificate=bm90IGE=}}", "Certificate/Status", "10"),
    ("SendMail", "14.1", "ComposeMail:SendMail{ClientId=$unique}", "Status", "103"),
    ("SendMail", "14.1", "ComposeMail:SendMail{ClientId=$unique AccountId=other Mime=$mime}", "Status", "166"),
    ("SendMail", "14.1", "ComposeMail:SendMail{ClientId=$unique Mime=$nobody}", "Status", "119"),
    ("SmartReply", "14.1", SMART % "FolderId=$inbox ItemId=none", "Status", "150"),
    ("SmartReply", "14.1", SMART % "FolderId=$inbox ItemId=$item LongId=x", "Status", "105"),
    ("SmartReply", "16.1", SMART % "FolderId=$inbox ItemId=$item InstanceId=soon", "Status", "104"),
    ("SmartReply", "14.1", SMART % "", "Status", "103"),
    ("MeetingResponse", "14.1", "MeetingResponse:MeetingResponse{Request{UserResponse=1 CollectionId=$inbox RequestId=$item}}",
     "Result/Status", "2"),
    ("Sync", "14.1", "AirSync:Sync", "Status", "4"),
    ("Sync", "14.1", "AirSync:Sync{Collections}", "Status", "4"),
    ("Sync", "14.1", "AirSync:Sync{Collections{Collection{SyncKey=0 CollectionId=none}}}", "Collections/Collection/Status", "8"),
    ("Sync", "14.1", "AirSync:Sync{Collections{Collection{SyncKey=bogus CollectionId=$inbox}}}", "Collections/Collection/Status", "3"),
    ("Sync", "14.1", "AirSync:Sync{Collections{Collection{SyncKey=$key CollectionId=$inbox}} Wait=60}", "Limit", "59"),
    ("Sync", "14.1", "AirSync:Sync{Collections{Collection{SyncKey=$key CollectionId=$inbox}} Wait=1 HeartbeatInterval=60}", "Status", "4"),
)

GOOD = b"\x03\x01\x6a\x00"
KEY = GOOD + b"\x00\x07\x56\x52"  # FolderSync{SyncKey
BYTES = (
    ("nothing but a header", GOOD), ("another charset", b"\x03\x01\x04\x00" + KEY[4:]), ("a string without an end", KEY + b"\x030"),
    ("an unknown page", GOOD + b"\x00\x63\x45\x01"), ("an unknown token", GOOD + b"\x00\x07\x7e\x01"), ("attributes", GOOD + b"\x00\x07\xd6\x01\x01"),
    ("an entity", KEY + b"\x02\x30\x01\x01"), ("a literal", GOOD + b"\x00\x07\x56\x44\x00\x01\x01"), ("a string of a table", KEY + b"\x83\x00\x01\x01"),
    ("a table that is longer than all", b"\x03\x01\x6a\x8f\xff\xff\xff\x7f" + KEY[4:]), ("an extension", KEY + b"\xc0\x01\x01"),
    ("an instruction", GOOD + b"\x43\x01"), ("opaque bytes that are not there", KEY + b"\xc3\x8f\xff\xff\x7f0\x01\x01"),
    ("a length without an end", KEY + b"\xc3\xff\xff\xff\xff\xff\xff\x7f0\x01\x01"), ("a deep tree", GOOD + b"\x45" * 5000),
    ("one that closes too often", KEY + b"\x030\x00\x01\x01\x01"), ("XML", b"<FolderSync/>"),
)


class Strict(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pod.add_user("strict", "a good password 1")
        box = cls.pod.imap("strict")
        box.append("INBOX", "", None, MAIL % (b"strict", b"1"))
        box.logout()
        cls.phone = Phone(cls.pod, "strict", device="STRICT1").set_up()
        [(item, data)] = cls.phone.pull(cls.phone.inbox).items()
        cls.values = {"inbox": cls.phone.inbox, "sent": cls.phone.folder(5).id, "item": item, "file": data.get("Attachments/Attachment/FileReference"), "bytes": b"0123456789abcdef",
                      "mime": b"To: strict@example.test\r\nSubject: x\r\n\r\nx\r\n", "nobody": b"Subject: x\r\n\r\nx\r\n"}

    def setUp(self):
        self.phone.version = "14.1"

    def ask(self, command, document):
        self.values.update(key=self.phone.keys[self.phone.inbox], unique=str(id(document)))
        return self.phone.ask(command, tree(document, self.values) if document else None)

    def still_answers(self):
        self.assertEqual(self.phone.ask("FolderSync", tree("FolderHierarchy:FolderSync{SyncKey=0}")).root.get("Status"), "1")

    def test_folders_of_a_sync(self):
        for inside, wanted in SYNC:
            with self.subTest(inside):
                self.phone.prime(self.phone.inbox)
                answer = self.ask("Sync", ONE % inside)
                self.assertEqual(answer.root.get("Collections/Collection/Status") or answer.root.get("Status"), wanted, answer)

    def test_commands_of_a_sync(self):
        self.phone.prime(self.phone.inbox)
        self.phone.pull(self.phone.inbox)
        for command, wanted in ITEM:
            with self.subTest(command):
                answer = self.ask("Sync", ONE % f"Commands{{{command}}}")
                got = answer.root.find("Collections/Collection")
                self.assertEqual(got.get("Status"), "1", answer)
                self.phone.keys[self.phone.inbox] = got.get("SyncKey")
                self.assertEqual(got.get(f"Responses/{command.split('{')[0]}/Status"), wanted, answer)

    def test_single_requests(self):
        self.phone.prime(self.phone.inbox)
        self.phone.folder_key, self.phone.folders = "0", {}
        self.phone.folder_sync()
        self.values["folders"] = self.phone.folder_key
        for command, version, document, path, wanted in REQUESTS:
            with self.subTest(f"{command} {version} {document}"):
                self.phone.version = version
                answer = self.ask(command, document)
                if path is None:
                    self.assertEqual(answer.status, wanted, answer)
                else:
                    self.assertEqual(answer.root.get(path), wanted, answer)

    def test_bytes_that_are_no_document(self):
        for what, sent in BYTES:
            for version in ("12.1", "14.1", "16.1"):
                with self.subTest(what, version=version):
                    self.phone.version = version
                    self.assertEqual(self.phone.ask("FolderSync", sent).status, 400)
            self.still_answers()

    def test_documents_that_are_written_in_other_ways(self):
        for what, sent in (("opaque", KEY + b"\xc3\x010\x01\x01"), ("runs", KEY + b"\x03\x00\x030\x00\x01\x01"),
                           ("version 1.1", b"\x01" + KEY[1:] + b"\x030\x00\x01\x01")):
            with self.subTest(what):
                self.assertEqual(self.phone.ask("FolderSync", sent).root.get("Status"), "1")

    def test_the_first_byte_of_a_multipart_is_where_it_says(self):
        document = tree(FETCH % "AirSyncBase:FileReference=$file Options{Range=2-4}", self.values)
        answer = self.phone.ask("ItemOperations", document, multipart=True)
        root, parts = answer.parts()
        self.assertEqual((root.get("Response/Fetch/Properties/Part"), root.get("Response/Fetch/Properties/Total"), parts),
                         ("1", "10", [b"234"]))
        plain = self.phone.ask("ItemOperations", document).root.find("Response/Fetch/Properties")
        self.assertEqual(base64.b64decode(plain.get("Data")), b"234")
        self.assertEqual(len(answer.body), 4 + 2 * 8 + len(encode(root)) + 3)


if __name__ == "__main__":
    unittest.main()
