"""A worker whose database answers late, badly, not at all or twice: no mail is lost or repeated, what
has to wait waits without a word too many, and it is back within a second."""

import asyncio
import time
import urllib.error
import urllib.request

import pytest

from tests.support import process, programs, scale, schema
from tests.support.database_proxy import DatabaseProxy
from tests.support.queue_calls import is_quiet

MAILS = 120
LOST = [("claim", "after"), ("mark", "after"), ("record", "after"), ("take_over", "after"),
        ("mark", "before"), ("record", "before"), ("claim", "before"), ("take_over", "before"),
        ("worker_start", "before"), ("worker_start", "after")]  # fmt: skip
# A full disk, a lost serialisation, a deadlock, a server that takes no writes, no memory.
REFUSED = [("record", "53100"), ("mark", "40001"), ("claim", "40P01"), ("record", "25006"),
           ("due_work", "53200")]  # fmt: skip
DATABASE = {"database": {"query_timeout": 1, "connect_timeout": 1}}
SETTINGS = {"worker": {"lease_s": 3, "batch": 20, "in_memory": 100}, **DATABASE}


@pytest.fixture
def proxy(cluster):
    proxy = DatabaseProxy(str(cluster.socket_folder))
    yield proxy
    proxy.close()


@pytest.fixture
def start_worker(tmp_path, database, mail_store, proxy):
    """start_worker(): on this test's database, through the proxy."""
    started = []

    def start(**sections):
        settings = {"smtp": {"url": mail_store.url, "connections": 4}, **SETTINGS}
        for section, keys in sections.items():
            settings[section] = {**settings.get(section, {}), **keys}
        worker = programs.Program("worker", tmp_path / f"worker{len(started)}",
                                  proxy.url(database, schema.WORKER), settings).start()  # fmt: skip
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop()


def add_mails(demo, first, count):
    """One confirmation each."""
    demo.put_many("person", [{"ref": f"r{n}", "email": f"r{n}@example.org", "consent": True}
                             for n in range(first, first + count)])  # fmt: skip
    demo.put_many("booking", [{"ref": f"b{n}", "course": "c", "person": f"r{n}", "status": "confirmed"}
                              for n in range(first, first + count)])  # fmt: skip


@pytest.fixture
def mails(demo):
    demo.put_tenant(rules={"brake": 100000})
    demo.put_course("c")
    add_mails(demo, 0, MAILS)


def check_each_once(worker, mail_store, owner, count=MAILS):
    """All arrive, once each, and are recorded as what they are."""
    process.wait_until(lambda: worker.check_running() and is_quiet(owner)
                       and len(mail_store.received) >= count, 25,
                       Situation(worker, owner, mail_store))  # fmt: skip
    assert set(mail_store.message_ids().values()) == {1}
    assert len(mail_store.received) == count
    rows = owner.execute("select state, attempts, count(*) from message_record group by 1, 2")
    assert rows.fetchall() == [("sent", 1, count)]


class Situation:
    """What there is, said only when it is asked for."""

    def __init__(self, worker, owner, mail_store):
        self.parts = (worker, owner, mail_store)

    def __str__(self):
        worker, owner, mail_store = self.parts
        left = owner.execute("select state, count(*) from message group by 1").fetchall()
        return f"{len(mail_store.received)} arrived, {left} left\n{worker.log_text()[-1500:]}"


@pytest.mark.parametrize("statement, when", LOST if scale.FULL else LOST[:6])
def test_a_call_whose_answer_is_lost_loses_and_repeats_no_mail(
    mails, proxy, start_worker, mail_store, owner, statement, when
):
    """The connection is cut just before the server sees the call, or when it has done it and before
    its answer is seen; several times."""
    every, times = {"take_over": (1, 2), "worker_start": (1, 3)}.get(statement, (3, 4))
    proxy.cut_at(statement, when == "after", times=times, every=every)
    worker = start_worker()
    if statement == "take_over":  # what it had claimed, when it comes back
        mail_store.wait_for(5)
        proxy.cut_all()
    check_each_once(worker, mail_store, owner)
    assert proxy.cuts_left == 0, "it was cut as often as it was meant to be"


def test_a_job_s_fan_out_whose_answer_is_lost_tells_everybody_once(
    demo, proxy, start_worker, mail_store, owner
):
    demo.put_tenant(rules={"brake": 100000}, basis="contract")
    demo.put_category("maths")
    demo.put_many("person", [{"ref": f"r{n}", "email": f"r{n}@example.org", "consent": True,
                              "alerts": True, "interests": ["maths"]} for n in range(MAILS)])  # fmt: skip
    proxy.cut_at("fan_out", True, times=2)
    demo.put_course("c", categories=["maths"])
    check_each_once(start_worker(), mail_store, owner)


