"""A private Postfix + Dovecot beside podmail: Debian's programs, their own folders and ports, loopback only.

They are set up the way their documentation recommends for speed (no per-login processes, an auth cache, no
DNS, LMTP over a unix socket, no artificial delays) with durable writes on, as they are by default.
"""
import os
import pwd
import shutil
import signal
import subprocess
import time

MAIL_USER = "nobody"  # owns the peer's mailboxes; podmail's own users play no part in it

DOVECOT = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
default_internal_user = dovecot
default_login_user = dovenull
default_client_limit = 20000
default_process_limit = 2000
mail_location = maildir:~/Maildir
mail_fsync = {fsync}
first_valid_uid = 1
auth_cache_size = 16 M
auth_cache_ttl = 1 hour
mail_max_userip_connections = 100000
passdb {{
  driver = passwd-file
  args = username_format=%n {dir}/passwd
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%n
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  client_limit = 10000
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  service_count = 1000
  process_min_avail = 4
  process_limit = 4096
}}
service lmtp {{
  process_min_avail = 8
  process_limit = 64
  unix_listener {dir}/lmtp.sock {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = peer.example.test
mydestination =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.test
virtual_mailbox_maps = static:ok
virtual_transport = lmtp:unix:{dir}/lmtp.sock
relay_domains = held.test, sink.test
transport_maps = inline:{{ sink.test=smtp:[127.0.0.1]:{sink_port} }}
smtpd_recipient_restrictions = check_recipient_access inline:{{ held.test=HOLD }}, permit_mynetworks, reject
lmtp_destination_concurrency_limit = 50
lmtp_destination_recipient_limit = 1
lmtp_connection_cache_on_demand = yes
lmtp_connection_cache_destinations = unix:{dir}/lmtp.sock
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
in_flow_delay = 0
default_process_limit = 100
maillog_file = {dir}/postfix.log
maillog_file_prefixes = {dir}
"""

POSTFIX_MASTER = """
127.0.0.1:{smtp} inet n - n - 100 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - 50 lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def _write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class Peer:
    """Start with start(), end with stop(). Ports as podmail lays them out over its base port."""

    def __init__(self, folder, base_port, users, password_hash, cert, key, fsync="optimized", sink_port=9):
        self.dir = folder
        self.ports = {name: base_port + n for name, n in
                      (("smtp", 25), ("lmtp", 24), ("imap", 143), ("imaps", 993))}
        os.makedirs(folder, mode=0o755)
        for sub in ("run", "state", "mail", "postfix", "spool", "data"):
            os.makedirs(f"{folder}/{sub}")
        user = pwd.getpwnam(MAIL_USER)
        os.chown(f"{folder}/mail", user.pw_uid, user.pw_gid)
        shutil.chown(f"{folder}/data", "postfix")
        shutil.copy(cert, f"{folder}/cert.pem")
        shutil.copy(key, f"{folder}/key.pem")
        _write(f"{folder}/passwd", "".join(f"{u}:{{CRYPT}}{password_hash}\n" for u in users))
        os.chmod(f"{folder}/passwd", 0o644)
        values = dict(dir=folder, cert=f"{folder}/cert.pem", key=f"{folder}/key.pem", uid=user.pw_uid,
                      gid=user.pw_gid, fsync=fsync, sink_port=sink_port,
                      **self.ports)
        _write(f"{folder}/dovecot.conf", DOVECOT.format(**values))
        _write(f"{folder}/postfix/main.cf", POSTFIX_MAIN.format(**values))
        _write(f"{folder}/postfix/master.cf", POSTFIX_MASTER.format(**values))
        self.dovecot = None

    def start(self):
        self.dovecot = subprocess.Popen(["dovecot", "-F", "-c", f"{self.dir}/dovecot.conf"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        subprocess.run(["postfix", "-c", f"{self.dir}/postfix", "start"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_for_sockets()

    def _wait_for_sockets(self):
        import socket
        for port in self.ports.values():
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    def stop(self):
        subprocess.run(["postfix", "-c", f"{self.dir}/postfix", "stop"], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self.dovecot:
            self.dovecot.send_signal(signal.SIGTERM)
            self.dovecot.wait(30)

    def maildir(self, user):
        return f"{self.dir}/mail/{user}/Maildir"

    def delivered(self):
        """Messages in all mailboxes now."""
        total = 0
        for user in os.listdir(f"{self.dir}/mail"):
            for sub in ("new", "cur"):
                try:
                    total += len(os.listdir(f"{self.maildir(user)}/{sub}"))
                except FileNotFoundError:
                    pass
        return total

    def queue_is_empty(self):
        return not any(files for sub in ("incoming", "active", "deferred")
                       for _, _, files in os.walk(f"{self.dir}/spool/{sub}"))
