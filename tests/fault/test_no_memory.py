"""Memory runs out for a moment, at any point: each allocation of the program fails once, in turn."""

import http.client
import os
import random

import pytest

from tests.support import previews, process, schema, smtp_client, tokens
from tests.support.portal import in_days
from tests.support.queue_calls import is_quiet
from tests.support.web import Site

SAMPLES = 25


@pytest.fixture
def starve(tmp_path, monkeypatch):
    """starve(N): programs started from now on miss their allocation number N; has_starved()."""
    if b"__asan_init" in schema.binary().read_bytes():
        pytest.skip("the sanitizer brings its own allocator")
    log = tmp_path / "starved"
    monkeypatch.setenv("LD_PRELOAD", str(schema.binary().parent / "libstarve.so"))
    monkeypatch.setenv("STARVE_LOG", str(log))

    def begin(number):
        log.unlink(missing_ok=True)
        monkeypatch.setenv("STARVE_AT", str(number))

    begin.has_starved = log.exists
    return begin


def test_one_mail_is_sent_or_deferred_whatever_allocation_fails(starve, mail_store, mails):
    sent = 0
    for number in range(1, 1000):
        starve(number)
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
        starve(number)
        done = previews.run("--kind", "booking_confirmed", "--sample", "--language", "cy")
        return done, starve.has_starved()

    whole, _ = preview(0)
    last, step = 0, 1 << 14
    while step := step // 2:
        last += step if preview(last + step)[1] else 0
    assert last > 1000 and whole.returncode == 0
    for number in range(last - 800, last, 3):
        done, _ = preview(number)
        if done.returncode == 0:
            assert done.stdout == whole.stdout, number
        else:
            assert done.returncode in (os.EX_OSERR, os.EX_DATAERR) and done.stdout == b"", number


def test_a_worker_loses_nothing_whatever_allocation_fails(
    starve, handbell, mail_store, demo, owner
):
    seed = random.randrange(1 << 30)
    chosen = random.Random(seed)
    demo.put_category("maths")
    for number in range(4):
        demo.put_person(f"p{number}", email=f"p{number}@example.org", interests=["maths"])
    starved = begun = 0
    for turn in range(SAMPLES):
        # The first 400 or so are those of its start.
        starve(number := chosen.choice((chosen.randrange(1, 400), chosen.randrange(400, 2500))))
        worker = handbell.start_worker(mail_store.url, name=f"w{turn}")
        demo.put_course(f"c{turn}", categories=["maths"], starts_at=in_days(30), ends_at=None)
        demo.put_booking(f"b{turn}", f"c{turn}", "p0", status="confirmed")
        where = f"seed {seed}, allocation {number}"
        process.wait_until(
            lambda: not worker.is_running() or is_quiet(owner), 40, f"all is sent; {where}"
        )
        begun += worker.is_running()
        if worker.is_running():
            assert worker.stop() == 0, where
        else:
            assert worker.process.returncode == os.EX_OSERR, (where, worker.log_text()[-500:])
            assert "memory" in worker.log_text()
        starved += starve.has_starved()
    starve(0)
    owner.execute("update message set due = now()")  # what was deferred for want of memory
    handbell.start_worker(mail_store.url)
    process.wait_until(lambda: is_quiet(owner), 40, f"the rest is sent; seed {seed}")
    rows = dict(owner.execute("select state, count(*) from message_record group by 1").fetchall())
    assert rows.pop("sent") == len(mail_store.received)
    assert set(mail_store.message_ids().values()) == {1}
    assert owner.execute("select count(*) from message").fetchone() == (0,)
    assert rows == {}, where
    assert starved >= SAMPLES // 3 and begun > 0


def test_the_pages_say_200_of_what_holds_whatever_allocation_fails(starve, handbell, demo, owner):
    seed = random.randrange(1 << 30)
    chosen = random.Random(seed)
    demo.put_person("p1")
    ids = owner.execute("select tenant_id, person_id from person").fetchone()
    token = tokens.make_token(tokens.read_keys(handbell.key_file)[0], *ids)
    answered = starved = 0
    for turn in range(SAMPLES):
        number = chosen.randrange(100, 260)
        starve(number)
        where = f"seed {seed}, allocation {number}"
        port = process.free_port()
        web = handbell.make("web", schema.WEB, {"web": {"listen": f"127.0.0.1:{port}"}}).start()
        process.wait_until(
            lambda: not web.is_running() or process.is_listening(port), 20, f"pages; {where}"
        )
        site = Site(f"http://127.0.0.1:{port}")
        for topic in (demo.call("opt_in", "p1", "alerts"), "again"):
            assert ask(web, site.get, token) in (200, 500, 503, None), where
            status = ask(web, site.post, token)
            assert status in (200, 500, 503, None), where
            answered += status == 200
            if status == 200:
                held = owner.execute("select count(*) from opt_out where topic = 'alerts'")
                assert held.fetchone() == (1,), (where, topic)
        starved += starve.has_starved()
        if web.is_running():
            assert web.stop() == 0, where
        else:
            assert web.process.returncode == os.EX_OSERR, (where, web.log_text()[-500:])
    assert answered > SAMPLES // 2 and starved > SAMPLES // 3, (answered, starved)


def ask(web, method, token):
    """The status; None where the connection was closed without one, or nobody is there."""
    try:
        return method(token).status
    except (OSError, http.client.HTTPException):
        return None
