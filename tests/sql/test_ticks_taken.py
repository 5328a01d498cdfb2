"""A tick that is taken away holds for the very next mail, those already queued included."""

import pytest

from tests.support.portal import Portal
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import PORTAL, WORKER

ALERT_LANE = 5
TICKS = ["maths", "primary", "chess"]


@pytest.fixture
def worker(demo, connect):
    queue = Queue(connect(WORKER)).start()
    queue.connection.execute("set statement_timeout = '8s'")
    return queue


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def reader(demo):
    for ref, kind in (("maths", "subject"), ("art", "subject"), ("primary", "audience"),
                      ("early", "audience"), ("chess", "interest")):  # fmt: skip
        demo.put_category(ref, kind)
    demo.put_person("p", interests=TICKS)


def publish(demo, worker, tenant, **courses):
    for ref, categories in courses.items():
        demo.put_course(ref, categories=categories)
    while worker.fan_out(tenant):
        pass


def told(worker, owner, tenant):
    """(verdict, refs of the courses that the mail tells of) of the one alert that is due."""
    (marked,) = worker.mark(tenant, worker.claim(tenant, ALERT_LANE)).values()
    refs = owner.execute("select ref from course where course_id = any (%s) order by ref", [marked[2]])
    return marked[0], [row[0] for row in refs]


@pytest.mark.parametrize(
    "categories, left, is_told",
    [
        (["maths"], ["primary", "chess"], False),
        (["maths"], ["maths"], True),
        (["maths"], ["art"], False),
        (["maths", "art"], ["art"], True),
        (["maths", "primary"], ["maths", "chess"], False),
        (["maths", "primary"], ["primary"], False),
        (["maths", "primary"], ["maths", "early"], False),
        (["maths", "primary"], ["maths", "primary"], True),
        (["maths", "primary", "chess"], ["chess"], True),
        (["chess"], ["maths", "primary"], False),
        (["primary"], [], False),
    ],
)
def test_what_is_queued_goes_by_the_ticks_that_are_left(
    demo, owner, worker, tenant, reader, categories, left, is_told
):
    publish(demo, worker, tenant, c=categories)
    demo.change_person("p", interests=left)
    assert told(worker, owner, tenant) == (("go", ["c"]) if is_told else ("superseded", []))
    (matches,) = owner.execute("select count(*) from match").fetchone()
    assert matches == is_told, "what was not told is not counted as told"


def test_of_two_courses_the_one_that_is_still_ticked_is_told(demo, owner, worker, tenant, reader):
    publish(demo, worker, tenant, a=["maths"], b=["chess"])
    demo.change_person("p", interests=["chess"])
    assert told(worker, owner, tenant) == ("go", ["b"])


def test_a_tick_that_was_given_back_is_told_of(demo, owner, worker, tenant, reader):
    publish(demo, worker, tenant, c=["maths"])
    demo.change_person("p", interests=[])
    demo.change_person("p", interests=["maths"])
    assert told(worker, owner, tenant) == ("go", ["c"])


def test_a_tick_taken_after_the_claim_holds_too(demo, owner, worker, tenant, reader):
    publish(demo, worker, tenant, c=["maths"])
    claimed = worker.claim(tenant, ALERT_LANE)
    demo.change_person("p", interests=[])
    ((verdict, address, _),) = worker.mark(tenant, claimed).values()
    assert (verdict, address) == ("superseded", None)


def test_a_tick_that_was_being_taken_while_the_course_was_matched_holds(
    demo, owner, worker, tenant, reader, connect
):
    """Matching does not see what is not committed, and its alert is the younger of the two."""
    taker = Portal(connect(PORTAL, autocommit=False))
    taker.change_person("p", interests=[])
    publish(demo, worker, tenant, c=["maths"])
    taker.connection.commit()
    assert told(worker, owner, tenant) == ("superseded", [])


@pytest.mark.parametrize("has_booking", [False, True])
def test_a_course_that_loses_a_category_is_not_told_to_those_who_ticked_it(
    demo, owner, worker, tenant, reader, has_booking
):
    demo.put_person("q", interests=["art"])
    publish(demo, worker, tenant, c=["maths", "art"])
    if has_booking:
        demo.put_person("r")
        demo.put_booking("b", "c", "r", status="confirmed", quiet=True)
    demo.change_course("c", categories=["art"])
    verdicts = worker.mark(tenant, worker.claim(tenant, ALERT_LANE)).values()
    assert sorted(verdict for verdict, *_ in verdicts) == ["go", "superseded"]
    (ref,) = owner.execute(
        "select ref from person join match using (tenant_id, person_id)"
    ).fetchone()
    assert ref == "q"


def test_a_removed_category_stops_what_it_alone_has_queued(demo, owner, worker, tenant, reader):
    publish(demo, worker, tenant, a=["maths"], b=["chess"])
    demo.call("remove", "category", "maths")
    assert told(worker, owner, tenant) == ("go", ["b"])


def test_who_ticks_again_is_told_when_the_course_is_matched_again(
    demo, owner, worker, tenant, reader
):
    publish(demo, worker, tenant, c=["maths"])
    demo.change_person("p", interests=[])
    assert told(worker, owner, tenant) == ("superseded", [])
    demo.change_person("p", interests=["maths"])
    demo.change_course("c", full=True)
    demo.change_course("c", full=False)
    publish(demo, worker, tenant)
    assert told(worker, owner, tenant) == ("go", ["c"])


def test_what_was_on_its_way_to_a_merged_record_is_told_whatever_the_kept_one_ticks(
    demo, owner, worker, tenant, reader
):
    demo.put_person("keep", interests=["art"])
    publish(demo, worker, tenant, c=["maths"])
    demo.call("merge_people", "keep", "p")
    assert told(worker, owner, tenant) == ("go", ["c"])
