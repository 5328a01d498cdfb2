"""What happens at the same moment: each pair is tried 200 times, with the two sides shifted by chance."""

import random
import threading
import time

import psycopg
import pytest

from tests.support.portal import Portal
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.refusals import refusal
from tests.support.schema import PORTAL, WORKER

TRIES = 200
ALERT_LANE = 5


def at_once(*actions):
    """Runs the actions in threads that start together; the first error of any is raised."""
    barrier = threading.Barrier(len(actions))
    errors = []

    def run(action):
        try:
            barrier.wait(10)
            action()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def shifted(action, chance, longest_s=0.004):
    """The action, after a wait by chance."""
    wait_s = chance.choice([0, 0, chance.random() * longest_s])

    def run():
        time.sleep(wait_s)
        action()

    return run


@pytest.fixture
def two_portals(demo, connect):
    return Portal(connect(PORTAL, autocommit=False)), Portal(connect(PORTAL, autocommit=False))


def in_transaction(portal, chance, statement):
    """The statement in a transaction that stays open a moment before it commits."""
    hold_s = chance.choice([0, 0, chance.random() * 0.004])

    def run():
        with portal.connection.transaction():
            statement(portal)
            time.sleep(hold_s)

    return run


@pytest.mark.parametrize("before", [None, "declined"])
def test_a_booking_made_while_its_course_is_cancelled_is_told(demo, owner, two_portals, before):
    """Made anew (where the foreign key would lock the course too), or out of a declined one."""
    chance = random.Random(62)
    cancels, books = two_portals
    seen = {"booked first": 0, "cancelled first": 0}
    demo.put_person("booker")
    for number in range(TRIES):
        course, person, booking = f"c{number}", f"p{number}", f"b{number}"
        demo.put_course(course)
        demo.put_person(person)
        if before is not None:
            demo.put_booking(booking, course, person, status=before, booked_by="booker")
        at_once(
            shifted(in_transaction(cancels, chance, lambda portal: portal.change_course(
                course, status="cancelled", cancel_reason="The tutor is ill")), chance),
            shifted(in_transaction(books, chance, lambda portal: portal.put_booking(
                booking, course, person, status="confirmed", booked_by="booker")), chance),
        )  # fmt: skip
        told = owner.execute(
            """select p.ref, m.kind from message m
               join person p on p.tenant_id = m.tenant_id and p.person_id = m.person_id
               join job j on j.tenant_id = m.tenant_id and j.job_id = m.job_id
               join course c on c.tenant_id = j.tenant_id and c.course_id = j.course_id
               where c.ref = %s and m.kind = 'course_cancelled'""",
            [course],
        ).fetchall()
        assert sorted(told) == [("booker", "course_cancelled"), (person, "course_cancelled")], number
        confirmed = owner.execute(
            """select count(*) from message_record r join job j using (tenant_id, job_id)
               join course c using (tenant_id, course_id)
               where c.ref = %s and r.kind = 'booking_confirmed' and r.state = 'skipped'""",
            [course],
        ).fetchone()[0]
        seen["booked first" if confirmed else "cancelled first"] += 1
    # Both orders happened, or nothing was raced.
    assert min(seen.values()) > 0, seen


def test_two_cancellations_at_once_tell_each_delegate_once(demo, owner, two_portals):
    chance = random.Random(6)
    for number in range(50):
        course = f"c{number}"
        demo.put_course(course)
        demo.put_person(f"p{number}")
        demo.put_booking(f"b{number}", course, f"p{number}", status="confirmed")
        at_once(*[
            shifted(in_transaction(portal, chance, lambda its: its.change_course(
                course, status="cancelled")), chance)
            for portal in two_portals
        ])  # fmt: skip
    counts = owner.execute(
        "select count(*), count(distinct person_id) from message where kind = 'course_cancelled'"
    ).fetchone()
    assert counts == (50, 50)


def test_a_booking_made_while_its_course_changes_hears_the_change_or_of_the_changed_course(
    demo, owner, two_portals
):
    """Who booked before the change is told of it; who booked after it has it in the confirmation."""
    chance = random.Random(3)
    changes, books = two_portals
    seen = {"booked first": 0, "changed first": 0}
    for number in range(50):
        course, person, booking = f"c{number}", f"p{number}", f"b{number}"
        demo.put_course(course, venue="County Hall")
        demo.put_person(person)
        at_once(
            shifted(in_transaction(changes, chance, lambda portal: portal.change_course(
                course, venue="Town Hall")), chance),
            shifted(in_transaction(books, chance, lambda portal: portal.put_booking(
                booking, course, person, status="confirmed")), chance),
        )  # fmt: skip
        kinds = owner.execute(
            """select array_agg(m.kind order by m.kind)
               from message m join job j using (tenant_id, job_id)
               join course c using (tenant_id, course_id) where c.ref = %s""",
            [course],
        ).fetchone()[0]
        assert kinds in (["booking_confirmed"], ["booking_confirmed", "course_changed"]), number
        seen["changed first" if len(kinds) == 1 else "booked first"] += 1
    assert min(seen.values()) > 0, seen


