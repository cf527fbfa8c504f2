"""A phone for tests: speaks ActiveSync as MS-ASHTTP and MS-ASCMD say, with a codec of its own (eas_wbxml.py).

    phone = Phone(pod, "alice", version="16.1")
    phone.set_up()                       # OPTIONS, Provision, FolderSync
    items = phone.pull(phone.inbox)      # Sync until nothing is left
"""
import base64
import gzip
import http.client
import ssl
import struct
import urllib.parse

from eas_wbxml import E, decode, encode

VERSIONS = ("12.1", "14.0", "14.1", "16.0", "16.1")
CODES = {name: code for code, name in enumerate((
    "Sync", "SendMail", "SmartForward", "SmartReply", "GetAttachment", "GetHierarchy", "CreateCollection", "DeleteCollection",
    "MoveCollection", "FolderSync", "FolderCreate", "FolderDelete", "FolderUpdate", "MoveItems", "GetItemEstimate",
    "MeetingResponse", "Search", "Settings", "Ping", "ItemOperations", "Provision", "ResolveRecipients", "ValidateCert", "Find"))}
QUERY_TAGS = {"AttachmentName": 0, "CollectionId": 1, "ItemId": 3, "LongId": 4, "Occurrence": 6}


class Answer:
    """An HTTP answer; root is the document, None where the body is empty or something else."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        kind = (headers.get("Content-Type") or "").split(";")[0]
        self.root = decode(body) if body and kind == "application/vnd.ms-sync.wbxml" else None

    def parts(self):
        """Of application/vnd.ms-sync.multipart: the document, then the parts' bytes (MS-ASCMD 2.2.1.10.1)."""
        count = struct.unpack_from("<I", self.body)[0]
        runs = [struct.unpack_from("<II", self.body, 4 + 8 * i) for i in range(count)]
        cut = [self.body[offset:offset + length] for offset, length in runs]
        return decode(cut[0]), cut[1:]

    def __repr__(self):
        return f"{self.status} {dict(self.headers)}\n{self.root.show() if self.root else self.body[:500]}"


class Line:
    """One HTTPS connection with keep-alive, opened again where the server ended it."""

    def __init__(self, pod, timeout=90):
        self.pod, self.timeout, self.http = pod, timeout, None

    def ask(self, method, target, body, headers):
        for last in (False, True):
            if not self.http:
                self.http = http.client.HTTPSConnection("127.0.0.1", self.pod.port("https"), timeout=self.timeout,
                                                        context=self.pod.tls_context())
            try:
                self.http.request(method, target, body=body, headers=headers)
                response = self.http.getresponse()
                return response.status, response.headers, response.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
                self.close()
                if last:
                    raise
            except OSError:
                self.close()
                raise

    def send_and_hang_up(self, method, target, body, headers):
        """The request goes out, and its answer is lost."""
        self.ask_only(method, target, body, headers)
        self.close()

    def ask_only(self, method, target, body, headers):
        if not self.http:
            self.http = http.client.HTTPSConnection("127.0.0.1", self.pod.port("https"), timeout=self.timeout,
                                                    context=self.pod.tls_context())
        self.http.request(method, target, body=body, headers=headers)

    def answer(self):
        response = self.http.getresponse()
        return response.status, response.headers, response.read()

    def close(self):
        if self.http:
            self.http.close()
        self.http = None

    __del__ = close


class Folder:
    def __init__(self, e):
        self.id, self.parent = e.get("ServerId"), e.get("ParentId")
        self.name, self.type = e.get("DisplayName"), int(e.get("Type"))

    def __repr__(self):
        return f"{self.id}: {self.name} ({self.type})"


