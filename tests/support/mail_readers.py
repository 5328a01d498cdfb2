"""Three programs' eyes: one mail, read by Python's email package, by GMime and by libetpan.

None of them knows the others, nor the writer: where all three find what went in, so will most. Each
reader takes the mail's bytes and returns a Mail; READERS has them by name.
"""

import dataclasses
import email
import email.header
import email.policy
import email.utils
import json
import os
import pathlib
import subprocess

import gi

from tests.support import schema

gi.require_version("GMime", "3.0")
from gi.repository import GMime  # noqa: E402

GMime.init()


@dataclasses.dataclass
class Part:
    """A leaf. `name` is the file's; `body` is decoded from its transfer encoding, no further."""

    type: str
    charset: str
    method: str
    disposition: str  # "inline", "attachment" or ""
    name: str
    content_id: str  # without angle brackets
    body: bytes

    @property
    def text(self):
        return self.body.decode(self.charset or "utf-8").replace("\r\n", "\n")


@dataclasses.dataclass
class Mail:
    """`sender`, `to` and `reply_to` are lists of (display name, address). `structure` reads
    "mixed(alternative(text/plain text/html) application/pdf)"."""

    subject: str
    sender: list
    to: list
    reply_to: list
    message_id: str  # without angle brackets
    structure: str
    parts: list

    @property
    def names(self):
        return [part.name for part in self.parts if part.disposition == "attachment"]

    def body(self, kind):
        """The text of the first leaf of that type which is no file; None where there is none."""
        for part in self.parts:
            if part.type == kind and part.disposition != "attachment":
                return part.text
        return None

    def of_type(self, kind):
        return [part for part in self.parts if part.type == kind]


def bare(identifier):
    return (identifier or "").strip().removeprefix("<").removesuffix(">")


def email_addresses(mail, name):
    """By the older parser: the newer one keeps the space between two encoded-words of a phrase,
    which RFC 2047 section 6.2 says to drop."""
    values = [str(value).replace("\r\n", "") for value in mail.get_all(name, [])]
    return [
        (str(email.header.make_header(email.header.decode_header(phrase))), address)
        for phrase, address in email.utils.getaddresses(values)
    ]


def email_structure(part):
    if not part.is_multipart():
        return part.get_content_type()
    inside = " ".join(email_structure(child) for child in part.iter_parts())
    return f"{part.get_content_subtype()}({inside})"


def email_leaf(part):
    return Part(
        type=part.get_content_type(),
        charset=part.get_content_charset() or "",
        method=part["Content-Type"].params.get("method", ""),
        disposition=part.get_content_disposition() or "",
        name=part.get_filename() or "",
        content_id=bare(part["Content-ID"]),
        body=part.get_payload(decode=True),
    )


def read_by_email(raw):
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    older = email.message_from_bytes(raw)
    defects = [defect for part in mail.walk() for defect in part.defects]
    assert not defects, defects
    return Mail(
        subject=str(mail["Subject"]),
        sender=email_addresses(older, "From"),
        to=email_addresses(older, "To"),
        reply_to=email_addresses(older, "Reply-To"),
        message_id=bare(mail["Message-ID"]),
        structure=email_structure(mail),
        parts=[email_leaf(part) for part in mail.walk() if not part.is_multipart()],
    )


def gmime_addresses(found):
    found = found or GMime.InternetAddressList.new()
    boxes = [found.get_address(i) for i in range(found.length())]
    return [(box.get_name() or "", box.get_addr()) for box in boxes]


def gmime_leaf(part):
    content_type = part.get_content_type()
    stream = GMime.StreamMem.new()
    part.get_content().write_to_stream(stream)
    return Part(
        type=content_type.get_mime_type(),
        charset=content_type.get_parameter("charset") or "",
        method=content_type.get_parameter("method") or "",
        disposition=part.get_disposition() or "",
        name=part.get_filename() or "",
        content_id=part.get_content_id() or "",
        body=bytes(stream.get_byte_array()),
    )


def gmime_walk(part, leaves):
    """Fills `leaves`, returns the structure."""
    if isinstance(part, GMime.Multipart):
        inside = " ".join(gmime_walk(part.get_part(i), leaves) for i in range(part.get_count()))
        return f"{part.get_content_type().get_media_subtype()}({inside})"
    leaves.append(gmime_leaf(part))
    return leaves[-1].type


def read_by_gmime(raw):
    parser = GMime.Parser.new_with_stream(GMime.StreamMem.new_with_buffer(raw))
    message = parser.construct_message(None)
    assert message is not None, "not readable as a mail"
    leaves = []
    structure = gmime_walk(message.get_mime_part(), leaves)
    return Mail(
        subject=message.get_subject() or "",
        sender=gmime_addresses(message.get_from()),
        to=gmime_addresses(message.get_to()),
        reply_to=gmime_addresses(message.get_reply_to()),
        message_id=message.get_message_id() or "",
        structure=structure,
        parts=leaves,
    )


def driver(name):
    """A program of tests/support/*_driver.c, from the build under test."""
    folder = os.environ.get("HANDBELL_BUILD") or schema.binary().parent
    return pathlib.Path(folder).absolute() / name


def read_by_etpan(raw):
    """libetpan reads no RFC 2231: a file's name is the plain one that stands in for it."""
    done = subprocess.run(
        [driver("etpan_driver")], input=raw, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    for part in found["parts"]:
        part["body"] = bytes.fromhex(part["body"])
    return Mail(
        subject=found["subject"],
        sender=[tuple(pair) for pair in found["from"]],
        to=[tuple(pair) for pair in found["to"]],
        reply_to=[tuple(pair) for pair in found["reply_to"]],
        message_id=found["message_id"],
        structure=found["structure"],
        parts=[Part(**part) for part in found["parts"]],
    )


READERS = {"email": read_by_email, "gmime": read_by_gmime, "etpan": read_by_etpan}
