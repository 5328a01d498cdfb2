"""A private Postfix: own queue, configuration and port, mail kept in a maildir. Needs root."""

import os
import pwd
import shutil
import socket
import subprocess
import time

POSTFIX = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example
mydestination =
local_recipient_maps =
alias_maps =
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ refused@school.example = 550 5.1.1 no such person }}, {{ later@school.example = 450 4.2.1 greylisted }} }}, permit_mynetworks, reject
smtpd_forbid_bare_newline = yes
smtpd_forbid_unauth_pipelining = yes
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
virtual_mailbox_domains = school.example
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
message_size_limit = 100000
{extra}
"""
MASTER = """127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


def missing():
    """Why Postfix cannot run here, or ""."""
    if os.geteuid() != 0:
        return "postfix master starts as root only"
    if POSTFIX is None:
        return "postfix is not installed"
    return ""


class Postfix:
    """`with Postfix(folder) as relay:` listens on relay.port. Postfix's users must be able to enter
    the folder, so it is none of pytest's."""

    def __init__(self, folder, extra=""):
        self.folder = folder
        self.extra = extra
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]

    def run(self, word):
        return subprocess.run(
            [POSTFIX, "-c", self.folder / "etc", word], capture_output=True, text=True, check=False
        )

    def __enter__(self):
        owner = pwd.getpwnam("postfix")
        for name in ("etc", "queue", "data", "mail", "mail/all", "log"):
            (self.folder / name).mkdir()
        for name in ("data", "mail", "mail/all"):
            os.chown(self.folder / name, owner.pw_uid, owner.pw_gid)
        settings = {"folder": self.folder, "uid": owner.pw_uid, "gid": owner.pw_gid}
        (self.folder / "etc/main.cf").write_text(MAIN.format(**settings, extra=self.extra))
        (self.folder / "etc/master.cf").write_text(MASTER.format(port=self.port))
        started = self.run("start")
        if started.returncode != 0:
            raise RuntimeError(f"postfix does not start: {started.stdout}{started.stderr}{self.log()}")
        self.wait_for_port()
        return self

    def __exit__(self, *reason):
        self.run("abort")

    def log(self):
        path = self.folder / "log/mail.log"
        return path.read_text() if path.exists() else ""

    def wait_for_port(self):
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"postfix does not listen: {self.log()}") from None
                time.sleep(0.05)

    def wait_for_mails(self, count, timeout_s=20):
        """The delivered mails, as bytes, once there are so many."""
        deadline = time.monotonic() + timeout_s
        while True:
            paths = list((self.folder / "mail/all/new").glob("*"))
            if len(paths) >= count or time.monotonic() > deadline:
                return [path.read_bytes() for path in paths]
            time.sleep(0.05)
