"""Mail servers for tests: one inside the test's process that counts and can be slow, and aiosmtpd's
Mailbox in a process of its own. Knows nothing of Handbell.
"""

import asyncio
import collections
import dataclasses
import email
import email.policy
import mailbox
import pathlib
import sys
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.support import process


@dataclasses.dataclass
class Received:
    """One transaction that ended with the final dot."""

    at: float  # time.monotonic() when the data had been read
    sender: str
    recipients: list
    content: bytes
    reply: str

    @property
    def message(self):
        return email.message_from_bytes(self.content, policy=email.policy.default)

    @property
    def message_id(self):
        head = self.content.partition(b"\r\n\r\n")[0]
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"message-id:"):
                return line.partition(b":")[2].strip().decode()
        return None

    @property
    def recipient(self):
        (only,) = self.recipients
        return only

    def text(self):
        """The text part, decoded."""
        return self.message.get_body(("plain",)).get_content()

    def html(self):
        return self.message.get_body(("html",)).get_content()


class _Server(SMTP):
    """Notes each command line and each refusal, as they were on the wire."""

    store = None

    async def push(self, status):
        text = status if isinstance(status, str) else bytes(status).decode("ascii", "replace")
        if text.startswith("5"):
            self.store.refusals.append(text.strip())
        await super().push(status)

    async def smtp_MAIL(self, arg):
        self.store.commands["MAIL"] += 1
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        self.store.commands["RCPT"] += 1
        await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        self.store.commands["DATA"] += 1
        await super().smtp_DATA(arg)


class _Controller(Controller):
    def __init__(self, store, **more):
        self.store = store
        super().__init__(store, **more)

    def factory(self):
        server = _Server(self.handler, **self.SMTP_kwargs)
        server.store = self.store
        return server


class MailStore:
    """An SMTP server in this process. `before_reply`, when set, is an async function of the
    transaction that may sleep and may return another reply than 250."""

    def __init__(self, port=0):
        self.received = []
        self.refusals = []
        self.commands = collections.Counter()
        self.before_reply = None
        self.on_rcpt = None
        self.lock = threading.Lock()
        self.port = process.free_port(port)
        self.controller = _Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.on_rcpt is not None:
            reply = self.on_rcpt(address)
            if reply is not None:
                return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = Received(
            time.monotonic(), envelope.mail_from, list(envelope.rcpt_tos), envelope.content, "250"
        )
        with self.lock:
            self.received.append(mail)
        reply = None
        if self.before_reply is not None:
            reply = await self.before_reply(mail)
        mail.reply = reply or "250 2.0.0 accepted"
        return mail.reply

    def stop(self):
        self.controller.stop()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def mails(self, kind=None, to=None):
        """What arrived, in order; `to` an address."""
        with self.lock:
            mails = list(self.received)
        if to is not None:
            mails = [mail for mail in mails if to.lower() in [r.lower() for r in mail.recipients]]
        if kind is not None:
            mails = [mail for mail in mails if kind in mail.message["Subject"]]
        return mails

    def wait_for(self, count, timeout_s=20.0, to=None):
        """Waits until at least this many mails are there, and returns them."""
        process.wait_until(
            lambda: len(self.mails(to=to)) >= count, timeout_s, f"{count} mails in the store"
        )
        return self.mails(to=to)

    def message_ids(self):
        with self.lock:
            return collections.Counter(mail.message_id for mail in self.received)


async def slowly(mail, delay_s=0.5):
    """A before_reply that keeps the sender waiting after the data."""
    await asyncio.sleep(delay_s)


class MailboxProcess:
    """`python3 -m aiosmtpd` with its Mailbox handler: a maildir that outlives it."""

    def __init__(self, folder, log, port=0):
        self.folder = pathlib.Path(folder)
        self.port = process.free_port(port)
        self.process = process.start(
            [sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{self.port}",
             "-c", "aiosmtpd.handlers.Mailbox", self.folder],
            log,
        )  # fmt: skip
        process.wait_until(self._is_up, 20, "aiosmtpd listens")

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError("aiosmtpd ended at once")
        return process.is_listening(self.port)

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def paths(self):
        """The files of the mails, oldest first."""
        new = self.folder / "new"
        return sorted(new.iterdir(), key=lambda path: path.stat().st_mtime) if new.exists() else []

    def mails(self):
        """[(path, parsed message)]"""
        return [
            (path, email.message_from_bytes(path.read_bytes(), policy=email.policy.default))
            for path in self.paths()
        ]

    def box(self):
        return mailbox.Maildir(self.folder)

    def stop(self):
        process.stop(self.process)
