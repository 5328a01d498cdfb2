"""A worker is killed at random moments of mixed mail: nothing is lost, nobody is alerted twice."""

import asyncio
import collections
import random
import time

from tests.support import process
from tests.support.portal import Portal, in_days
from tests.support.queue_calls import is_quiet

KILLS = 25
READERS = 3000
DELEGATES = 20
REFUSED = 40
SETTINGS = {"worker": {"lease_s": 1, "takeover_grace_s": 2}}


def state_facts(demo):
    demo.put_tenant(rules={"brake": 1_000_000}, settle="1 second")
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(READERS)
    ])  # fmt: skip
    delegates = [f"d{number}" for number in range(KILLS * DELEGATES)]
    demo.put_many("person", [
        {"ref": ref, "email": f"{ref}@example.org", "consent": True} for ref in delegates
    ])  # fmt: skip
    for number in range(KILLS):
        demo.put_course(f"c{number}", starts_at=in_days(30), ends_at=in_days(30, 15))
    return delegates


def is_refused(address):
    """Whether the relay knows nobody of this address."""
    name = address.partition("@")[0]
    return name.startswith("r") and int(name[1:]) < REFUSED


def book(demo, course, delegates):
    """Half of them get a confirmation too."""
    demo.put_many("booking", [
        {"ref": f"b {ref}", "course": course, "person": ref, "status": "confirmed",
         "quiet": number % 2 == 0}
        for number, ref in enumerate(delegates)
    ])  # fmt: skip


def test_killed_25_times_in_mixed_mail_everything_is_accounted_for(
    handbell, mail_store, portal, owner
):
    chance = random.Random(9)
    demo = Portal(portal)
    delegates = state_facts(demo)

    kills = []

    async def slowly(mail):
        """Alerts are held back, so that some are left for every kill, however slow the machine."""
        await asyncio.sleep(chance.choice([0.01, 0.1, 0.15]))
        share = READERS * (len(kills) + 1) / (KILLS + 2)
        if mail.recipient.startswith("r") and len(mail_store.received) > share:
            await asyncio.sleep(0.5)

    def refuse_some(address):
        return "550 5.1.1 no such user" if is_refused(address) else None

    mail_store.before_reply = slowly
    mail_store.on_rcpt = refuse_some
    worker = handbell.start_worker(mail_store.url, SETTINGS)
    demo.put_course("alerted", categories=["maths"])
    for number in range(KILLS):
        part = delegates[number * DELEGATES : (number + 1) * DELEGATES]
        book(demo, f"c{number}", part)
        time.sleep(chance.uniform(0.05, 0.4))
        demo.change_course(f"c{number}", status="cancelled", cancel_reason="Snow")
        time.sleep(chance.uniform(0.02, 0.4))
        worker.check_running()
        worker.kill()
        kills.append(number)
        worker.start()
    assert not is_quiet(owner), "all was sent before the last kill"
    process.wait_until(
        lambda: worker.check_running() and is_quiet(owner), 120, "all is sent", 0.1
    )
    assert owner.execute("select count(*) from message").fetchone() == (0,)
    check_alerts(mail_store, owner)
    check_cancellations(mail_store, delegates)
    check_accounts(owner)


def check_alerts(store, owner):
    """No alert twice; each ended in one state, and what is called sent did arrive."""
    alerts = [mail for mail in store.mails() if mail.recipient.startswith("r")]
    counts = collections.Counter(mail.recipient for mail in alerts)
    assert not [count for count in counts.values() if count > 1]
    ended = dict(owner.execute(
        """select p.email, r.state from message_record r
           join person p on p.tenant_id = r.tenant_id and p.person_id = r.person_id
           where r.kind = 'course_alert'""").fetchall())  # fmt: skip
    assert len(ended) == READERS
    for address, state in ended.items():
        if state == "sent":
            assert address in counts
        else:
            assert state in ("failed", "uncertain"), state
    # Whom the relay refuses has failed, or was just being refused when the worker was killed.
    refused = {address: state for address, state in ended.items() if is_refused(address)}
    assert len(refused) == REFUSED
    assert set(refused.values()) == {"failed", "uncertain"} or set(refused.values()) == {"failed"}
    assert "failed" not in {state for address, state in ended.items() if address not in refused}
    assert set(counts) <= {address for address, state in ended.items() if state != "failed"}


def check_cancellations(store, delegates):
    """Everybody is told; a second copy has the Message-ID of the first."""
    told = collections.defaultdict(set)
    for mail in store.mails():
        if mail.recipient.startswith("d") and b"Snow" in mail.content:
            told[mail.recipient].add(mail.message_id)
    assert set(told) == {f"{ref}@example.org" for ref in delegates}
    assert all(len(ids) == 1 for ids in told.values())


def check_accounts(owner):
    """sent + failed + skipped + uncertain = queued, and uncertain is for alerts alone."""
    queued = owner.execute("select count(*) from job_recipient").fetchone()[0] + READERS
    rows = owner.execute(
        "select message_id, kind, state from message_record order by message_id"
    ).fetchall()
    assert len(rows) == len({row[0] for row in rows}) == queued
    assert {state for _, kind, state in rows if kind == "course_cancelled"} == {"sent"}
    assert {state for _, kind, state in rows if kind == "booking_confirmed"} <= {"sent", "skipped"}
