"""Putting ended mails back: who may, which ones, and that it races with nobody."""

import collections

import psycopg
import pytest

from tests.sql.test_lock_order import in_background, wait_for_blocked
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import OWNER, PORTAL, WEB, WORKER

URGENT_LANE = 1
SERVICE_LANE = 3
ALERT_LANE = 5


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


def fail_all(worker, tenant, lane, outcome="refused", code=550):
    """{message id: (epoch, its data)} of what was claimed, marked and recorded so."""
    while worker.fan_out(tenant):
        pass
    claimed = worker.claim(tenant, lane)
    worker.mark(tenant, claimed)
    worker.record(tenant, claimed, outcome, code)
    return claimed


@pytest.fixture
def failed(demo, worker, tenant):
    """Three confirmed delegates whose mail was refused."""
    demo.put_course("c")
    for ref in ("p1", "p2", "p3"):
        demo.put_person(ref)
        demo.put_booking(f"b-{ref}", "c", ref, status="confirmed")
    return fail_all(worker, tenant, SERVICE_LANE)


@pytest.fixture
def doubtful_alert(demo, worker, tenant):
    """An alert of two courses that may have arrived, or not."""
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])
    for ref in ("c1", "c2"):
        demo.put_course(ref, categories=["maths"])
    return fail_all(worker, tenant, ALERT_LANE, "uncertain", 0)


def count(owner, state="failed", kind=None, course=None, since=None, slug="demo"):
    return owner.execute("select * from retry_count(%s, %s, %s, %s, %s, now())",
                         [slug, state, kind, course, since]).fetchall()  # fmt: skip


def retry_from(connection, place, state="failed", kind=None, course=None, since=None, limit=1000,
               slug="demo", until=None):  # fmt: skip
    """What one call put back, as (kind, how many) each, and the place to go on from (None: the end)."""
    rows = connection.execute(
        "select * from handbell.retry(%s, %s, %s, %s, %s, coalesce(%s, now()), %s, %s, %s)",
        [slug, state, kind, course, since, until, *place, limit]).fetchall()  # fmt: skip
    return [row[:2] for row in rows if row[0]], rows[0][2:] if rows else None


def retry(connection, state="failed", **narrowed):
    """What all calls put back, as `handbell retry` makes them."""
    put_back = collections.Counter()
    place = (None, None)
    while place is not None:
        kinds, place = retry_from(connection, place, state, **narrowed)
        put_back.update(dict(kinds))
    return sorted(put_back.items())


def test_what_failed_goes_again_under_its_own_number(failed, owner, worker, tenant):
    assert count(owner) == [("booking_confirmed", 3, 0)]
    assert retry(owner) == [("booking_confirmed", 3)]
    again = worker.claim(tenant, SERVICE_LANE)
    assert set(again) == set(failed), "the same ids, and so the same Message-IDs"
    assert all(again[number][0] == failed[number][0] + 1 for number in again), "epochs go on"
    assert {row[0] for row in worker.mark(tenant, again).values()} == {"go"}
    worker.record(tenant, again)
    rows = owner.execute("select state, attempts from message_record").fetchall()
    assert rows == [("sent", 2)] * 3, "each ended once, and each attempt is counted"


def test_it_is_done_once_however_often_it_is_asked_for(failed, owner):
    assert retry(owner) == [("booking_confirmed", 3)]
    assert retry(owner) == [] and count(owner) == []


def test_a_limit_is_kept_and_the_next_call_goes_on(failed, owner):
    put_back, place = retry_from(owner, (None, None), limit=2)
    assert put_back == [("booking_confirmed", 2)]
    put_back, place = retry_from(owner, place, limit=2)
    assert put_back == [("booking_confirmed", 1)]
    assert retry_from(owner, place, limit=2) == ([], None)


