"""A database that was failed over, restored or copied: nothing is claimed before its workers have told
what it has forgotten."""

import psycopg
import pytest

from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import WORKER

URGENT_LANE = 1
ALERT_LANE = 5


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def worker(demo, connect):
    return Queue(connect(WORKER)).start()


@pytest.fixture
def notice(demo):
    """Of a course that is off, to one delegate."""
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed", quiet=True)
    demo.change_course("c", status="cancelled")


@pytest.fixture
def alert(demo, worker, tenant):
    demo.put_category("maths")
    demo.put_person("p", consent=True, alerts=True, interests=["maths"])
    demo.put_course("c", categories=["maths"])
    while worker.fan_out(tenant):
        pass
    return tenant


def place_of(owner):
    return owner.execute("select * from keep_place()").fetchone()


def pretend(owner, reason):
    """As if the database had been another one until now."""
    change = {
        "promoted": "timeline = timeline - 1",
        "moved": "system_identifier = system_identifier - 1",
    }[reason]
    owner.execute(f"update life set {change}")


def report(owner):
    is_open, reason, _, number, awaited = owner.execute("select * from life_report()").fetchone()
    return is_open, reason, number, awaited


def reconcile(worker, grace="1 h"):
    ((is_open,),) = worker._rows("worker_reconciled", worker.owner, grace)
    return is_open


def work(worker):
    return worker._rows("due_work", 0, 100)


def make_due(owner):
    owner.execute("update message set due = now() - interval '1 s'")


def settle(worker, tenant, told, outcome, code=250):
    """{message id: state}. told: {message id: (epoch, created)}"""
    count = len(told)
    return dict(
        worker.connection.execute(
            """select * from handbell.settle(%s, %s, %s, %s::integer[], %s, %s::text[], %s::integer[],
                                             %s::text[], %s::integer[])""",
            [tenant, worker.owner, list(told), [epoch for epoch, _ in told.values()],
             [created for _, created in told.values()], [outcome] * count, [code] * count,
             [""] * count, [60] * count],
        ).fetchall()
    )  # fmt: skip


def told_of(claimed, epochs_more=0):
    return {
        number: (epoch + epochs_more, data["created_unix"])
        for number, (epoch, data) in claimed.items()
    }


def ends(owner):
    return owner.execute("select state, reason from message_record").fetchall()


def rows(owner):
    return owner.execute("select state::text, epoch, owner from message").fetchall()


# ---- The gate.


def test_a_worker_that_is_not_known_reconciles_and_closes_nothing(demo, connect, owner):
    worker = Queue(connect(WORKER))
    assert worker.ask_to_start() == "reconcile"
    assert report(owner) == (True, None, 0, [])
    assert reconcile(worker)
    assert worker.ask_to_start() == "ready"
    assert worker.ask_to_start(*place_of(owner)) == "ready"


@pytest.mark.parametrize("reason", ["promoted", "moved"])
def test_in_a_new_life_nothing_is_due_or_claimed_until_every_worker_has_told(
    notice, worker, tenant, connect, owner, reason
):
    other = Queue(connect(WORKER)).start()
    assert work(worker) != []
    pretend(owner, reason)
    assert worker.ask_to_start() == "reconcile"
    assert report(owner)[:3] == (False, reason, 1)
    assert set(report(owner)[3]) == {worker.owner, other.owner}
    assert work(worker) == []
    assert worker.claim(tenant, URGENT_LANE) == {}
    assert not reconcile(worker)
    assert worker.ask_to_start() == "ready"
    assert not reconcile(worker)
    assert report(owner)[3] == [other.owner]
    assert other.ask_to_start() == "reconcile"
    assert reconcile(other)
    assert report(owner) == (True, reason, 1, [])
    assert worker.ask_to_start() == "ready"
    assert len(worker.claim(tenant, URGENT_LANE)) == 1


def test_a_promoted_standby_waits_for_who_does_not_come_until_the_grace_is_over(
    worker, connect, owner
):
    Queue(connect(WORKER)).start()
    pretend(owner, "promoted")
    worker.ask_to_start()
    assert not reconcile(worker, "1 h")
    owner.execute("update life set began_at = now() - interval '61 min'")
    assert reconcile(worker, "1 h")


