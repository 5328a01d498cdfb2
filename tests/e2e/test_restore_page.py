"""The encrypted backup and the restore of docs/operations.md, by the very commands that the page gives."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from tests.e2e.test_restore import DATABASE, EX_TEMPFAIL, Office, prepare, state_courses, state_people
from tests.support import process
from tests.support.cluster import SUPERUSER

PAGE = process.ROOT / "docs/operations.md"
GPG_SECONDS = 60


def commands():
    """Of the page's part about backups, in order."""
    part = PAGE.read_text().partition("\n## Backups")[2].partition("\n## ")[0]
    return re.findall(r"^ {4,}((?:gpg|sudo) .+)$", part, re.MULTILINE)


class Shell:
    """Root's, on the database's machine and on the one where restores are tried: the same here."""

    def __init__(self, office):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="hbgpg"))  # gpg's sockets want a short path
        self.home.chmod(0o700)
        self.backups = self.home / "backups"
        self.backups.mkdir()
        cluster = office.cluster
        self.environment = {
            "PATH": f"{cluster.binaries}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "GNUPGHOME": str(self.home),
            "PGHOST": str(cluster.socket_folder),
            "PGPORT": str(cluster.settings["port"]),
            "PGUSER": SUPERUSER,
        }

    def run(self, command):
        """As the page has it, but for its places and whose account it is."""
        for of_page, here in (
            ("sudo -u postgres ", ""),
            ("/etc/handbell/backup.pub", "backup.pub"),
            ("/var/backups/handbell", str(self.backups)),
        ):
            command = command.replace(of_page, here)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], env=self.environment, cwd=self.home,
            capture_output=True, text=True, timeout=GPG_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr}"

    def remove(self):
        subprocess.run(["gpgconf", "--kill", "all"], env=self.environment, check=False)
        shutil.rmtree(self.home)


@pytest.fixture
def office(tmp_path, mail_store):
    office = Office(tmp_path, mail_store).install()
    yield office
    office.remove()


@pytest.fixture
def shell(office):
    shell = Shell(office)
    yield shell
    shell.remove()


def test_the_pages_backup_and_restore_bring_everything_back_and_tell_nobody_twice(office, shell):
    make_key, export_key, *backups, roles, drop, restore = commands()
    assert [len(backups), roles.split()[0], drop.split()[3], restore.split()[0]] == [
        2, "gpg", "dropdb", "gpg"
    ]  # fmt: skip
    prepare(office)
    worker = office.start_worker()
    state_courses(office.demo, "kept")
    office.store.wait_for(4)
    office.wait_for_quiet()
    for command in (make_key, export_key, *backups):
        shell.run(command)
    # Nobody reads it without the secret key.
    for path in shell.backups.iterdir():
        content = path.read_bytes()
        assert b"example.org" not in content and b"handbell" not in content
    state_courses(office.demo, "since")
    office.store.wait_for(8)
    office.demo.call("opt_out", "anna", "alerts")
    office.wait_for_word(worker)
    office.wait_for_quiet()

    office.programs.stop()
    office.disconnect()
    for command in (roles, drop, restore):
        shell.run(command)
    office.connect()
    assert office.owner.execute("select count(*) from person").fetchone() == (4,)
    # The same cluster, the same timeline, and its log has gone on: check knows it all the same.
    status, said = office.check(worker)
    assert (status, said["gate"]["is_open"], said["gate"]["reason"]) == (EX_TEMPFAIL, False, "moved")
    state_people(office.demo)
    state_courses(office.demo, "kept", "since", "new")
    worker.start()
    office.store.wait_for(11)
    office.wait_for_quiet()
    new = office.store.mails()[8:]
    assert sorted(mail.recipient.split(".")[0] for mail in new) == ["ben", "cleo", "dev"]
    assert all("Course new" in mail.text() for mail in new)
    assert not any("Course since" in mail.text() for mail in new)
    assert office.owner.info.dbname == DATABASE
