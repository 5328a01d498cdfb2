"""An SMTP server that keeps books of what it took, and misbehaves by rule: a process of its own.

It counts for each Message-ID the copies that it took, and how many of them ended without the client
having shown that it knows the reply: only such a mail may come a second time. Rules (`Rule`) make it
slow, make it refuse or defer, hold a transaction at a place until it is released, or break the
connection off, at any byte of the end of the data. The server itself is support/smtp_ledger_server.py.
Knows nothing of Handbell.
"""

import collections
import contextlib
import dataclasses
import json
import pathlib
import shutil
import socket
import sys
import tempfile

from tests.support import process

TERMINATOR = b"\r\n.\r\n"
REPLY = b"250 2.0.0 taken\r\n"


@dataclasses.dataclass
class Rule:
    """What is done to a transaction.

    `at`: mail, rcpt, data (instead of 354), body (when so many `bytes` of it are there), end (when so
    many `bytes` of the terminator CR LF . CR LF have been taken: 0 to 5, and 5 is all), reply (when so
    many `bytes` of the reply have been sent).
    `do`: say (`text`), wait (`seconds`, least and most), hold (until released), drop (`how`: reset or
    close). `accepts`: whether the mail counts as taken where all its data had come.
    `to`: a pattern for the recipient's whole address. `client`: what the client's EHLO said. `share`:
    how often, by chance. `times`: at most so often; `each`: at most so often for one recipient.
    """

    name: str
    at: str
    do: str
    to: str = ".*"
    client: str = ".*"
    bytes: int = 0
    text: str = ""
    seconds: tuple = (0.0, 0.0)
    how: str = "reset"
    accepts: bool = True
    share: float = 1.0
    times: int = 0
    each: int = 0


@dataclasses.dataclass
class Mail:
    """What became of one Message-ID."""

    message_id: str
    recipients: list
    copies: int  # taken
    refused: int  # its data had come, and a reply refused it
    untaken: int  # its data had come, and it ended without a copy and without a reply
    unfinished: int  # its data did not come to the end
    unread: list  # of copies whose reply nobody is known to have read: seconds from reply to end
    clients: list  # who sent each copy
    to: list  # whom each copy was for
    times: list  # when each was taken (time.time)
    size: int  # bytes, where it came to its end


class Ledger:
    """The server's process. `host`: one of support/netns.py; else it listens on 127.0.0.1. With few
    `receive_bytes` a mail that it does not read stays with its sender."""

    def __init__(self, host=None, port=0, seed=1, receive_bytes=32768):
        self.receive_bytes = receive_bytes
        self.host = host
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hbl"))
        self.control_path = self.folder / "control"
        self.address = host.address if host else "127.0.0.1"
        self.port = port or (2525 if host else process.free_port())
        self.log = self.folder / "log"
        self.process = None
        self.seed = seed
        self.start()

    @property
    def url(self):
        return f"smtp://{self.address}:{self.port}" + ("?tls=none" if self.host else "")

    def start(self):
        """Listens again; its books are empty."""
        entered = self.host.entered() if self.host else contextlib.nullcontext()
        with entered:
            self.process = process.start(
                [sys.executable, "-m", "tests.support.smtp_ledger_server", self.address, self.port,
                 self.control_path, self.seed, self.receive_bytes],
                self.log, cwd=process.ROOT,
            )  # fmt: skip
        process.wait_until(self._answers, 20, "the ledger answers")

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the ledger ended:\n{self.log.read_text()[-2000:]}")
        try:
            return self._ask("ping")
        except OSError:
            return False

    def _ask(self, verb, **more):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(30)
            control.connect(str(self.control_path))
            control.sendall(json.dumps({"do": verb, **more}).encode() + b"\n")
            with control.makefile("rb") as answer:
                return json.loads(answer.readline())

    def set_rules(self, *rules):
        """From now on these and no others; what is held stays held."""
        self._ask("rules", rules=[dataclasses.asdict(rule) for rule in rules])

    def held(self):
        """Who is held now: [{name, recipient, client, message_id}]; message_id None before the data."""
        return self._ask("held")

    def wait_for_held(self, count=1, timeout_s=20, name=None):
        def find():
            found = [one for one in self.held() if name in (None, one["name"])]
            return found if len(found) >= count else None

        return process.wait_until(find, timeout_s, f"{count} held at a gate")

    def release(self, name=None):
        """Lets go on who is held by the rule of this name, or by any."""
        self._ask("release", name=name)

    def counts(self):
        """{taken, mails (Message-IDs taken), open (connections), on_wire, connections (ever)}"""
        return self._ask("counts")

    def wait_for(self, taken, timeout_s=30):
        return process.wait_until(
            lambda: self.counts()["taken"] >= taken, timeout_s, f"{taken} mails taken"
        )

    def mails(self):
        """{Message-ID: Mail} of all whose data came, whole or in part."""
        return {row["message_id"]: Mail(**row) for row in self._ask("mails")}

    def copies(self):
        """Counter of recipients: how many mails were taken for each."""
        return collections.Counter(to for mail in self.mails().values() for to in mail.to)

    def stop(self):
        process.stop(self.process, 5)
        shutil.rmtree(self.folder, ignore_errors=True)