@pytest.mark.parametrize("then", [None, "promoted"])
def test_a_restored_database_waits_for_who_does_not_come_until_the_operator_says_so(
    worker, connect, owner, then
):
    Queue(connect(WORKER)).start()
    pretend(owner, "moved")
    worker.ask_to_start()
    if then:
        pretend(owner, then)
        worker.ask_to_start()
    owner.execute("update life set began_at = now() - interval '30 d'")
    assert not reconcile(worker, "1 s")
    assert owner.execute("select life_accept()").fetchone() == (True,)
    assert report(owner)[0]
    assert reconcile(worker)
    assert owner.execute("select life_accept(), (select accepted_by from life)").fetchone() == (
        False, owner.info.user,
    )  # fmt: skip


def test_a_database_put_back_on_its_own_timeline_is_a_restored_one(worker, owner):
    system, timeline, position = place_of(owner)
    assert worker.ask_to_start(system, timeline, position + 1) == "reconcile"
    assert report(owner)[:2] == (False, "put_back")
    assert reconcile(worker)


@pytest.mark.parametrize(
    ("age", "ahead", "reason"),
    [("1 h", 1000, "put_back"), ("1 min", 1000, "promoted"), ("1 h", -1000, "promoted")],
)
def test_what_was_recovered_to_a_point_in_time_is_a_restored_one(worker, owner, age, ahead, reason):
    owner.execute("update worker set seen_at = now() - %s::interval", [age])
    pretend(owner, "promoted")
    system, timeline, position = place_of(owner)
    assert worker.ask_to_start(system, timeline - 1, position + ahead) == "reconcile"
    assert report(owner)[:2] == (False, reason)


def test_a_worker_that_was_gone_for_long_is_not_waited_for(worker, connect, owner):
    gone = Queue(connect(WORKER)).start()
    stopped = Queue(connect(WORKER)).start()
    owner.execute("update worker set seen_at = now() - interval '25 h' where owner = %s", [gone.owner])
    owner.execute("update worker set seen_at = now() - interval '1 h' where owner = %s", [stopped.owner])
    pretend(owner, "promoted")
    worker.ask_to_start()
    assert report(owner)[3] == [worker.owner]
    assert reconcile(worker)
    pretend(owner, "moved")
    worker.ask_to_start()
    assert set(report(owner)[3]) == {worker.owner, stopped.owner}


def test_a_restored_list_of_workers_is_as_old_as_its_backup_and_counts(worker, connect, owner):
    other = Queue(connect(WORKER)).start()
    owner.execute("update worker set seen_at = now() - interval '3 d'")
    pretend(owner, "moved")
    worker.ask_to_start()
    assert set(report(owner)[3]) == {worker.owner, other.owner}


@pytest.mark.parametrize("call", ["claim", "mark"])
def test_a_worker_registers_behind_all_calls_of_its_own_that_the_server_is_still_at(
    notice, worker, tenant, connect, owner, call
):
    """Its process was killed, and the next one would look before what the server does then is there:
    for nobody's, for the worker lives."""
    before = Queue(connect(WORKER), worker.owner)
    claimed = before.claim(tenant, URGENT_LANE) if call == "mark" else None
    with before.connection.transaction():
        if call == "mark":
            before.mark(tenant, claimed)
        else:
            before.claim(tenant, URGENT_LANE)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            worker.ask_to_start()
    assert worker.ask_to_start() == "ready"
    assert [state for state, _, _ in rows(owner)] == [
        "transmitting" if call == "mark" else "claimed"
    ]


def test_a_worker_hears_that_a_new_life_began_while_it_served(worker, connect, owner):
    assert worker._rows("worker_seen", worker.owner) == [(True,)]
    pretend(owner, "promoted")
    Queue(connect(WORKER)).ask_to_start()
    assert worker._rows("worker_seen", worker.owner) == [(False,)]


def test_a_promoted_standby_at_which_nobody_has_registered_yet_gives_nothing_out(
    notice, worker, tenant, connect, owner
):
    """Of a worker's connections, one may come to it before the one that registers."""
    dead = Queue(connect(WORKER)).start()
    dead.connection.close()
    assert work(worker) != []
    pretend(owner, "promoted")
    assert work(worker) == []
    assert worker.claim(tenant, URGENT_LANE) == {}
    assert worker._rows("dead_workers", worker.owner, "0 s") == []


