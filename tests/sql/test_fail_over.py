"""Fail-over to a relay with limits: it gets what these leave, and what it cannot send goes home."""

import threading

import pytest

from tests.sql.test_relays import age, allow, by_relay
from tests.support.schema import WORKER



def fail_over(owner):
    """What a worker does every two seconds, thoroughly."""
    for row in owner.execute("select * from misplaced(10)").fetchall():
        while owner.execute(
            "select move_messages(%s, %s, 1000, %s)", [row[0], row[1], row[2]]
        ).fetchone()[0]:
            pass


def waiting(owner):
    """Counts by relay, of urgent mail and of all other."""
    return {
        (relay, is_urgent): count
        for relay, is_urgent, count in owner.execute(
            "select relay, lane <= 2, count(*) from message where state = 'ready' group by 1, 2"
        )
    }


def send_waiting(owner, relay, is_urgent=False, **limits):
    """As workers would: as much as the limits let them."""
    granted = allow(owner, 1000, is_urgent, relay, **limits)[0]
    owner.execute(
        """delete from message where message_id in (select message_id from message
           where relay = %s and (lane <= 2) = %s and state = 'ready' order by due limit %s)""",
        [relay, is_urgent, granted],
    )
    return granted


def make_urgent(owner, count, relay):
    owner.execute(
        """update message set lane = 1 where message_id in (select message_id from message
           where relay = %s order by message_id desc limit %s)""",
        [relay, count],
    )


SMALL = {"per_minute": {2: 30}}


@pytest.fixture
def outage(alerts, owner, say):
    """A large relay is away with its mail, and a small one beside it is not."""
    say(1, 2, weight={1: 100, 2: 0}, **SMALL)
    alerts("c", 100)
    say(1, 2, weight={1: 100, 2: 1}, down=[1], **SMALL)
    assert waiting(owner) == {(1, False): 100}


def test_a_small_relay_gets_what_its_limits_leave_and_the_rest_stays(outage, owner):
    fail_over(owner)
    assert waiting(owner) == {(1, False): 73, (2, False): 27}
    fail_over(owner)
    assert waiting(owner) == {(1, False): 73, (2, False): 27}, "not before these are gone"
    assert send_waiting(owner, 2) == 27
    fail_over(owner)
    assert waiting(owner) == {(1, False): 73}, "nor before a minute is over"
    age(owner, "minute", "66 s")
    age(owner, "moved", "66 s")
    fail_over(owner)
    assert waiting(owner) == {(1, False): 46, (2, False): 27}


def test_the_days_limit_bounds_what_moves_too(outage, owner, say):
    say(1, 2, weight={1: 100, 2: 1}, down=[1], per_minute={2: 100}, per_day={2: 50})
    fail_over(owner)
    assert waiting(owner)[2, False] == 45
    assert send_waiting(owner, 2, per_minute=100, per_day=50) == 45
    age(owner, "minute", "66 s")
    age(owner, "moved", "66 s")
    fail_over(owner)
    assert waiting(owner) == {(1, False): 55}


def test_what_is_urgent_moves_first_and_may_use_what_is_kept_for_it(outage, owner):
    fail_over(owner)
    make_urgent(owner, 5, relay=1)
    fail_over(owner)
    assert waiting(owner) == {(1, False): 68, (1, True): 2, (2, True): 3, (2, False): 27}


def test_no_tenants_alerts_move_before_anothers_urgent_mail(outage, owner, tenant):
    owner.execute(
        """insert into tenant (tenant_id, slug, is_live, as_of)
           select -n, 'x' || n, true, now() from generate_series(1, 8) n"""
    )
    owner.execute(
        """insert into message (tenant_id, due, expires_at, lane, relay, kind)
           select -n, now(), now() + interval '1 day', 1, 1, 'course_cancelled'
           from generate_series(1, 8) n"""
    )
    found = owner.execute("select * from misplaced(10)").fetchall()
    assert [row[2] for row in found] == 8 * [True] + [False]
    fail_over(owner)
    assert waiting(owner) == {(1, False): 78, (2, True): 8, (2, False): 22}


def test_a_relay_with_work_of_its_own_gets_no_more(outage, owner):
    owner.execute(
        """update message set relay = 2, attempts = 1 where message_id in
           (select message_id from message limit 1)"""
    )
    fail_over(owner)
    assert waiting(owner) == {(1, False): 99, (2, False): 1}


def test_what_a_small_relay_has_no_room_for_goes_through_a_large_one(outage, owner, say):
    say(1, 2, 3, weight={1: 100, 2: 1, 3: 1}, down=[1], **SMALL)
    fail_over(owner)
    assert waiting(owner) == {(2, False): 27, (3, False): 73}


def test_two_workers_move_no_more_than_one(outage, owner, connect, tenant):
    def move(connection):
        connection.execute("select move_messages(%s, 1::smallint, 1000, false)", [tenant])

    threads = [threading.Thread(target=move, args=(connect(WORKER),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waiting(owner) == {(1, False): 73, (2, False): 27}


def test_what_a_crowded_relay_has_of_another_goes_home_when_that_is_back(
    outage, alerts, owner, say
):
    fail_over(owner)
    make_urgent(owner, 1, relay=2)
    alerts("d", 100)  # meanwhile
    assert waiting(owner) == {(1, False): 73, (2, False): 126, (2, True): 1}
    fail_over(owner)
    assert waiting(owner)[2, False] == 126, "home is still away"
    send_waiting(owner, 2)
    say(1, 2, weight={1: 100, 2: 1}, **SMALL)
    before = owner.execute("select count(*) from message").fetchone()[0]
    fail_over(owner)
    after = waiting(owner)
    assert after[2, True] == 1, "of urgent mail it has no more than it can send"
    assert after.get((2, False), 0) <= 5, "what is at home there"
    assert sum(after.values()) == before
    fail_over(owner)
    assert waiting(owner) == after, "and none comes back"


def test_what_a_relay_without_limits_took_over_it_keeps(alerts, owner, say):
    say(1, 2)
    alerts("c", 40)
    say(1, 2, down=[1])
    fail_over(owner)
    assert by_relay(owner) == {2: 40}
    say(1, 2)
    fail_over(owner)
    assert by_relay(owner) == {2: 40}


def test_what_is_over_a_relays_own_limit_waits_there(alerts, owner, say):
    say(1, 2, **SMALL)
    alerts("c", 200)
    allow(owner, 100, relay=2)
    fail_over(owner)
    assert by_relay(owner) == {1: 100, 2: 100}


def test_what_a_tenant_sends_through_its_own_relay_moves_whatever_its_limits(
    alerts, demo, owner, say
):
    say(1, 2, weight={2: 0}, **SMALL)
    alerts("c", 60)
    demo.put_tenant(relay="relay2")
    say(1, 2, weight={2: 0}, down=[1], **SMALL)
    fail_over(owner)
    assert by_relay(owner) == {2: 60}
