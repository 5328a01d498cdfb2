"""Memory runs out for a moment, at any point: each allocation of the program fails once, in turn."""

import http.client
import os
import random

import pytest

from tests.support import previews, process, scale, schema, smtp_client, tokens
from tests.support.dkim_keys import DkimKeys
from tests.support.portal import in_days
from tests.support.queue_calls import is_quiet
from tests.support.starving import Starving
from tests.support.web import Site


@pytest.fixture
def starve(tmp_path, monkeypatch):
    return Starving(tmp_path, monkeypatch)


def test_one_mail_is_sent_or_deferred_whatever_allocation_fails(starve, mail_store, mails):
    sent = 0
    for number in range(1, 1000):
        starve.at_start(number)
        before = len(mail_store.received)
        running, text = smtp_client.start(mail_store.url, [mails.step(), "wait"])
        out, errors = running.communicate(text, timeout=30)
        if not starve.has_starved():
            break
        arrived = len(mail_store.received) - before
        # 70, 71: no memory for the driver itself, or to begin at all. Never a signal.
        assert running.returncode in (0, os.EX_SOFTWARE, os.EX_OSERR), (number, errors)
        told = [line.split("\t")[1] for line in out.splitlines() if line.startswith("m\t")]
        if running.returncode == 0:
            assert told == (["sent"] if arrived else ["deferred"]), (number, out)
        else:
            assert arrived == 0
        sent += arrived
    assert number > 10 and sent > 0
    assert running.returncode == 0 and "\tsent\t" in out


def test_a_preview_is_whole_or_says_why_not_whatever_allocation_fails(starve):
    """Those of the facts and the mail: the last ones."""

    def preview(number):
        starve.at_start(number)
        done = previews.run("--kind", "booking_confirmed", "--sample", "--language", "cy")
        return done, starve.has_starved()

    whole, _ = preview(0)
    last, step = 0, 1 << 14
    while step := step // 2:
        last += step if preview(last + step)[1] else 0
    assert last > 1000 and whole.returncode == 0
    for number in range(last - 800, last, scale.pick(12, 1)):
        done, _ = preview(number)
        if done.returncode == 0:
            assert done.stdout == whole.stdout, number
        else:
            assert done.returncode in (os.EX_OSERR, os.EX_DATAERR) and done.stdout == b"", number


# ---- A worker.


@pytest.fixture
def fed(demo, owner, mail_store, tmp_path):
    """What a worker needs to sign, and a relay that puts one recipient off, once each time."""
    keys = DkimKeys(tmp_path / "dkim")
    keys.make("westmarch.example.org", "s1", "ed25519")
    demo.put_tenant(rules={"brake": 1_000_000})
    demo.put_category("maths")
    for number in range(2):
        demo.put_person(f"p{number}", email=f"p{number}@example.org", interests=["maths"])
    put_off = set()

    def later(address):
        if address != "p0@example.org" or len(mail_store.received) in put_off:
            return None
        put_off.add(len(mail_store.received))
        return "450 4.2.1 not now"

    mail_store.on_rcpt = later
    return {"smtp": {"connections": 2}, "dkim": {"key_dir": keys.folder}, "worker": {"poll_ms": 100}}


def state_batch(demo, turn):
    """Alerts, a confirmation, a change and a cancellation: seven mails."""
    demo.put_course(f"c{turn}", categories=["maths"], starts_at=in_days(30), ends_at=None)
    for person in ("p0", "p1"):
        demo.put_booking(f"b{turn} {person}", f"c{turn}", person, status="confirmed")
    if turn > 0:
        demo.change_course(f"c{turn - 1}", starts_at=in_days(31))
        demo.change_course(f"c{turn - 1}", status="cancelled", cancel_reason="Snow")


def has_all_ended(owner):
    """What was put off, for want of memory or by the relay, is due now."""
    owner.execute("update message set due = now() where state = 'ready' and due > now()")
    return is_quiet(owner) and owner.execute("select count(*) from message").fetchone() == (0,)


def check_all_sent_once(owner, mail_store):
    rows = dict(owner.execute("select state, count(*) from message_record group by 1").fetchall())
    assert set(rows) <= {"sent", "skipped"}, rows
    assert rows["sent"] == len(mail_store.received)
    assert set(mail_store.message_ids().values()) == {1}


def test_a_worker_starts_or_says_why_not_whatever_allocation_fails(starve, handbell, mail_store, fed):
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    starve.at_start(1 << 40)
    worker = handbell.start_worker(mail_store.url, fed, name="counted")
    process.wait_until(lambda: "event=worker_started" in worker.log_text(), 20, "it has started")
    total = starve.now(worker, 0)
    assert worker.stop() == 0 and total > 300
    numbers = range(1, total + 1) if scale.FULL else sorted(chance.sample(range(1, total + 1), 16))
    begun = 0
    for number in numbers:
        starve.at_start(number)
        where = f"seed {seed}, allocation {number} of {total}"
        worker = handbell.start_worker(mail_store.url, fed, name=f"w{number}")
        process.wait_until(
            lambda: not worker.is_running() or "event=worker_started" in worker.log_text(), 20, where
        )
        begun += worker.is_running()
        if worker.is_running():
            assert worker.stop() == 0, where
        else:
            assert worker.process.returncode == os.EX_OSERR, (where, worker.log_text()[-500:])
            assert "memory" in worker.log_text(), where
    assert starve.has_starved() or begun > 0