def test_what_was_claimed_before_a_new_life_began_is_marked_by_nobody(
    notice, worker, tenant, connect, owner
):
    """The worker hears of it with its next look; until then it would go on with what it has."""
    other = Queue(connect(WORKER)).start()
    claimed = worker.claim(tenant, URGENT_LANE)
    system, timeline, position = place_of(owner)
    assert other.ask_to_start(system, timeline, position + 1_000_000) == "reconcile"
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["stale"]
    assert rows(owner) == [("claimed", 1, worker.owner)]
    assert worker._rows("worker_seen", worker.owner) == [(False,)]
    assert worker.ask_to_start() == "reconcile"
    assert not reconcile(worker)
    assert reconcile(other)
    assert worker.take_over(tenant, worker.owner, is_transmitting=False) == (1, 0)


def test_nobody_is_taken_for_dead_while_the_gate_is_closed(worker, connect, owner):
    session = connect(WORKER)
    Queue(session).start()
    session.close()
    pretend(owner, "promoted")
    worker.ask_to_start()
    assert worker._rows("dead_workers", worker.owner, "1 s") == []
    owner.execute("select life_accept()")
    assert len(worker._rows("dead_workers", worker.owner, "1 s")) == 1


# ---- What workers tell.


def test_a_mail_that_was_sent_and_forgotten_is_sent_whatever_the_row_says(
    notice, worker, tenant, owner
):
    claimed = worker.claim(tenant, URGENT_LANE)
    owner.execute("update message set state = 'ready', owner = null, epoch = 0")
    told = told_of(claimed)
    assert set(settle(worker, tenant, told, "sent").values()) == {"sent"}
    assert ends(owner) == [("sent", None)]
    assert rows(owner) == []
    assert set(settle(worker, tenant, told, "sent").values()) == {"stale"}


def test_a_message_with_the_same_id_made_since_is_another_one(notice, worker, tenant, owner):
    claimed = worker.claim(tenant, URGENT_LANE)
    told = told_of(claimed)
    owner.execute(
        "update message set state = 'ready', owner = null, epoch = 0, "
        "created_at = created_at + interval '3 s'"
    )
    for outcome in ("sent", "refused", "interrupted"):
        assert set(settle(worker, tenant, told, outcome).values()) == {"stale"}
    assert rows(owner) == [("ready", 0, None)]


def test_of_two_messages_that_had_the_same_id_each_hears_its_own_word(
    notice, worker, tenant, owner
):
    claimed = worker.claim(tenant, URGENT_LANE)
    worker.mark(tenant, claimed)
    ((number, (epoch, created)),) = told_of(claimed).items()
    rows = worker.connection.execute(
        """select * from handbell.settle(%s, %s, %s, %s::integer[], %s, %s::text[], '{550,250}', '{"",""}',
                                         '{0,0}')""",
        [tenant, worker.owner, [number] * 2, [epoch] * 2, [created - 5, created], ["refused", "sent"]],
    ).fetchall()
    assert sorted(rows) == [(number, "sent"), (number, "stale")]
    assert ends(owner) == [("sent", None)]


@pytest.mark.parametrize(
    ("outcome", "lost", "kept"),
    [("refused", "failed", "ready"), ("uncertain", "uncertain", "ready"),
     ("interrupted", "uncertain", "ready"), ("deferred", "ready", "ready")],
)  # fmt: skip
def test_any_other_word_counts_where_its_attempt_was_forgotten_and_nowhere_else(
    alert, worker, owner, outcome, lost, kept
):
    """What is ready at the same epoch has heard it, or the operator has put it back since."""
    tenant = alert
    make_due(owner)
    claimed = worker.claim(tenant, ALERT_LANE)
    assert len(claimed) == 1
    owner.execute("update message set state = 'ready', owner = null")
    assert set(settle(worker, tenant, told_of(claimed), outcome).values()) == {"stale"}
    assert rows(owner) == [(kept, 1, None)]
    state = settle(worker, tenant, told_of(claimed, 1), outcome)
    if lost == "ready":
        assert rows(owner) == [("ready", 1, None)]
    else:
        assert set(state.values()) == {lost}
        assert ends(owner) == [(lost, None)]