def test_a_course_that_changes_while_its_notice_is_claimed_and_sent_is_told_in_full(
    demo, owner, connect, two_portals
):
    """Whatever the moment, what the delegate has read in the end is what holds, each change once."""
    chance = random.Random(31)
    changes, _ = two_portals
    sender = Queue(connect(WORKER)).start()
    tenant = tenant_id_of(owner)
    seen = {"one mail": 0, "two mails": 0}
    demo.put_person("p")
    demo.put_course("c", venue="Hall 0")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    known = "Hall 0"
    told = []

    def send():
        claimed = sender.claim(tenant, 3)
        verdicts = sender.mark(tenant, claimed)
        for number, (_, data) in claimed.items():
            if verdicts[number][0] == "go":
                told.append((data["change"]["sessions"][0]["venue"], sender.courses[1]["sessions"][0]["venue"]))
                sender.record(tenant, {number: claimed[number]})

    for number in range(100):
        demo.change_course("c", venue=f"First {number}")
        told.clear()
        at_once(
            shifted(in_transaction(changes, chance, lambda portal: portal.change_course(
                "c", venue=f"Second {number}")), chance),
            shifted(send, chance),
        )  # fmt: skip
        send()
        for before, after in told:
            assert before == known, (number, told)
            known = after
        assert known == f"Second {number}", (number, told)
        seen["one mail" if len(told) == 1 else "two mails"] += 1
    assert min(seen.values()) > 0, seen


def test_a_match_made_while_its_mail_is_sealed_is_never_lost(demo, owner, connect):
    chance = random.Random(4)
    people = [f"p{number}" for number in range(6)]
    demo.put_category("maths")
    for person in people:
        demo.put_person(person, interests=["maths"])
    tenant = tenant_id_of(owner)
    matcher = Queue(connect(WORKER)).start()
    sender = Queue(connect(WORKER)).start()
    told = []
    joined = apart = 0

    def tell():
        claimed = sender.claim(tenant, ALERT_LANE)
        if claimed:
            for verdict, _, courses in sender.mark(tenant, claimed).values():
                assert verdict == "go"
                told.append(len(courses))
            sender.record(tenant, claimed)

    def match():
        while matcher.fan_out(tenant):
            pass

    for number in range(TRIES):
        demo.put_course(f"first{number}", categories=["maths"])
        match()
        demo.put_course(f"second{number}", categories=["maths"])
        told.clear()
        at_once(shifted(match, chance), shifted(tell, chance))
        joined += told.count(2)
        apart += told.count(1)
        tell()
        assert sum(told) == 2 * len(people), (number, told)
        waiting = owner.execute("select count(*) from message where not is_sealed").fetchone()
        assert waiting == (0,), number
    assert joined > 0 and apart > 0, (joined, apart)
    pairs = owner.execute("select count(*) from match").fetchone()[0]
    assert pairs == TRIES * 2 * len(people)


def test_one_message_is_never_claimed_by_two_workers(demo, owner, connect):
    demo.put_course("c1")
    demo.put_many("person", [
        {"ref": f"p{number}", "email": f"p{number}@example.org", "consent": True}
        for number in range(600)
    ])  # fmt: skip
    demo.put_many("booking", [
        {"ref": f"b{number}", "course": "c1", "person": f"p{number}", "status": "confirmed"}
        for number in range(600)
    ])  # fmt: skip
    tenant = tenant_id_of(owner)
    workers = [Queue(connect(WORKER)).start() for _ in range(4)]
    claims = []

    def claim_all(worker):
        while claimed := worker.claim(tenant, 3, limit=7):
            claims.extend(claimed)

    at_once(*[lambda its=worker: claim_all(its) for worker in workers])
    assert len(claims) == len(set(claims)) == 600


@pytest.mark.parametrize("level", ["REPEATABLE_READ", "SERIALIZABLE"])
def test_facts_are_changed_at_read_committed_alone(demo, connect, owner, level):
    """A cancellation with an older snapshot would not see a place that was booked meanwhile."""
    demo.put_person("p")
    demo.put_course("c")
    connection = connect(PORTAL, autocommit=False)
    connection.isolation_level = psycopg.IsolationLevel[level]
    isolated = Portal(connection)
    assert isolated.why("c", "p")
    connection.execute("select count(*) from handbell.job_report").fetchone()
    demo.put_booking("b", "c", "p", status="confirmed")
    calls = [
        ("put_course", "c", {"status": "cancelled"}), ("put_booking", "b", {}),
        ("remove", "course", "c"), ("opt_out", "p", "alerts"), ("put_tenant", {}), ("go_live",),
    ]  # fmt: skip
    for function, *arguments in calls:
        code, message = refusal(isolated, function, *arguments)
        assert code == "HB005" and "READ COMMITTED" in message, function
        connection.rollback()
    rows = isolated.connection.execute("select count(*) from handbell.changes('demo', 0)")
    assert rows.fetchone() == (0,)
    demo.change_course("c", status="cancelled")
    told = owner.execute("select count(*) from message where kind = 'course_cancelled'")
    assert told.fetchone() == (1,)
