"""What a mail would be made of: as a claim gives it, for a real course and person, and nothing is queued."""

import json

import pytest

from tests.support.portal import Portal, in_days
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.refusals import BAD_FACT, NOT_AVAILABLE, UNKNOWN_REF, refusal
from tests.support.schema import WORKER

TABLES = ["tenant", "person", "course", "course_told", "booking", "job", "message", "match", "audit"]


@pytest.fixture
def course(demo):
    demo.put_tenant(rules={"joining_instructions_days": 20, "reminder_days": 11})
    demo.put_category("maths")
    demo.put_person("reader", interests=["maths"])
    demo.put_course("c", categories=["maths"], venue="County Hall")
    return demo


def preview(portal, kind, course="c", person="p"):
    """{what: data}"""
    rows = portal.connection.execute(
        "select what, data from handbell.preview_facts('demo', %s, %s, %s)", [kind, course, person]
    ).fetchall()
    return {what: json.loads(data) for what, data in rows}


def shape(value):
    """The names of the keys, at every depth. What is null in one may be there in the other."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shape(value[0])]
    return None


def is_same_shape(claimed, shown):
    """Whether the two agree wherever both say something."""
    if isinstance(claimed, dict) and isinstance(shown, dict):
        return set(claimed) <= set(shown) and all(is_same_shape(claimed[k], shown[k]) for k in claimed)
    return claimed is None or shown is None or is_same_shape(claimed[0], shown[0])


def make_each_kind(course, owner, worker, tenant):
    """One message of every kind that is available, claimed: {kind: (its data, the courses)}"""
    steps = ["requested", "approved", "declined", "offered", "confirmed", "cancelled"]
    for number, status in enumerate(steps):
        course.put_person(f"p{number}")
        course.put_booking(f"b{number}", "c", f"p{number}", status="waiting", quiet=True)
        course.change_booking(f"b{number}", status=status)
    course.put_course("d", starts_at=in_days(30), ends_at=in_days(30, 15))
    course.put_booking("bd", "d", "p0", status="confirmed", quiet=True)
    for kind in ("joining_instructions", "reminder"):
        owner.execute(
            "update course_rule set due = now() where job_id is null and kind = %s", [kind]
        )
        while worker.fire_rules(tenant) or worker.fan_out(tenant):
            pass
        owner.execute("update message set created_at = created_at - interval '13 hours'")
    course.change_course("c", venue="Town Hall")
    course.put_course("e")
    course.put_booking("be", "e", "p0", status="confirmed", quiet=True)
    course.change_course("e", status="cancelled")
    seen = {}
    for lane in (1, 3, 5):
        for _, data in worker.claim(tenant, lane).values():
            seen[data["kind"]] = (data, worker.courses)
    return seen


def test_each_kind_has_the_shape_of_a_claim(course, owner, connect):
    worker = Queue(connect(WORKER)).start()
    seen = make_each_kind(course, owner, worker, tenant_id_of(owner))
    kinds = {kind for (kind,) in owner.execute("select kind from kind where is_available")}
    assert set(seen) == kinds
    for kind, (data, courses) in seen.items():
        rows = preview(course, kind, person="p0")
        # `keep`: what a worker writes into its own file of what it sent.
        for name in data.keys() - {"keep"}:
            assert name in rows["message"], (kind, name)
            assert is_same_shape(shape(data[name]), shape(rows["message"][name])), (kind, name)
        (claimed,) = list(courses.values())[:1]
        assert shape(claimed) == shape(rows["course"]) or claimed["sessions"] == []
        assert rows["message"]["id"] == 0 and rows["message"]["courses"] == [rows["course"]["id"]]


def test_nothing_is_queued_stored_or_audited(course, owner):
    course.put_person("p")
    course.put_booking("b", "c", "p", status="confirmed")
    before = {table: owner.execute(f"select * from {table} order by 1, 2").fetchall() for table in TABLES}
    for (kind,) in owner.execute("select kind from kind where is_available").fetchall():
        assert preview(course, kind)["message"]["kind"] == kind
    owner.execute("set default_transaction_read_only = on")
    owner.execute("select * from preview_facts('demo', 'reminder', 'c', 'p')")
    owner.execute("set default_transaction_read_only = off")
    assert before == {
        table: owner.execute(f"select * from {table} order by 1, 2").fetchall() for table in TABLES
    }


def test_a_change_shows_the_latest_that_was_told(course, owner):
    course.put_person("p")
    course.put_booking("b", "c", "p", status="confirmed", quiet=True)
    same = preview(course, "course_changed")
    assert same["message"]["change"]["sessions"] == same["course"]["sessions"]
    course.change_course("c", venue="Town Hall")
    rows = preview(course, "course_changed")
    assert rows["message"]["change"]["sessions"][0]["venue"] == "County Hall"
    assert rows["course"]["sessions"][0]["venue"] == "Town Hall"


@pytest.mark.parametrize("arguments, code, words", [
    (("remindre", "c", "reader"), BAD_FACT, 'key "kind": must be one of booking_approved, '),
    (("bulletin", "c", "reader"), NOT_AVAILABLE, 'key "kind": not available yet'),
    (("reminder", "x", "reader"), UNKNOWN_REF, 'key "course": no course has the ref "x"'),
    (("reminder", "c", "x"), UNKNOWN_REF, 'key "person": no person has the ref "x"'),
])  # fmt: skip
def test_what_is_not_there_is_refused_by_name(course, arguments, code, words):
    seen, message = refusal(course, "preview_facts", *arguments)
    assert (seen, words in message) == (code, True), message


def test_another_tenants_course_cannot_be_looked_at(course, make_login):
    stranger = Portal(make_login(tenants=["other"]))
    assert refusal(stranger, "preview_facts", "reminder", "c", "reader")[0] == "HB003"


def test_who_was_removed_cannot_be_shown(course):
    course.call("remove", "person", "reader")
    assert refusal(course, "preview_facts", "reminder", "c", "reader")[0] == UNKNOWN_REF
