"""Mails of a worker are signed by every key of their domain: an independent program verifies them."""

import asyncio
import base64
import re
import signal
import struct

import pytest

from tests.support import process
from tests.support.dkim_keys import DkimKeys
from tests.support.portal import in_days
from tests.support.queue_calls import is_quiet

DOMAIN = "westmarch.example.org"
BOTH = [("ed25519-sha256", "e1", True), ("rsa-sha256", "s1", True)]
HOSTILE = [
    "O'Brien", "Siân", "Ó Súilleabháin", "李", "مريم", "\U0001f514", "x" * 300, "back\\",
    "=?utf-8?q?x?=", '"Quote", comma', "\u202eevil", "a  b   c", "l=0; b=x",
    "DKIM-Signature", "." * 40,
]  # fmt: skip


@pytest.fixture
def keys(tmp_path):
    made = DkimKeys(tmp_path / "dkim")
    made.folder.mkdir()
    return made


@pytest.fixture
def signer(handbell, mail_store, demo, owner, keys):
    """signer(): a worker that signs with the keys of the folder."""

    def start(**settings):
        return handbell.start_worker(
            mail_store.url, {"dkim": {"key_dir": keys.folder}, **settings}
        )

    return start


def alert(demo, course, people, **facts):
    demo.put_category("maths")
    for ref, person in people.items():
        demo.put_person(ref, interests=["maths"], **person)
    demo.put_course(course, categories=["maths"], **facts)


def wait_until_quiet(worker, owner, timeout_s=60):
    process.wait_until(
        lambda: worker.check_running() and is_quiet(owner), timeout_s, "all is sent"
    )


def wait_for_log(worker, text, timeout_s=15):
    process.wait_until(lambda: text in worker.log_text(), timeout_s, f"the log says {text}")


def reload(worker, times):
    """SIGHUP; waits until so many reloads have been taken over."""
    worker.process.send_signal(signal.SIGHUP)
    process.wait_until(
        lambda: worker.log_text().count("event=settings_reloaded") >= times, 15, "it has reloaded"
    )


def insert_field(content, field):
    """In front of all others, where a forger would put it."""
    return field + b"\r\n" + content


def test_both_signatures_of_a_mail_verify_and_cover_what_matters(
    signer, mail_store, demo, owner, keys
):
    keys.make(DOMAIN, "s1")
    keys.make(DOMAIN, "e1", "ed25519")
    worker = signer()
    alert(demo, "c1", {"p1": {}})
    (mail,) = mail_store.wait_for(1)
    assert keys.verify(mail.content) == BOTH
    for text in mail.message.get_all("DKIM-Signature"):
        names = re.search(r"\bh=([^;]+)", text).group(1).replace(" ", "").split(":")
        for name in ("from", "to", "subject"):
            assert names.count(name) == 2
        for name in ("list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id"):
            assert names.count(name) == 1
        assert " l=" not in text and f"d={DOMAIN};" in text
    head = mail.content.partition(b"\r\nDate:")[0]
    assert all(len(line) < 78 for line in head.split(b"\r\n"))
    # The test can fail.
    for old, new in ((b"Course", b"course"), (b"From: ", b"From: x"), (b"List-Id: <", b"List-Id: <x")):
        assert old in mail.content
        changed = mail.content.replace(old, new, 1)
        assert [row[2] for row in keys.verify(changed)] == [False, False]
    worker.stop()


@pytest.mark.parametrize("field", [
    b"From: Mallory <m@example.net>", b"Subject: Send money", b"To: all@example.net",
    b"Reply-To: m@example.net", b"Cc: m@example.net", b"Content-Type: text/html",
])  # fmt: skip
def test_a_field_that_a_forger_adds_breaks_the_signatures(
    field, signer, mail_store, demo, owner, keys
):
    keys.make(DOMAIN, "s1", bits=1024)
    keys.make(DOMAIN, "e1", "ed25519")
    signer()
    alert(demo, "c1", {"p1": {}})
    (mail,) = mail_store.wait_for(1)
    assert keys.verify(insert_field(mail.content, b"Received: from a relay")) == BOTH
    assert [row[2] for row in keys.verify(insert_field(mail.content, field))] == [False, False]


