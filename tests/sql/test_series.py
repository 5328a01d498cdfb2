"""Who hears of one course of a series only, where the tenant says so: and that they do hear of one."""

import pytest

from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import WORKER


def test_a_date_cancelled_before_it_was_told_leaves_its_readers_to_the_others(
    demo, owner, connect
):
    demo.put_tenant(rules={"once_per_series": True})
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])
    worker = Queue(connect(WORKER)).start()
    tenant = tenant_id_of(owner)

    def matched():
        while worker.fan_out(tenant):
            pass
        return owner.execute(
            "select c.ref from match m join course c using (tenant_id, course_id)"
        ).fetchall()

    for course in ("monday", "tuesday", "wednesday"):
        demo.put_course(course, categories=["maths"], series="algebra")
        assert matched() == [("monday",)]
    demo.change_course("monday", status="cancelled")
    assert matched() == [("tuesday",)]


@pytest.mark.parametrize("facts", [{"full": True}, {"private": True}, {"status": "draft"}])
def test_a_date_that_closes_before_it_was_told_leaves_its_readers_to_the_others(
    demo, owner, connect, facts
):
    demo.put_tenant(rules={"once_per_series": True})
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])
    worker = Queue(connect(WORKER)).start()
    tenant = tenant_id_of(owner)
    for course in ("monday", "tuesday"):
        demo.put_course(course, categories=["maths"], series="algebra")
        while worker.fan_out(tenant):
            pass
    demo.change_course("monday", **facts)
    while worker.fan_out(tenant):
        pass
    claimed = worker.claim(tenant, 5)
    (tuesday,) = owner.execute("select course_id from course where ref = 'tuesday'").fetchone()
    assert [row[2] for row in worker.mark(tenant, claimed).values()] == [[tuesday]]
