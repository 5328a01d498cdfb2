"""Relays in the database: which one a message gets, how mail fails over and who counts the limits."""

import collections
import threading
import uuid

import pytest

from tests.support.queue_calls import Queue
from tests.support.refusals import refusal
from tests.support.schema import WORKER

ALERT_LANE = 5


def by_relay(owner):
    return dict(owner.execute("select relay, count(*) from message group by 1").fetchall())


# ---- Which relay a message gets.


def test_without_any_relay_known_mail_goes_through_the_first(alerts, owner):
    alerts("c", 10)
    assert by_relay(owner) == {1: 10}


def test_mail_is_shared_out_by_weight(alerts, owner, say):
    say(1, 2, 3, 4, weight={1: 3, 2: 1, 3: 0, 4: 1})
    alerts("c", 500)
    assert by_relay(owner) == {1: 300, 2: 100, 4: 100}


def test_single_mails_are_shared_out_too(demo, owner, say):
    say(1, 2)
    demo.put_course("c")
    for number in range(40):
        demo.put_person(f"p{number}")
        demo.put_booking(f"b{number}", "c", f"p{number}", status="confirmed")
    counts = by_relay(owner)
    assert sum(counts.values()) == 40
    assert min(counts[1], counts[2]) >= 15


def test_a_relay_that_is_down_gets_no_new_mail_but_comes_back(alerts, owner, say):
    say(1, 2, down=[2])
    alerts("c", 20)
    assert by_relay(owner) == {1: 20}
    say(1, 2)
    alerts("d", 20)
    counts = by_relay(owner)
    assert counts[1] + counts[2] == 40 and counts[2] == 10


def test_one_worker_that_reaches_it_is_enough(alerts, owner, say):
    say(1, 2, down=[2])
    say(1, 2, owner=uuid.UUID(int=2))
    alerts("c", 20)
    assert by_relay(owner) == {1: 10, 2: 10}


def test_with_all_relays_down_mail_waits_for_those_that_may_come_back(alerts, owner, say):
    say(1, 2, 3)
    say(1, 2, down=[1, 2])
    alerts("c", 20)
    assert by_relay(owner) == {1: 10, 2: 10}


# ---- A tenant's own relay.


def test_a_tenants_own_relay_takes_all_its_mail(alerts, demo, owner, say):
    say(1, 2, weight={2: 0})
    demo.put_tenant(relay="relay2")
    alerts("c", 10)
    assert by_relay(owner) == {2: 10}


def test_it_waits_for_its_own_relay(alerts, demo, owner, say, tenant):
    say(1, 2)
    demo.put_tenant(relay="relay2")
    say(1, 2, down=[2])
    alerts("c", 10)
    assert by_relay(owner) == {2: 10}
    assert owner.execute("select * from misplaced(10)").fetchall() == []


def test_a_relay_that_nobody_has_told_of_is_refused(demo, say, owner):
    say(1, 2)
    state, text = refusal(demo, "put_tenant", {"relay": "relay7"})
    assert state == "HB001"
    assert 'key "relay": no worker has told of a relay of this name' in text
    demo.put_tenant(relay="relay2")
    demo.put_tenant(relay=None)
    assert owner.execute("select relay from tenant").fetchall() == [(None,)]


def test_mail_follows_when_the_tenant_changes_its_relay(alerts, demo, owner, say, tenant):
    say(1, 2, weight={2: 0})
    alerts("c", 10)
    demo.put_tenant(relay="relay2")
    assert owner.execute("select * from misplaced(10)").fetchall() == [(tenant, 1, False)]
    owner.execute("select move_messages(%s, 1::smallint, 100)", [tenant])
    assert by_relay(owner) == {2: 10}


# ---- Fail-over.