def test_names_and_titles_that_break_others_are_signed(signer, mail_store, demo, owner, keys):
    keys.make(DOMAIN, "s1", bits=1024)
    keys.make(DOMAIN, "e1", "ed25519")
    worker = signer()
    demo.put_category("maths")
    people = {f"p{number}": {"last_name": name[:100]} for number, name in enumerate(HOSTILE)}
    for ref, person in people.items():
        demo.put_person(ref, interests=["maths"], **person)
    for number, name in enumerate(HOSTILE):
        demo.put_course(f"c{number}", title=name, summary=f"{name}\n\n   \n.\n{name} ",
                        categories=["maths"])  # fmt: skip
    wait_until_quiet(worker, owner)
    mails = mail_store.mails()
    assert len(mails) >= len(HOSTILE)
    for mail in mails:
        assert keys.verify(mail.content) == BOTH


def test_mails_with_logo_and_calendar_entries_are_signed(signer, mail_store, demo, owner, keys):
    keys.make(DOMAIN, "s1", bits=1024)
    keys.make(DOMAIN, "e1", "ed25519")
    logo = base64.b64encode(
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack("!II", 120, 40) + b"x" * 40000
    ).decode()
    demo.put_tenant(brand={"name": "Westmarch", "colour": "#1d3557", "logo": {
        "type": "image/png", "base64": logo, "alt": "Westmarch", "width": 120, "height": 40,
    }})  # fmt: skip
    worker = signer()
    demo.put_person("d1", last_name="O\u2019Brien")
    demo.put_course("c1", sessions=[
        {"ref": f"s{day}", "starts_at": in_days(day), "ends_at": in_days(day, 15), "venue": "Abbey"}
        for day in (10, 11, 12)
    ])  # fmt: skip
    demo.put_booking("b1", "c1", "d1", status="confirmed")
    wait_until_quiet(worker, owner)
    demo.change_course("c1", status="cancelled", cancel_reason="The tutor is ill.")
    wait_until_quiet(worker, owner)
    mails = mail_store.mails()
    assert len(mails) >= 2
    types = {part.get_content_type() for mail in mails for part in mail.message.walk()}
    assert {"image/png", "text/calendar"} <= types
    for mail in mails:
        assert keys.verify(mail.content) == BOTH


def test_keys_change_by_a_reload_and_no_mail_fails(signer, mail_store, demo, owner, keys):
    keys.make(DOMAIN, "s1")
    keys.make(DOMAIN, "s2", is_waiting=True)
    worker = signer()
    people = 400
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(people)
    ])  # fmt: skip
    demo.put_course("c1", categories=["maths"])
    mail_store.wait_for(20)
    keys.turn(DOMAIN, "s2")
    reload(worker, 1)
    mail_store.wait_for(people // 2, 60)
    keys.remove(DOMAIN, "s1")
    reload(worker, 2)
    demo.put_course("c2", categories=["maths"])
    wait_until_quiet(worker, owner)
    seen = set()
    for mail in mail_store.mails():
        found = keys.verify(mail.content)
        assert found and all(row[2] for row in found)
        seen.add(tuple(row[1] for row in found))
    assert seen >= {("s1",), ("s2",)}
    assert len(mail_store.mails()) == 2 * people
    states = dict(owner.execute("select state, count(*) from message_record group by 1").fetchall())
    assert states == {"sent": 2 * people}


def test_a_key_that_went_bad_is_named_and_those_before_go_on(
    signer, mail_store, demo, owner, keys
):
    keys.make(DOMAIN, "s1", bits=1024)
    worker = signer()
    wait_for_log(worker, "event=worker_started")
    (keys.folder / DOMAIN / "s2.pem").write_text("-----BEGIN PRIVATE KEY-----\nSecretStuff\n")
    (keys.folder / DOMAIN / "s2.pem").chmod(0o600)
    worker.process.send_signal(signal.SIGHUP)
    wait_for_log(worker, "event=reload_failed")
    assert f"{DOMAIN}/s2.pem: no private key" in worker.log_text()
    assert "SecretStuff" not in worker.log_text()
    alert(demo, "c1", {"p1": {}})
    (mail,) = mail_store.wait_for(1)
    assert keys.verify(mail.content) == [("rsa-sha256", "s1", True)]


def test_a_key_that_others_may_read_stops_the_start(handbell, mail_store, keys):
    keys.make(DOMAIN, "s1", bits=1024)
    (keys.folder / DOMAIN / "s1.pem").chmod(0o604)
    worker = handbell.start_worker(mail_store.url, {"dkim": {"key_dir": keys.folder}})
    process.wait_until(lambda: not worker.is_running(), 15, "it ends")
    assert worker.process.returncode == 78
    assert f"[dkim] key_dir: {DOMAIN}/s1.pem: open to its group or to others" in worker.log_text()


def test_a_domain_without_keys_is_not_signed(signer, mail_store, demo, owner, keys):
    keys.make("other.example.org", "s1", bits=1024)
    keys.make(DOMAIN, "s2", bits=1024, is_waiting=True)
    signer()
    alert(demo, "c1", {"p1": {}})
    (mail,) = mail_store.wait_for(1)
    assert mail.message["DKIM-Signature"] is None


def test_stopped_it_gives_back_what_is_being_signed(signer, demo, owner, keys, mail_store):
    for number in range(4):
        keys.make(DOMAIN, f"s{number}", bits=4096)
    worker = signer()
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(300)
    ])  # fmt: skip
    demo.put_course("c1", categories=["maths"])
    mail_store.wait_for(1)
    assert worker.stop() == 0
    states = dict(owner.execute(
        """select state, count(*) from message_record group by 1
           union all select state::text, count(*) from message group by 1"""
    ).fetchall())  # fmt: skip
    sent = len(mail_store.mails())
    assert sent < 300
    assert states == {"sent": sent, "ready": 300 - sent}