def test_what_is_not_meant_is_passed_by_and_ends_nothing(failed, doubtful_alert, owner):
    """A call whose whole batch is too late, or of another kind, says where to go on."""
    owner.execute("update message_record set expires_at = now() - interval '1 s'"
                  " where message_id <> %s", [max(failed)])  # fmt: skip
    owner.execute("update message_record set ended_at = ended_at + interval '1 us'"
                  " where message_id = %s", [max(failed)])  # fmt: skip
    calls = []
    place = (None, None)
    while place is not None:
        put_back, place = retry_from(owner, place, limit=1)
        calls.append(put_back)
    assert calls == [[], [], [("booking_confirmed", 1)], []]


def rows_visited(owner, call, *arguments):
    """How many rows of the record a call reads, by the server's own count."""
    def count():
        owner.execute("select pg_stat_force_next_flush()")
        return owner.execute(
            "select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes"
            " where relname like 'message_record%'").fetchone()[0]  # fmt: skip

    before = count()
    result = call(*arguments)
    return count() - before, result


def test_each_batch_reads_its_own_rows_alone_however_many_went_before(demo, owner):
    """A million is a thousand calls: none may look again at what the others saw."""
    owner.execute(
        """insert into message_record (tenant_id, message_id, ended_at, person_id, created_at,
               expires_at, epoch, lane, relay, attempts, state, kind)
           select tenant_id, n, now() - interval '1 h', n, now() - interval '1 h',
                  now() + interval '1 day', 1, 3, 1, 1, 'failed', 'reminder'
           from tenant, generate_series(1, 10000) n""")  # fmt: skip
    place, visited = (None, None), []
    while place is not None:
        count, (_, place) = rows_visited(owner, lambda: retry_from(owner, place, limit=1000))
        visited.append(count)
    assert len(visited) == 11
    assert max(visited) < 8000, visited
    assert owner.execute("select count(*) from message").fetchone() == (10000,)


def test_an_uncertain_alert_goes_again_with_its_courses(doubtful_alert, owner, worker, tenant):
    assert retry(owner, "failed") == []
    assert retry(owner, "uncertain") == [("course_alert", 1)]
    again = worker.claim(tenant, ALERT_LANE)
    assert set(again) == set(doubtful_alert)
    ((verdict, _, courses),) = worker.mark(tenant, again).values()
    assert verdict == "go" and len(courses) == 2


def test_what_is_not_wanted_any_more_is_skipped_by_the_mark(
    failed, doubtful_alert, demo, owner, worker, tenant
):
    demo.call("opt_out", "p", "alerts", "by telephone")
    demo.change_booking("b-p2", status="cancelled", quiet=True)
    retry(owner, "uncertain")
    retry(owner)
    alert = worker.mark(tenant, worker.claim(tenant, ALERT_LANE))
    assert [row[0] for row in alert.values()] == ["opted_out"]
    notices = worker.mark(tenant, worker.claim(tenant, SERVICE_LANE))
    assert sorted(row[0] for row in notices.values()) == ["go", "go", "superseded"]


def test_what_is_too_late_stays_where_it_is(failed, owner):
    late = min(failed)
    owner.execute("update message_record set expires_at = now() - interval '1 s'"
                  " where message_id = %s", [late])  # fmt: skip
    assert count(owner) == [("booking_confirmed", 2, 1)]
    assert retry(owner) == [("booking_confirmed", 2)]
    assert owner.execute("select message_id from message_record").fetchall() == [(late,)]


def test_the_time_that_was_left_is_the_time_that_is_left(failed, owner):
    before = owner.execute("select expires_at from message_record").fetchall()
    retry(owner)
    assert owner.execute("select expires_at from message").fetchall() == before
    assert all(row[0] is not None for row in before)


