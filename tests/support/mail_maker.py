"""Composes mails and calendar objects through tests/support/mail_driver.c: parts in, bytes out."""

import json
import subprocess

from tests.support import mail_readers

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
STARTS = 1795426200  # Monday 23 November 2026, 09:30 in London
SENDER = ["Training desk", "courses@example.org"]
READER = ["Ann Lee", "ann@example.net"]


class MailMaker:
    def __init__(self):
        self.process = subprocess.Popen(
            [mail_readers.driver("mail_driver")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ask(self, given):
        self.process.stdin.write(json.dumps(given).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def mail(self, **parts):
        """The bytes of a mail."""
        answer = self.ask(mail(**parts))
        assert "mail" in answer, answer
        return answer["mail"].encode()

    def calendar(self, **parts):
        """The bytes of one calendar object."""
        answer = self.ask({"events": [event(**parts)]})
        assert "calendars" in answer, answer
        return answer["calendars"][0].encode()

    def close(self):
        """What a library has to say on standard error could hold a name: it must say nothing."""
        said = self.process.communicate(timeout=10)[1]
        assert self.process.returncode == 0 and said == b"", said.decode()


def mail(**parts):
    return {
        "from": SENDER,
        "to": READER,
        "subject": "Your place",
        "message_id": "hb.1.7@example.org",
        "text": "Hello\n",
        "html": "",
    } | parts


def event(**parts):
    return {
        "method": "REQUEST",
        "uid": "hb.1.2.3@example.org",
        "sequence": 0,
        "stamp": STARTS - 864000,
        "starts": STARTS,
        "ends": STARTS + 6 * 3600,
        "zone": "Europe/London",
        "summary": "Phonics for Year 1",
        "location": "Town Hall\n1 High Street",
        "description": "Bring a pen.",
        "url": "https://cpd.example.org/c/2",
        "organizer": SENDER,
        "attendee": READER,
    } | parts


def logo(**parts):
    return {"type": "image/png", "hex": PNG.hex(), "content_id": "logo.1@example.org"} | parts


def attachment(name, content=b"%PDF-1.7 \x00\xff", kind="application/pdf"):
    return {"name": name, "type": kind, "hex": content.hex()}