def test_the_urgent_mail_overtakes_alerts_that_wait_for_their_signatures(
    signer, demo, owner, keys, mail_store
):
    for number in range(4):
        keys.make(DOMAIN, f"s{number}", bits=4096)
    signer()
    demo.put_category("maths")
    demo.put_person("d1")
    demo.put_course("c9")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(600)
    ])  # fmt: skip
    demo.put_booking("b1", "c9", "d1", status="confirmed", quiet=True)
    demo.put_course("c1", categories=["maths"])
    mail_store.wait_for(5)
    demo.change_course("c9", status="cancelled", cancel_reason="The tutor is ill.")
    process.wait_until(
        lambda: any("ancelled" in str(mail.message["Subject"]) for mail in mail_store.mails()),
        30, "the cancellation has arrived",
    )  # fmt: skip
    subjects = [str(mail.message["Subject"]) for mail in mail_store.mails()]
    (place,) = [number for number, text in enumerate(subjects) if "ancelled" in text]
    assert place < 300, "it waited behind the alerts"


def test_slow_signatures_hold_up_no_marks_that_are_given_back_again(
    signer, demo, owner, keys, mail_store
):
    for number in range(4):
        keys.make(DOMAIN, f"s{number}", bits=4096)
    worker = signer(smtp={"connections": 500})
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(200)
    ])  # fmt: skip
    demo.put_course("c1", categories=["maths"])
    wait_until_quiet(worker, owner)
    assert worker.stop() == 0 and len(mail_store.mails()) == 200
    given_back = sum(int(count) for count in re.findall(r" unsent=(\d+)", worker.log_text()))
    assert given_back < 3 * 200  # it was seventeen times what was sent


def test_mails_that_wait_for_the_relay_when_keys_come_are_signed(
    signer, demo, owner, keys, mail_store
):
    async def after_a_while(_):
        await asyncio.sleep(0.4)

    mail_store.before_reply = after_a_while
    keys.make("other.example.org", "s1", bits=1024)
    connections = 4
    worker = signer(smtp={"connections": connections})
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(60)
    ])  # fmt: skip
    demo.put_course("c1", categories=["maths"])
    mail_store.wait_for(12)
    keys.make(DOMAIN, "s1", bits=1024)
    reload(worker, 1)
    before = len(mail_store.mails())
    wait_until_quiet(worker, owner)
    later = mail_store.mails()[before:]
    signed = [mail.message["DKIM-Signature"] is not None for mail in later]
    # What each session of the relay's client had was written before.
    assert False not in signed[connections:] and True in signed