def test_a_database_that_hangs_without_closing_is_given_up_and_found_again(
    mails, proxy, start_worker, mail_store, owner
):
    """No mail begins its data once the lease is over; outcomes of those before wait."""
    async def slowly(mail):
        await asyncio.sleep(0.05)

    mail_store.before_reply = slowly
    worker = start_worker()
    mail_store.wait_for(10)
    proxy.is_silent = True
    began = time.monotonic()
    process.wait_until(lambda: "database_away" in worker.log_text(), 5, "it is given up")
    assert time.monotonic() - began < 3
    time.sleep(1.5)
    lease_over = began + SETTINGS["worker"]["lease_s"] + 0.3
    arrived = [mail.at for mail in mail_store.received]
    assert max(arrived) < lease_over
    assert len(arrived) < MAILS, "it was in the middle of it"
    proxy.is_silent = False
    check_each_once(worker, mail_store, owner)


def test_without_a_database_claiming_stops_and_outcomes_wait_and_the_log_stays_short(
    mails, demo, proxy, start_worker, mail_store, owner
):
    """And it is back within a second, though the pauses have grown: with what waited, and new work."""
    worker = start_worker()
    mail_store.wait_for(5)
    proxy.is_refusing = True
    proxy.cut_all()
    process.wait_until(lambda: "database_away" in worker.log_text(), 5, "it is away")
    time.sleep(1)
    arrived = len(mail_store.received)
    time.sleep(4)
    assert len(mail_store.received) == arrived, "nothing is sent that was not marked before"
    assert worker.log_text().count("event=database_away") == 1
    lines = worker.log_text().count("\n")
    assert lines < 30, worker.log_text()
    add_mails(demo, MAILS, 1)
    proxy.is_refusing = False
    began = time.monotonic()
    process.wait_until(lambda: len(mail_store.received) > arrived, 5, "the next mail")
    took_s = time.monotonic() - began
    print(f"the first mail {took_s * 1000:.0f} ms after the database came back")
    assert took_s < 1.5
    check_each_once(worker, mail_store, owner, MAILS + 1)
    found = [line for line in worker.log_text().split("\n") if "database_found_again" in line]
    assert len(found) == 1


def definition_of(owner, function):
    return owner.execute("select pg_get_functiondef(p.oid) from pg_proc p"
                         " where pronamespace = 'handbell'::regnamespace and proname = %s",
                         [function]).fetchone()[0]  # fmt: skip


def refusing(definition, sqlstate):
    """The same function with another body."""
    head, quote, _ = definition.partition("$function$")
    head = head.replace("LANGUAGE sql", "LANGUAGE plpgsql")
    return f"{head}{quote} begin raise exception 'no' using errcode = '{sqlstate}'; end {quote}"


@pytest.mark.parametrize("function, sqlstate", REFUSED if scale.FULL else REFUSED[:4])
def test_what_the_database_refuses_for_a_while_is_asked_again_and_said_once(
    mails, proxy, start_worker, mail_store, owner, function, sqlstate
):
    worker = start_worker(worker={"poll_ms": 200})
    mail_store.wait_for(3)
    assert len(mail_store.received) < MAILS
    real = definition_of(owner, function)
    owner.execute(refusing(real, sqlstate))
    time.sleep(1.5)
    owner.execute(real)
    check_each_once(worker, mail_store, owner)
    log = worker.log_text()
    events = {"record": "outcomes_refused", "mark": "mark_refused", "claim": "claim_failed",
              "due_work": "poll_failed"}  # fmt: skip
    assert log.count(f"event={events[function]}") == 1


def test_a_worker_that_starts_while_the_database_starts_waits_for_it(
    mails, proxy, start_worker, mail_store, owner
):
    """Refused for what passes, its registration is no failed start."""
    real = definition_of(owner, "worker_start")
    owner.execute(refusing(real, "53100"))
    worker = start_worker()
    process.wait_until(lambda: "registration_refused" in worker.log_text(), 10, "it is refused")
    time.sleep(1.5)
    assert worker.is_running()
    owner.execute(real)
    check_each_once(worker, mail_store, owner)


def healthz(port):
    """The answer's status, or 0 without one."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_the_pages_are_back_with_the_database_and_say_it_once(tmp_path, database, proxy, demo):
    port = process.free_port()
    web = programs.Program("web", tmp_path / "web", proxy.url(database, schema.WEB),
                           {"web": {"listen": f"127.0.0.1:{port}"}, **DATABASE}).start()  # fmt: skip
    try:
        process.wait_until(lambda: web.check_running() and healthz(port) == 200, 15, "all is well")
        proxy.is_refusing = True
        proxy.cut_all()
        process.wait_until(lambda: healthz(port) == 503, 15, "the database is missed")
        time.sleep(2)
        assert web.log_text().count("event=database_away") == 1
        proxy.is_refusing = False
        process.wait_until(lambda: healthz(port) == 200, 1.5, "all is well again")
    finally:
        web.stop()