def test_its_own_rows_hear_every_word(notice, worker, tenant, owner):
    for outcome in ("deferred", "interrupted", "uncertain"):
        make_due(owner)
        claimed = worker.claim(tenant, URGENT_LANE)
        worker.mark(tenant, claimed)
        assert set(settle(worker, tenant, told_of(claimed), outcome).values()) == {"ready"}
    assert owner.execute("select attempts, doubts from message").fetchall() == [(3, 2)]


def test_another_worker_s_attempt_is_left_alone_unless_the_mail_was_sent(
    notice, worker, tenant, connect, owner
):
    other = Queue(connect(WORKER)).start()
    claimed = other.claim(tenant, URGENT_LANE)
    other.mark(tenant, claimed)
    for outcome in ("deferred", "refused", "uncertain"):
        assert set(settle(worker, tenant, told_of(claimed), outcome).values()) == {"stale"}
        assert set(settle(worker, tenant, told_of(claimed, 3), outcome).values()) == {"stale"}
    assert rows(owner) == [("transmitting", 1, other.owner)]
    assert set(settle(worker, tenant, told_of(claimed), "sent").values()) == {"sent"}
    assert set(other.record(tenant, claimed).values()) == {"stale"}
    assert ends(owner) == [("sent", None)]


@pytest.mark.parametrize("outcome", ["interrupted", "uncertain"])
def test_a_doubt_counts_though_the_row_has_gone_back_to_an_earlier_worker(
    alert, worker, connect, owner, outcome
):
    """While the gate is closed nobody can have claimed it since, so the row is only behind."""
    tenant = alert
    other = Queue(connect(WORKER)).start()
    make_due(owner)
    claimed = other.claim(tenant, ALERT_LANE)
    pretend(owner, "promoted")
    worker.ask_to_start()
    assert set(settle(worker, tenant, told_of(claimed), outcome).values()) == {"stale"}
    assert set(settle(worker, tenant, told_of(claimed, 1), outcome).values()) == {"uncertain"}
    assert rows(owner) == []
    assert ends(owner) == [("uncertain", None)]


def test_what_is_recorded_late_is_not_taken_for_another_message_with_the_same_id(
    notice, worker, tenant, owner
):
    """Its row was lost with a primary, and its id and epoch were handed out again."""
    claimed = worker.claim(tenant, URGENT_LANE)
    worker.mark(tenant, claimed)
    ((number, (epoch, created)),) = told_of(claimed).items()
    older = {number: (epoch, {"created_unix": created - 5})}
    for outcome in ("sent", "unsent", "refused"):
        assert worker.record(tenant, older, outcome) == {number: "stale"}
    assert rows(owner) == [("transmitting", 1, worker.owner)]
    assert worker.record(tenant, claimed) == {number: "sent"}


def test_an_end_that_was_recorded_otherwise_becomes_sent(notice, worker, tenant, owner):
    claimed = worker.claim(tenant, URGENT_LANE)
    owner.execute("update booking set status = 'cancelled'")
    owner.execute("update person set status = 'deactivated'")
    assert [row[0] for row in worker.mark(tenant, claimed).values()] == ["deactivated"]
    assert set(settle(worker, tenant, told_of(claimed), "refused").values()) == {"stale"}
    assert set(settle(worker, tenant, told_of(claimed), "sent").values()) == {"sent"}
    assert ends(owner) == [("sent", None)]


def test_what_is_being_sent_is_its_own_again_and_recorded_as_ever(notice, worker, tenant, owner):
    claimed = worker.claim(tenant, URGENT_LANE)
    worker.mark(tenant, claimed)
    owner.execute("update message set state = 'ready', owner = null, epoch = 0")
    told = told_of(claimed)
    assert worker._rows(
        "resume", tenant, worker.owner, list(told), [epoch for epoch, _ in told.values()],
        [created for _, created in told.values()],
    ) == [(1,)]  # fmt: skip
    assert rows(owner) == [("transmitting", 1, worker.owner)]
    number, epoch, created, _ = worker._rows("own_transmitting", tenant, worker.owner)[0]
    assert told == {number: (epoch, created)}
    assert set(worker.record(tenant, claimed).values()) == {"sent"}
