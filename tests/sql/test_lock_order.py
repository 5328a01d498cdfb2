"""What a portal's open transaction holds must not hold up a worker, nor close a circle with it."""

import threading
import time

import psycopg
import pytest

from tests.support.portal import Portal
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import OWNER, PORTAL, WEB, WORKER

SERVICE_LANE = 3
ALERT_LANE = 5
SOON_S = 1


@pytest.fixture
def worker(demo, connect):
    queue = Queue(connect(WORKER)).start()
    queue.connection.execute("set statement_timeout = '8s'")
    return queue


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def holder(demo, connect):
    """The tenant's portal, in a transaction that stays open."""
    return Portal(connect(PORTAL, autocommit=False))


@pytest.fixture
def waiting_alert(demo, worker, tenant):
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])
    demo.put_course("c", categories=["maths"])
    worker.fan_out(tenant)


def gives_way(action):
    """Runs it; it may do its work or be told that a row is locked, but soon."""
    started = time.monotonic()
    try:
        result = action()
    except psycopg.errors.LockNotAvailable:
        result = None
    assert time.monotonic() - started < SOON_S
    return result


def in_background(action):
    """The action in a thread: a list of errors, and the thread."""
    errors = []

    def run():
        try:
            action()
        except psycopg.Error as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return errors, thread


def wait_for_blocked(owner, count=1):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        rows = owner.execute(
            """select count(*) from pg_stat_activity a
               where datname = current_database() and pg_blocking_pids(pid) <> '{}'"""
        ).fetchone()
        if rows[0] >= count:
            return True
        time.sleep(0.01)
    return False


def test_a_claim_gives_way_to_a_cancellation_that_is_not_committed(
    waiting_alert, holder, worker, tenant
):
    holder.change_course("c", status="cancelled")
    assert not gives_way(lambda: worker.claim(tenant, ALERT_LANE))
    holder.connection.rollback()
    claimed = worker.claim(tenant, ALERT_LANE)
    assert [row[2] for row in worker.mark(tenant, claimed).values()] != [[]]
    assert len(claimed) == 1


def test_a_mark_and_a_record_give_way_to_a_merge_that_is_not_committed(
    waiting_alert, demo, holder, worker, tenant
):
    demo.put_person("keep")
    claimed = worker.claim(tenant, ALERT_LANE)
    holder.call("merge_people", "keep", "p")
    assert gives_way(lambda: worker.mark(tenant, claimed)) is None
    holder.connection.rollback()
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["go"]
    holder.call("merge_people", "keep", "p")
    assert gives_way(lambda: worker.record(tenant, claimed)) is None
    holder.connection.commit()
    assert list(worker.record(tenant, claimed).values()) == ["sent"]


def test_fan_out_gives_way_to_a_course_being_changed(demo, holder, worker, tenant):
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])
    demo.put_course("c", categories=["maths"])
    holder.change_course("c", summary="In work")
    gives_way(lambda: worker.fan_out(tenant))
    holder.connection.commit()
    worker.fan_out(tenant)
    assert len(worker.claim(tenant, ALERT_LANE)) == 1


def test_rules_give_way_to_a_course_being_changed(demo, owner, connect, worker, tenant):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    owner.execute("update course_rule set due = now() - interval '1 minute'")
    session = connect(OWNER, autocommit=False)
    session.execute("select from course for update")
    gives_way(lambda: worker.fire_rules(tenant))
    session.commit()
    worker.fire_rules(tenant)
    assert len(worker.claim(tenant, SERVICE_LANE)) == 1


def test_a_person_removed_while_their_alert_is_claimed_closes_no_circle(
    waiting_alert, owner, holder, worker, tenant
):
    """Both take the alert first and then what it tells; a claim that is as slow as this shows it."""
    owner.execute(
        """create function handbell.hold_then_bind(bigint) returns void language plpgsql as $$
           begin
               perform from handbell.message where tenant_id = $1 for update;
               perform pg_sleep(1);
               update handbell.match set message_id = message_id where tenant_id = $1;
           end $$"""
    )
    claim_errors, claiming = in_background(
        lambda: owner.execute("select handbell.hold_then_bind(%s)", [tenant])
    )
    time.sleep(0.3)
    errors, removing = in_background(lambda: holder.call("remove", "person", "p"))
    claiming.join()
    removing.join()
    assert claim_errors == [] and errors == []


