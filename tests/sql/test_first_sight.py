"""Two first sights of the same ref at once both succeed, and there is one row."""

import threading

import psycopg
import pytest

from tests.support.portal import Portal
from tests.support.schema import PORTAL

FIRST = {
    "put_establishment": {"name": "Oakfield"},
    "put_category": {"kind": "subject"},
    "put_person": {"first_name": "Jo"},
    "put_course": {"title": "Algebra", "status": "published"},
    "put_booking": {"course": "c", "person": "p", "status": "confirmed"},
}


@pytest.mark.parametrize("function", FIRST)
def test_two_first_sights_at_once_make_one_row(demo, connect, owner, function):
    """The first transaction stays open while the second states the same: it waits, and agrees."""
    demo.put_person("p")
    demo.put_course("c")
    first = Portal(connect(PORTAL, autocommit=False))
    second = Portal(connect(PORTAL))
    assert first.call(function, "x", FIRST[function]) == "created"
    seen = []
    thread = threading.Thread(target=lambda: seen.append(second.call(function, "x", FIRST[function])))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive(), "the second did not wait for the first"
    first.connection.commit()
    thread.join(10)
    assert seen == ["unchanged"]
    table = function.removeprefix("put_")
    assert owner.execute(f"select count(*) from {table} where ref = 'x'").fetchone() == (1,)


@pytest.mark.parametrize("function", FIRST)
def test_the_second_makes_the_row_when_the_first_gives_up(demo, connect, function):
    demo.put_person("p")
    demo.put_course("c")
    first = Portal(connect(PORTAL, autocommit=False))
    second = Portal(connect(PORTAL))
    first.call(function, "x", FIRST[function])
    seen = []
    thread = threading.Thread(target=lambda: seen.append(second.call(function, "x", FIRST[function])))
    thread.start()
    thread.join(0.3)
    first.connection.rollback()
    thread.join(10)
    assert seen == ["created"]


def test_a_tenants_first_sight_by_many_at_once(connect, databases, owner):
    logins = [connect(PORTAL) for _ in range(6)]
    start = threading.Barrier(len(logins))
    seen = []

    def state(connection):
        start.wait()
        seen.append(connection.execute("""select put_tenant('demo', '{"name": "A"}')""").fetchone()[0])

    threads = [threading.Thread(target=state, args=(login,)) for login in logins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == ["created"] + ["unchanged"] * 5
    assert owner.execute("select count(*) from tenant").fetchone() == (1,)


def test_going_live_waits_for_facts_that_saw_the_tenant_loading(connect):
    """Else a course published meanwhile would be neither told of nor marked as told."""
    loading = Portal(connect(PORTAL, autocommit=False))
    portal = Portal(connect(PORTAL))
    portal.put_tenant(is_live=False)
    loading.put_course("c")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(portal.call("go_live")))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    loading.connection.commit()
    thread.join(10)
    assert seen == ["changed"]


def test_a_booking_waits_for_the_course_that_is_being_changed(demo, connect):
    demo.put_person("p")
    demo.put_course("c")
    changing = Portal(connect(PORTAL, autocommit=False))
    changing.change_course("c", title="Other")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        with demo.connection.transaction():
            demo.connection.execute("set local lock_timeout = '200ms'")
            demo.put_booking("b", "c", "p")
    changing.connection.rollback()