def test_it_is_narrowed_by_kind_course_and_time(failed, doubtful_alert, demo, owner):
    demo.put_course("elsewhere")
    assert count(owner, kind="reminder") == [] and count(owner, course="elsewhere") == []
    assert count(owner, course="c") == [("booking_confirmed", 3, 0)]
    assert count(owner, "uncertain", course="c2") == [("course_alert", 1, 0)]
    assert count(owner, since="2190-01-01T00:00:00Z") == []
    owner.execute("update message_record set ended_at = now() - interval '2 h'"
                  " where message_id = %s", [min(failed)])  # fmt: skip
    (hour_ago,) = owner.execute(
        "select to_char((now() - interval '1 h') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    ).fetchone()
    assert count(owner, since=hour_ago) == [("booking_confirmed", 2, 0)]


def test_what_fails_again_while_it_runs_is_not_taken_up_a_second_time(
    failed, owner, worker, tenant
):
    (until,) = owner.execute("select until from retry_tenants('failed', null, null, null)").fetchone()
    assert retry(owner, until=until) == [("booking_confirmed", 3)]
    fail_all(worker, tenant, SERVICE_LANE)
    assert retry(owner, until=until) == []


@pytest.mark.parametrize("more, code, names", [
    ({"state": "sent"}, "HB001", '"state"'),
    ({"state": None}, "HB001", '"state"'),
    ({"kind": "no_such"}, "HB002", '"kind"'),
    ({"course": "no-such"}, "HB002", '"no-such"'),
    ({"course": "x" * 201}, "HB001", "200 characters"),
    ({"since": "yesterday-ish"}, "HB001", '"since"'),
    ({"slug": "other"}, "HB002", "tenant"),
])  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_done(failed, owner, more, code, names):
    for call in (count, retry):
        with pytest.raises(psycopg.Error) as caught:
            call(owner, **more)
        assert caught.value.sqlstate == code and names in str(caught.value)
    assert owner.execute("select count(*) from message").fetchone() == (0,)


@pytest.mark.parametrize("login", [PORTAL, WORKER, WEB])
def test_it_is_for_the_owner_alone(failed, connect, login):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        retry(connect(login))


def test_who_put_what_back_and_why_is_kept(failed, owner):
    owner.execute("select set_config('handbell.actor', 'alex', false),"
                  " set_config('handbell.reason', 'the relay was misconfigured', false)")  # fmt: skip
    retry(owner)
    rows = owner.execute("select actor, reason, ref from audit where what = 'retry'").fetchall()
    assert rows == [("alex", "the relay was misconfigured", "failed booking_confirmed 3")]


def test_two_at_once_share_the_work_and_neither_waits(failed, owner, connect):
    holder = connect(OWNER, autocommit=False)
    assert retry_from(holder, (None, None), limit=2)[0] == [("booking_confirmed", 2)]
    owner.execute("set statement_timeout = '5s'")
    assert retry(owner) == [("booking_confirmed", 1)]
    holder.commit()
    assert owner.execute("select count(*) from message").fetchone() == (3,)


def test_a_late_word_that_it_was_sent_comes_first_or_finds_it_gone(
    doubtful_alert, owner, worker, tenant, connect
):
    """The worker that was taken over for dead says at last what became of it, while a retry of the
    same mail is not committed yet: one of the two wins, and the mail is in one place."""
    owner.execute("set statement_timeout = '10s'")
    holder = connect(OWNER, autocommit=False)
    assert retry(holder, "uncertain") == [("course_alert", 1)]
    answers = []
    errors, late = in_background(lambda: answers.append(worker.record(tenant, doubtful_alert)))
    wait_for_blocked(owner)
    holder.commit()
    late.join(10)
    assert not errors and set(answers[0].values()) == {"stale"}
    assert owner.execute("select state::text from message").fetchall() == [("ready",)]
    assert owner.execute("select count(*) from message_record").fetchone() == (0,)


def test_a_mail_that_a_late_word_settled_is_not_put_back(doubtful_alert, owner, worker, tenant):
    worker.record(tenant, doubtful_alert)
    assert retry(owner, "uncertain") == []
    assert owner.execute("select state from message_record").fetchall() == [("sent",)]