def test_rules_that_fire_while_the_tenant_changes_its_rules_close_no_circle(
    demo, owner, holder, worker, tenant
):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    owner.execute("update course_rule set due = now() - interval '1 minute'")
    holder.call("put_tenant", {"name": "Another name"})
    errors, firing = in_background(lambda: worker.fire_rules(tenant))
    wait_for_blocked(owner)
    holder.call("put_tenant", {"rules": {"joining_instructions_days": 3}})
    holder.connection.commit()
    firing.join()
    assert [type(error) for error in errors] in ([], [psycopg.errors.LockNotAvailable])


@pytest.mark.parametrize("ending", ["a merge", "a removal"])
@pytest.mark.parametrize("what", ["a booking", "a tutorship"])
def test_nobody_is_given_a_place_while_their_record_ends(
    demo, owner, holder, connect, ending, what
):
    """Told of as refused: or a cancellation would go to somebody who is not there any more."""
    demo.put_person("keep")
    demo.put_person("gone")
    demo.put_course("c")
    if ending == "a merge":
        holder.call("merge_people", "keep", "gone")
    else:
        holder.call("remove", "person", "gone")
    other = Portal(connect(PORTAL))
    if what == "a booking":
        errors, placing = in_background(lambda: other.put_booking("b", "c", "gone"))
    else:
        errors, placing = in_background(lambda: other.change_course("c", tutors=["gone"]))
    wait_for_blocked(owner)
    holder.connection.commit()
    placing.join()
    assert [error.sqlstate for error in errors] == ["HB002"]


@pytest.mark.parametrize("what", ["a booking", "a move"])
def test_nobody_is_given_a_place_on_a_course_that_is_being_removed(
    demo, owner, holder, connect, what
):
    """Nothing would ever be told of it."""
    demo.put_person("p")
    demo.put_course("c")
    demo.put_course("before")
    demo.put_booking("b", "before", "p", status="confirmed")
    holder.call("remove", "course", "c")
    other = Portal(connect(PORTAL))
    if what == "a booking":
        errors, placing = in_background(lambda: other.put_booking("new", "c", "p"))
    else:
        errors, placing = in_background(lambda: other.change_booking("b", course="c"))
    assert wait_for_blocked(owner)
    holder.connection.commit()
    placing.join()
    assert [error.sqlstate for error in errors] == ["HB002"]
    rows = owner.execute("select c.ref from booking join course c using (tenant_id, course_id)")
    assert rows.fetchall() == [("before",)]


@pytest.mark.parametrize("what", ["a booking", "a tutorship"])
def test_a_merge_finds_the_place_that_is_being_given(demo, owner, holder, connect, what):
    demo.put_person("keep")
    demo.put_person("gone")
    demo.put_course("c")
    if what == "a booking":
        holder.put_booking("b", "c", "gone")
    else:
        holder.change_course("c", tutors=["gone"])
    other = Portal(connect(PORTAL))
    errors, merging = in_background(lambda: other.call("merge_people", "keep", "gone"))
    wait_for_blocked(owner)
    holder.connection.commit()
    merging.join()
    assert errors == []
    table = "booking" if what == "a booking" else "course_tutor"
    rows = owner.execute(f"select p.ref from {table} join person p using (tenant_id, person_id)")
    assert rows.fetchall() == [("keep",)]


@pytest.fixture
def click(connect, tenant, owner):
    """click(ref): a one-click opt-out, as `handbell web` says it."""
    web = connect(WEB)
    web.execute("set statement_timeout = '8s'")

    def say(ref):
        (person,) = owner.execute("select person_id from person where ref = %s", [ref]).fetchone()
        return lambda: web.execute(
            "select handbell.page_opt_out(%s, %s, 'alerts', 'one_click', '127.0.0.1:8025')",
            [tenant, person],
        )

    return say


def opted_out(owner):
    rows = owner.execute(
        "select p.ref from opt_out join person p using (tenant_id, person_id) order by 1"
    )
    return [ref for (ref,) in rows.fetchall()]


def test_a_click_does_not_wait_for_a_portal_that_is_stating_the_same_person(
    waiting_alert, owner, holder, click, worker, tenant
):
    """An import may take longer than a mail program waits, and that clicks once."""
    holder.change_person("p", title="Dr")
    gives_way(click("p"))
    assert opted_out(owner) == ["p"]
    holder.connection.commit()
    claimed = worker.claim(tenant, ALERT_LANE)
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["opted_out"]