def test_what_is_due_moves_in_chunks_and_steps_over_what_is_held(
    alerts, owner, say, tenant, connect
):
    say(1, 2)
    alerts("c", 100)
    say(1, 2, down=[2])
    assert owner.execute("select * from misplaced(10)").fetchall() == [(tenant, 2, False)]
    other = connect(autocommit=False)
    held = other.execute("select message_id from message where relay = 2 limit 5 for update").fetchall()
    moves = [
        owner.execute("select move_messages(%s, 2::smallint, 20)", [tenant]).fetchone()[0]
        for _ in range(3)
    ]
    assert moves == [True, True, False]
    assert by_relay(owner) == {1: 95, 2: len(held)}
    other.rollback()


@pytest.mark.parametrize("name", ["away", "misnamed"])
def test_what_waits_for_a_relay_that_is_gone_ends_when_its_time_is_over(
    alerts, demo, owner, say, tenant, connect, name
):
    say(1, 2, names={2: "away"})
    demo.put_tenant(relay="away")
    alerts("c", 6)
    owner.execute("update relay set state = 'gone', name = %s where relay = 2", [name])
    owner.execute("select move_messages(%s, 2::smallint, 100)", [tenant])
    owner.execute("""update message set expires_at = now() - interval '1 s'
                     where message_id in (select message_id from message order by 1 limit 4)""")  # fmt: skip
    connect(WORKER).execute("select housekeep()")
    ended = owner.execute(
        "select state, reason, relay, count(*) from message_record group by 1, 2, 3"
    ).fetchall()
    assert ended == [("skipped", "expired", 2 if name == "away" else 0, 4)]
    assert sum(by_relay(owner).values()) == 2


def test_what_a_worker_could_claim_ends_by_its_mark_alone(alerts, owner, say, connect):
    say(1)
    alerts("c", 2)
    owner.execute("update message set expires_at = now() - interval '1 s'")
    connect(WORKER).execute("select housekeep()")
    assert by_relay(owner) == {1: 2}


def test_what_is_due_later_waits_for_the_relay(alerts, owner, say, tenant):
    say(1, 2)
    alerts("c", 10)
    owner.execute("update message set due = now() + interval '1 hour' where relay = 2")
    say(1, 2, down=[2])
    assert owner.execute("select * from misplaced(10)").fetchall() == []


def test_what_a_worker_has_claimed_is_not_moved(alerts, owner, say, tenant, connect):
    say(1, 2)
    alerts("c", 10)
    Queue(connect(WORKER)).start().claim(tenant, ALERT_LANE, relay=2)
    say(1, 2, down=[2])
    assert owner.execute("select * from misplaced(10)").fetchall() == []
    owner.execute("select move_messages(%s, 2::smallint, 100)", [tenant])
    assert by_relay(owner) == {1: 5, 2: 5}


def test_a_relay_that_is_no_longer_there_leaves_no_mail_behind(alerts, owner, say, tenant):
    say(1, 2)
    alerts("c", 10)
    say(1)
    assert owner.execute("select state from relay where relay = 2").fetchall() == [("gone",)]
    assert owner.execute("select * from misplaced(10)").fetchall() == [(tenant, 2, False)]
    owner.execute("select move_messages(%s, 2::smallint, 100)", [tenant])
    assert by_relay(owner) == {1: 10}


def test_the_word_of_a_worker_that_is_gone_ends_though_the_clock_was_set_back(say, owner):
    say(1, 2)
    owner.execute("update worker_relay set said_at = said_at + interval '1 h'")
    say(1, owner=uuid.UUID(int=2))
    assert owner.execute("select max(said_at) <= now() from worker_relay").fetchone() == (True,)
    owner.execute("""update worker_relay set said_at = said_at - interval '21 s'
                     where owner = %s""", [uuid.UUID(int=1)])  # fmt: skip
    say(1, owner=uuid.UUID(int=2), down=[1])
    assert owner.execute("select state from relay order by relay").fetchall() == [
        ("down",), ("gone",)
    ]  # fmt: skip


def test_workers_with_other_settings_are_told(say):
    assert say(1, 2, digest="a") == []
    assert say(1, 2, owner=uuid.UUID(int=2), digest="a") == []
    assert say(1, owner=uuid.UUID(int=2), digest="b") == [1]
    assert say(1, 2, digest="a") == [1]


