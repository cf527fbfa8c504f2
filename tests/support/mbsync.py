"""mbsync (isync) as a user runs it: one account, the whole of it, into a Maildir."""
import os
import re
import subprocess


class Mbsync:
    """A local copy of a user's mailboxes in folder, kept by mbsync over IMAPS."""

    def __init__(self, pod, user, folder):
        self.folder = folder
        self.rc = os.path.join(folder, "mbsyncrc")
        os.makedirs(folder, exist_ok=True)
        with open(self.rc, "w", encoding="utf-8") as f:
            f.write(f"""
IMAPAccount pod
Host localhost
Port {pod.port('imaps')}
User {pod.address(user)}
Pass {pod.password(user)}
SSLType IMAPS
CertificateFile {pod.dir}/tls/ca.pem
AuthMechs *

IMAPStore remote
Account pod

MaildirStore local
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns *
Create Both
Expunge Both
SyncState *
CopyArrivalDate yes
""")

    def sync(self):
        """Returns what mbsync said; fails where it failed."""
        done = subprocess.run(["mbsync", "-c", self.rc, "-V", "all"], text=True, capture_output=True, timeout=600,
                              check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def files(self):
        """{relative path of a message's file: its bytes}; names carry UID and flags."""
        found = {}
        for base, _, names in os.walk(self.folder):
            if os.path.basename(base) in ("new", "cur"):
                for name in names:
                    path = os.path.join(base, name)
                    with open(path, "rb") as f:
                        found[os.path.relpath(path, self.folder)] = f.read()
        return found

    def by_uid(self, mailbox="INBOX"):
        """{uid: bytes} of one mailbox."""
        return {int(re.search(r"U=(\d+)", path)[1]): text for path, text in self.files().items()
                if os.path.dirname(os.path.dirname(path)) == mailbox}