class Phone:
    """A device of a user: what it was told (folders, keys, items) is its picture of the mailbox."""

    def __init__(self, pod, user, version="14.1", device="PHONE0001", kind="TestPhone", base64_query=False, password=None,
                 zipped=False):
        self.pod, self.version, self.device, self.kind = pod, version, device, kind
        self.address = pod.address(user)
        self.password = pod.password(user) if password is None else password
        self.base64_query, self.zipped = base64_query, zipped
        self.policy_key = 0
        self.folder_key = "0"
        self.folders = {}  # id: Folder
        self.keys = {}     # folder id: sync key
        self.items = {}    # folder id: {server id: ApplicationData}
        self.line = Line(pod)

    # ---- requests ----

    def number(self):
        major, minor = self.version.split(".")
        return int(major) * 10 + int(minor)

    def target(self, command, params=(), save_in_sent=False, multipart=False):
        params = dict(params)
        if not self.base64_query:
            query = {"Cmd": command, "User": self.address, "DeviceId": self.device, "DeviceType": self.kind, **params}
            if save_in_sent:
                query["SaveInSent"] = "T"
            return "/Microsoft-Server-ActiveSync?" + urllib.parse.urlencode(query)
        device = bytes.fromhex(self.device) if self.base64_query == "raw" else self.device.encode()
        raw = struct.pack("<BBH", self.number(), CODES[command], 0x0409) + bytes([len(device)]) + device
        raw += bytes([4]) + struct.pack("<I", self.policy_key) if self.policy_key else b"\0"
        raw += bytes([len(self.kind)]) + self.kind.encode()
        for name, value in params.items():
            raw += bytes([QUERY_TAGS[name], len(value)]) + value.encode()
        options = (1 if save_in_sent else 0) | (2 if multipart else 0)
        if options:
            raw += bytes([7, 1, options])
        return "/Microsoft-Server-ActiveSync?" + base64.b64encode(raw).decode()

    def headers(self, kind, multipart=False):
        login = base64.b64encode(f"{self.address}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "User-Agent": "TestPhone/1.0", "MS-ASProtocolVersion": self.version,
                   "X-MS-PolicyKey": str(self.policy_key)}
        if kind:
            headers["Content-Type"] = kind
        if multipart:
            headers["MS-ASAcceptMultiPart"] = "T"
        if self.zipped:
            headers["Accept-Encoding"] = "gzip"
        return headers

    def request(self, command, tree, params=(), kind="application/vnd.ms-sync.wbxml", save_in_sent=False, multipart=False):
        """What goes over the wire for a command: (method, target, body, headers)."""
        body = encode(tree) if isinstance(tree, E) else (tree or b"")
        return ("POST", self.target(command, params, save_in_sent, multipart), body,
                self.headers(kind if body else None, multipart))

    def ask(self, command, tree=None, **options):
        status, headers, body = self.line.ask(*self.request(command, tree, **options))
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return Answer(status, headers, body)

    def lose(self, command, tree=None, **options):
        """A request whose answer never arrives; returns when the server has done what was asked, or began to."""
        line = Line(self.pod)
        status, _, _ = line.ask(*self.request(command, tree, **options))
        line.close()
        return status

    def options(self):
        status, headers, body = self.line.ask("OPTIONS", "/Microsoft-Server-ActiveSync", None, self.headers(None))
        return Answer(status, headers, body)

    # ---- setting up ----

    def provision(self):
        """Both halves of MS-ASPROV 3.1.5.1; the policies' elements."""
        information = E("Settings:DeviceInformation", E("Settings:Set", E("Settings:Model", "Test"), E("Settings:OS", "TestOS 1"),
                                                       E("Settings:FriendlyName", "a phone")))
        kind = E("Provision:PolicyType", "MS-EAS-Provisioning-WBXML")
        self.policy_key = 0
        first = self.ask("Provision", E("Provision:Provision", *([information] if self.number() >= 141 else []),
                                        E("Provision:Policies", E("Provision:Policy", kind))))
        policy = first.root.find("Policies/Policy")
        assert (first.root.get("Status"), policy.get("Status")) == ("1", "1"), first
        temporary = policy.get("PolicyKey")
        self.policy_key = int(temporary)
        second = self.ask("Provision", E("Provision:Provision", E("Provision:Policies", E(
            "Provision:Policy", kind, E("Provision:PolicyKey", temporary), E("Provision:Status", "1")))))
        policy_again = second.root.find("Policies/Policy")
        assert policy_again.get("Status") == "1" and policy_again.get("PolicyKey") != temporary, second
        self.policy_key = int(policy_again.get("PolicyKey"))
        return policy.find("Data/EASProvisionDoc")

    def folder_sync(self):
        answer = self.ask("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", self.folder_key)))
        assert answer.root is not None, answer
        if answer.root.get("Status") == "9":
            self.folder_key, self.folders = "0", {}
            return self.folder_sync()
        assert answer.root.get("Status") == "1", answer
        changes = answer.root.find("Changes")
        assert changes.get("Count") == str(len(changes.children) - 1), answer
        for change in changes.children[1:]:
            kind = change.tag.split(":")[1]
            if kind == "Delete":
                gone = change.get("ServerId")
                assert self.folders.pop(gone, None), f"a folder that was not there is gone: {answer}"
                self.keys.pop(gone, None)
                self.items.pop(gone, None)
            else:
                folder = Folder(change)
                assert (folder.id in self.folders) == (kind == "Update"), f"{kind} of {folder}: {answer}"
                self.folders[folder.id] = folder
        self.folder_key = answer.root.get("SyncKey")
        return answer

    def set_up(self):
        self.options()
        self.provision()
        self.folder_sync()
        return self

    def folder(self, kind):
        """By type (2: Inbox) or by name."""
        return [f for f in self.folders.values() if kind in (f.type, f.name)][0]

    @property
    def inbox(self):
        return self.folder(2).id

    # ---- Sync ----

    def collection(self, folder, *more, key=None):
        """One collection of a request; with Class where the version wants it."""
        named = [E("AirSync:Class", "Email")] if self.number() <= 121 else []
        return E("AirSync:Collection", *named, E("AirSync:SyncKey", self.keys.get(folder, "0") if key is None else key),
                 E("AirSync:CollectionId", folder), *more)

    def sync_tree(self, *collections, more=()):
        return E("AirSync:Sync", E("AirSync:Collections", *collections), *more)

    def prime(self, folder, *more):
        """Key 0: the first key."""
        answer = self.ask("Sync", self.sync_tree(self.collection(folder, *more, key="0")))
        got = answer.root.find("Collections/Collection")
        assert got.get("Status") == "1" and got.get("SyncKey") not in ("", "0"), answer
        assert got.find("Commands") is None, answer
        self.keys[folder], self.items[folder] = got.get("SyncKey"), {}

    def options_tree(self, kind="1", truncation=None, filter_type="0", more=()):
        size = [E("AirSyncBase:TruncationSize", str(truncation))] if truncation is not None else []
        preference = E("AirSyncBase:BodyPreference", E("AirSyncBase:Type", kind), *size)
        return E("AirSync:Options", E("AirSync:FilterType", filter_type), preference, *more)

    def sync(self, folder, more=(), window="100", commands=(), options=None, get_changes=True):
        """One Sync of one folder, applied to the picture; the Collection, or None where nothing was to say."""
        content = [E("AirSync:GetChanges") if get_changes else E("AirSync:GetChanges", "0"), E("AirSync:WindowSize", window)]
        if options is not None:
            content.append(options)
        content += more
        if commands:
            content.append(E("AirSync:Commands", *commands))
        answer = self.ask("Sync", self.sync_tree(self.collection(folder, *content)))
        assert answer.status == 200, answer
        return self.apply(answer, folder)

    def apply(self, answer, folder):
        if answer.root is None:
            return None
        got = [c for c in answer.root.all("Collections/Collection") if c.get("CollectionId") == folder]
        assert got, answer
        got = got[0]
        assert got.get("Status") == "1", answer
        self.keys[folder] = got.get("SyncKey")
        held = self.items.setdefault(folder, {})
        for command in got.find("Commands").children if got.find("Commands") else []:
            kind, item = command.tag.split(":")[1], command.get("ServerId")
            if kind == "Add":
                assert item not in held, f"{item} twice: {answer}"
                held[item] = command.find("ApplicationData")
            elif kind == "Change":
                assert item in held, f"a change of {item}, which is not there: {answer}"
                merge(held[item], command.find("ApplicationData"))
            else:
                assert held.pop(item, None) is not None, f"{kind} of {item}, which is not there: {answer}"
        return got

    def pull(self, folder, **options):
        """Syncs until nothing more is there; the folder's items."""
        if folder not in self.keys:
            self.prime(folder)
        for _ in range(10000):
            got = self.sync(folder, **options)
            if got is None or got.find("MoreAvailable") is None:
                return self.items[folder]
        raise AssertionError("more and more is available")


def merge(held, change):
    """What a Change says replaces what was held; the rest stays."""
    for e in change.children:
        held.children = [c for c in held.children if c.tag != e.tag] + [e]
