"""`handbell retry`: what it says first, what it puts back, and that the mail really goes again."""

import json

import pytest

from tests.support import process, schema
from tests.support.mail_store import MailStore


@pytest.fixture
def refused(handbell, demo, owner):
    """A relay that refuses every recipient has ended two confirmations as failed, and is mended."""
    store = MailStore()
    store.on_rcpt = lambda address: "550 5.7.1 not today"
    demo.put_course("c")
    for ref in ("p1", "p2"):
        demo.put_person(ref)
        demo.put_booking(f"b-{ref}", "c", ref, status="confirmed")
    worker = handbell.start_worker(store.url)
    process.wait_until(
        lambda: worker.check_running()
        and owner.execute("select count(*) from message_record where state = 'failed'").fetchone()
        == (2,), 20, "both are refused")  # fmt: skip
    store.on_rcpt = None
    yield store
    store.stop()


def retry(handbell, *words, check=True):
    return handbell.run("retry", *words, check=check)


def test_it_says_how_many_and_then_sends_them_under_the_same_message_id(refused, handbell, owner):
    dry = retry(handbell, "--failed", "--dry-run").stdout
    assert dry.split() == ["demo", "booking_confirmed", "2", "would", "be", "put", "back"]
    assert len(refused.received) == 0
    done = retry(handbell, "--failed", "--reason", "the relay was mended", "--json")
    assert json.loads(done.stdout) == [{"tenant": "demo", "kind": "booking_confirmed",
        "state": "failed", "put_back": 2, "too_late": 0}]  # fmt: skip
    process.wait_until(lambda: len(refused.received) == 2, 20, "both arrive")
    process.wait_until(
        lambda: owner.execute("select state, attempts from message_record").fetchall()
        == [("sent", 2)] * 2, 10, "both are recorded, once each")  # fmt: skip
    assert retry(handbell, "--failed").stdout == "nothing to put back\n"
    audited = owner.execute("select actor is not null, reason from audit where what = 'retry'")
    assert audited.fetchall() == [(True, "the relay was mended")]


@pytest.mark.parametrize("words, status, said", [
    ([], 64, "--failed or --uncertain"),
    (["--failed", "--uncertain"], 64, "one of them"),
    (["--failed", "--course", "c"], 64, "--course needs --tenant"),
    (["--failed", "word"], 64, "takes no words"),
    (["--failed", "--kind", "no_such"], 65, '"kind": there is no such kind'),
    (["--failed", "--tenant", "demo", "--course", "zz"], 65, '"zz"'),
    (["--failed", "--since", "noon"], 65, '"since"'),
    (["--failed", "--tenant", "other"], 65, "not stated yet"),
])  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_done(handbell, demo, words, status, said):
    answer = retry(handbell, *words, check=False)
    assert (answer.returncode, answer.stdout) == (status, "") and said in answer.stderr


@pytest.mark.parametrize("login", [schema.PORTAL, schema.WORKER])
def test_it_needs_the_owner_s_login(handbell, demo, login):
    answer = handbell.run("retry", "--failed", login=login, check=False)
    assert answer.returncode == 77


def test_more_than_one_batch_goes_back_and_what_is_too_late_is_counted(handbell, demo, owner):
    owner.execute(
        """insert into message_record (tenant_id, message_id, ended_at, person_id, created_at,
                expires_at, epoch, lane, relay, attempts, state, kind)
           select tenant_id, n, now() - interval '1 min', n, now() - interval '1 h',
                  now() + case when n <= 2500 then interval '1 day' else '-1 s' end, 1, 5, 1, 1,
                  'uncertain', 'course_alert'
           from tenant, generate_series(1, 2600) n""")  # fmt: skip
    found = retry(handbell, "--uncertain", "--tenant", "demo", "--kind", "course_alert")
    assert found.stdout.split() == (
        "demo course_alert 2500 put back, 100 too late for it".split())  # fmt: skip
    counts = owner.execute("select (select count(*) from message),"
                           " (select count(*) from message_record)").fetchone()  # fmt: skip
    assert counts == (2500, 100)