def test_a_worker_sends_each_mail_once_whatever_allocation_fails_on_its_way(
    starve, handbell, mail_store, fed, demo, owner
):
    """Claimed, marked, written, signed, sent, put off, recorded: an allocation of each batch fails, in full
    each in turn. The worker lives through it, and a sanitizer sees what it would leak."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    worker = handbell.start_worker(mail_store.url, fed)
    process.wait_until(lambda: "event=worker_started" in worker.log_text(), 20, "it has started")
    starve.now(worker, 0)
    state_batch(demo, 0)
    process.wait_until(lambda: has_all_ended(owner), 20, "a batch is sent")
    total = starve.now(worker, 0)
    assert total > 500
    numbers = range(1, total + 200) if scale.FULL else chance.sample(range(1, total), 8)
    orders = [(number, 1) for number in numbers]
    # (Few allocations are tried a second while none succeeds: a run of them lasts.)
    orders += [(chance.randrange(1, total), chance.choice(scale.pick((2, 5), (2, 5, 20)))) for _ in
               range(scale.pick(4, 100))]  # fmt: skip
    starved = 0
    for turn, (number, count) in enumerate(orders, 1):
        where = f"seed {seed}, {count} from allocation {number} of some {total}"
        starve.now(worker, number, count)
        state_batch(demo, turn)
        process.wait_until(
            lambda: worker.check_running() and has_all_ended(owner), 60, f"all is sent; {where}"
        )
        starved += starve.has_starved()
    check_all_sent_once(owner, mail_store)
    assert starved > len(orders) // 2
    starve.now(worker, 0)
    assert worker.stop() == 0


@pytest.mark.parametrize("library", ["libpq", "libcurl"])
def test_a_worker_sends_each_mail_once_whatever_a_library_cannot_allocate(
    handbell, mail_store, fed, demo, owner, tmp_path, monkeypatch, library
):
    """libpq, say, then makes answers of its own, and may leave one out."""
    if b"__asan_init" in schema.binary().read_bytes():
        pytest.skip("the sanitizer brings its own allocator")
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    starve = Starving(tmp_path, monkeypatch, library)
    worker = handbell.start_worker(mail_store.url, fed)
    process.wait_until(lambda: "event=worker_started" in worker.log_text(), 20, "it has started")
    starve.now(worker, 0)
    state_batch(demo, 0)
    process.wait_until(lambda: has_all_ended(owner), 20, "a batch is sent")
    total = starve.now(worker, 0)
    assert total > 20
    for turn in range(1, scale.pick(5, 300)):
        number, count = chance.randrange(1, total), chance.choice((1, 1, 3))
        where = f"seed {seed}, {count} from allocation {number} of some {total}"
        starve.now(worker, number, count)
        state_batch(demo, turn)
        process.wait_until(
            lambda: worker.check_running() and has_all_ended(owner), 40, f"all is sent; {where}"
        )
    check_all_sent_once(owner, mail_store)
    starve.now(worker, 0)
    assert worker.stop() == 0


# ---- The pages.


def test_the_pages_say_200_of_what_holds_whatever_allocation_fails(starve, handbell, demo, owner):
    demo.put_person("p1")
    ids = owner.execute("select tenant_id, person_id from person").fetchone()
    token = tokens.make_token(tokens.read_keys(handbell.key_file)[0], *ids)
    web, url = handbell.start_web()
    site = Site(url)
    assert ask(web, site.get, token) == 200
    answered = starved = 0
    for number in range(1, 200):
        starve.now(web, number)
        demo.call("opt_in", "p1", "alerts")
        assert ask(web, site.get, token) in (200, 500, 503, None), number
        status = ask(web, site.post, token)
        assert status in (200, 500, 503, None), number
        answered += status == 200
        if status == 200:
            held = owner.execute("select count(*) from opt_out where topic = 'alerts'")
            assert held.fetchone() == (1,), number
        starved += starve.has_starved()
        web.check_running()
        if not starve.has_starved():
            break
    assert starved > 20 and starved > answered > starved // 4, (answered, starved)
    starve.now(web, 0)
    assert ask(web, site.post, token) == 200
    assert web.stop() == 0


def ask(web, method, token):
    """The status; None where the connection was closed without one, or nobody is there."""
    try:
        return method(token).status
    except (OSError, http.client.HTTPException):
        return None