def test_a_click_closes_no_circle_with_a_portal_that_says_several_words(
    demo, owner, holder, click
):
    for ref in ("a", "b", "c"):
        demo.put_person(ref)
    say = click("b")
    holder.call("opt_out", "a", "alerts", "by telephone")
    errors, clicking = in_background(say)
    wait_for_blocked(owner)
    holder.change_person("b", title="Dr")
    holder.call("opt_out", "b", "alerts", "by telephone")
    holder.call("opt_out", "c", "alerts", "by telephone")
    holder.connection.commit()
    clicking.join()
    assert errors == []
    assert opted_out(owner) == ["a", "b", "c"]


def test_a_click_closes_no_circle_with_a_merge_of_the_same_person(
    waiting_alert, demo, owner, connect, holder, click
):
    demo.put_person("keep")
    say = click("p")
    other = connect(OWNER, autocommit=False)
    other.execute("select from message for update")

    def merge():
        holder.call("merge_people", "keep", "p")
        holder.connection.commit()

    errors, merging = in_background(merge)
    assert wait_for_blocked(owner)
    click_errors, clicking = in_background(say)
    assert wait_for_blocked(owner, 2)
    other.rollback()
    merging.join()
    clicking.join()
    assert (errors, click_errors) == ([], [])
    assert opted_out(owner) == ["keep"]


@pytest.mark.parametrize("door", ["a click", "restrict_person"])
def test_a_word_closes_no_circle_with_a_portal_that_removes_and_merges_people(
    demo, owner, connect, holder, click, door
):
    """As a nightly comparison does it, in one transaction."""
    for ref in ("a", "b", "c"):
        demo.put_person(ref)
    other = Portal(connect(PORTAL))
    say = click("a") if door == "a click" else lambda: other.call("restrict_person", "a")
    holder.call("remove", "person", "a")
    errors, saying = in_background(say)
    assert wait_for_blocked(owner)
    holder.call("merge_people", "b", "c")
    holder.connection.commit()
    saying.join()
    assert errors == []


def test_a_click_after_an_opt_in_that_is_not_committed_is_the_last_word(
    demo, owner, holder, click
):
    demo.put_person("a")
    click("a")()
    holder.call("opt_in", "a", "alerts", "form 9")
    errors, clicking = in_background(click("a"))
    wait_for_blocked(owner)
    holder.connection.commit()
    clicking.join()
    assert errors == [] and opted_out(owner) == ["a"]


@pytest.mark.parametrize("door", ["a click", "opt_out", "restrict_person"])
def test_a_word_said_while_two_records_become_one_is_the_word_of_the_one_kept(
    demo, owner, holder, connect, click, door
):
    demo.put_person("keep")
    demo.put_person("gone")
    other = Portal(connect(PORTAL))
    say = {"a click": click("gone"), "opt_out": lambda: other.call("opt_out", "gone", "alerts"),
           "restrict_person": lambda: other.call("restrict_person", "gone")}[door]  # fmt: skip
    holder.call("merge_people", "keep", "gone")
    errors, saying = in_background(say)
    assert wait_for_blocked(owner)
    holder.connection.commit()
    saying.join()
    assert errors == []
    restricted = owner.execute("select ref from person where is_restricted").fetchall()
    assert opted_out(owner) + [ref for (ref,) in restricted] == ["keep"]


@pytest.mark.parametrize("ending", ["a merge", "a removal"])
def test_nobody_is_merged_into_a_record_that_ends(demo, owner, holder, connect, ending):
    for ref in ("a", "b", "c"):
        demo.put_person(ref)
    demo.put_course("x")
    demo.put_booking("b1", "x", "c", status="confirmed")
    if ending == "a merge":
        holder.call("merge_people", "a", "b")
    else:
        holder.call("remove", "person", "b")
    other = Portal(connect(PORTAL))
    errors, merging = in_background(lambda: other.call("merge_people", "b", "c"))
    assert wait_for_blocked(owner)
    holder.connection.commit()
    merging.join()
    assert [error.sqlstate for error in errors] == ["HB002"]
    rows = owner.execute("select p.ref from booking join person p using (tenant_id, person_id)")
    assert rows.fetchall() == [("c",)]