# ---- Limits.


def allow(connection, wanted, is_urgent=False, relay=1, per_minute=30, per_day=0, share=10):
    return connection.execute(
        "select granted, wait_ms from relay_allow(%s::smallint, %s, %s, '3 s', %s, %s, %s)",
        [relay, wanted, is_urgent, per_minute, per_day, share],
    ).fetchone()


def age(owner, span, by):
    owner.execute("update relay_use set at = at - %s::interval where span = %s", [by, span])


def test_a_share_is_kept_for_what_is_urgent(say, owner):
    say(1)
    assert allow(owner, 100) == (27, 0)
    granted, wait_ms = allow(owner, 1)
    assert granted == 0 and 55_000 < wait_ms < 66_000
    assert allow(owner, 100, is_urgent=True) == (3, 0)
    assert allow(owner, 1, is_urgent=True)[0] == 0


def test_what_urgent_mail_took_is_not_kept_twice(say, owner):
    say(1)
    assert allow(owner, 10, is_urgent=True)[0] == 10
    assert allow(owner, 100)[0] == 20


def test_a_limit_of_one_lets_one_go(say, owner):
    say(1)
    assert allow(owner, 5, per_minute=1)[0] == 1
    assert allow(owner, 5, per_minute=1, is_urgent=True)[0] == 0


def test_the_window_moves_on_with_the_clock(say, owner):
    say(1)
    assert allow(owner, 27)[0] == 27
    age(owner, "minute", "60 s")
    assert allow(owner, 27)[0] == 0, "a mail may begin three seconds after it was allowed"
    age(owner, "minute", "6 s")
    assert allow(owner, 27)[0] == 27


def test_the_day_counts_beside_the_minute(say, owner):
    say(1)
    for _ in range(3):
        allow(owner, 27, per_day=60)
        age(owner, "minute", "70 s")
    assert owner.execute("select sum(bulk) from relay_use where span = 'day'").fetchone() == (54,)
    granted, wait_ms = allow(owner, 27, per_day=60)
    assert granted == 0 and wait_ms > 80_000_000
    assert allow(owner, 27, per_day=60, is_urgent=True)[0] == 6
    age(owner, "day", "24 h 6 min")
    age(owner, "minute", "70 s")
    assert allow(owner, 27, per_day=60)[0] == 27


def test_the_least_limit_that_a_living_worker_states_holds(say, owner):
    say(1, per_minute=30)
    say(1, owner=uuid.UUID(int=2), per_minute=10)
    assert allow(owner, 100, per_minute=30)[0] == 9


def test_many_workers_at_once_are_never_allowed_more(say, owner, connect):
    say(1)
    granted = collections.Counter()

    def ask(connection, who):
        for _ in range(20):
            granted[who] += allow(connection, 7, per_minute=100)[0]

    threads = [threading.Thread(target=ask, args=(connect(WORKER), n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted.values()) == 90


# ---- Work.


def test_one_relays_backlog_crowds_out_no_other_relays_work(alerts, owner, say, tenant):
    """So many tenants wait for the second relay that they would fill an answer by themselves."""
    say(1, 2)
    alerts("c", 4)
    owner.execute(
        """insert into tenant (tenant_id, slug, is_live, as_of)
           select -n, 'x' || n, true, now() from generate_series(1, 40) n"""
    )
    owner.execute(
        """insert into message (tenant_id, due, expires_at, lane, relay, kind)
           select -n, now(), now() + interval '1 day', 5, 2, 'course_alert'
           from generate_series(1, 40) n"""
    )
    rows = owner.execute("select * from due_work(-1000, 20, '{1,2}')").fetchall()
    messages = [row for row in rows if row[1] == "messages"]
    assert (tenant, "messages", 5, 1) in messages
    assert len([row for row in messages if row[3] == 2]) == 10
