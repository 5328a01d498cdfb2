"""A worker that others took for dead comes back and says what became of its mails: what it knows wins over
what they guessed, and no mail goes twice by it."""

import pytest

from tests.sql.test_lock_order import in_background, wait_for_blocked
from tests.sql.test_retry import retry
from tests.support import process
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import OWNER, WORKER

SERVICE_LANE = 3
ALERT_LANE = 5


@pytest.fixture
def tenant(demo, owner):
    return tenant_id_of(owner)


@pytest.fixture
def other(demo, connect):
    return Queue(connect(WORKER)).start()


@pytest.fixture
def late(demo, connect):
    """The one that vanishes."""
    return Queue(connect(WORKER)).start()


@pytest.fixture
def back(late, connect):
    """The same worker on a new connection, as it comes back."""
    return Queue(connect(WORKER), late.owner)


def put_on_wire(demo, late, tenant, lane, status="confirmed"):
    if lane == ALERT_LANE:
        demo.put_category("maths")
    demo.put_person("p", interests=["maths"] if lane == ALERT_LANE else [])
    demo.put_course("c", categories=["maths"] if lane == ALERT_LANE else [])
    if lane == SERVICE_LANE:
        demo.put_booking("b", "c", "p", status=status)
    while late.fan_out(tenant):
        pass
    claimed = late.claim(tenant, lane)
    assert {row[0] for row in late.mark(tenant, claimed).values()} == {"go"}
    return claimed


def vanish(late, other, tenant):
    late.connection.close()
    process.wait_until(lambda: other.take_over(tenant, late.owner) == (0, 1), 10, "it is taken over")


@pytest.fixture
def doubtful_alert(demo, late, other, tenant):
    claimed = put_on_wire(demo, late, tenant, ALERT_LANE)
    vanish(late, other, tenant)
    return claimed


@pytest.fixture
def doubtful_notice(demo, late, other, tenant):
    claimed = put_on_wire(demo, late, tenant, SERVICE_LANE)
    vanish(late, other, tenant)
    return claimed


def settle(worker, tenant, claimed, outcome, code=451):
    """As its journal tells it after a restart."""
    ((number, (epoch, data)),) = claimed.items()
    return dict(worker.connection.execute(
        """select * from handbell.settle(%s, %s, %s, %s::integer[], %s, %s::text[], %s::integer[],
                                         '{""}', '{60}')""",
        [tenant, worker.owner, [number], [epoch], [data["created_unix"]], [outcome], [code]],
    ).fetchall())  # fmt: skip


def tell(worker, tenant, claimed, outcome, by):
    if by == "journal":
        return set(settle(worker, tenant, claimed, outcome).values())
    return set(worker.record(tenant, claimed, outcome, 451, 60).values())


def rows(owner):
    return owner.execute("select state::text, epoch, doubts, courses <> '{}' from message").fetchall()


def ends(owner):
    return owner.execute("select state, reason from message_record").fetchall()


@pytest.mark.parametrize("by", ["outbox", "journal"])
@pytest.mark.parametrize("outcome", ["deferred", "unsent"])
def test_an_alert_that_certainly_did_not_arrive_goes_again_and_only_once(
    doubtful_alert, back, other, owner, tenant, outcome, by
):
    assert ends(owner) == [("uncertain", None)]
    assert tell(back, tenant, doubtful_alert, outcome, by) == {"ready"}
    assert rows(owner) == [("ready", 1, 0, True)] and ends(owner) == []
    assert tell(back, tenant, doubtful_alert, outcome, by) == {"stale"}, "told once more"
    owner.execute("update message set due = now() - interval '1 s'")
    again = other.claim(tenant, ALERT_LANE)
    assert {row[0] for row in other.mark(tenant, again).values()} == {"go"}
    assert tell(back, tenant, doubtful_alert, outcome, by) == {"stale"}, "another has it now"
    assert set(other.record(tenant, again).values()) == {"sent"}
    assert tell(back, tenant, doubtful_alert, outcome, by) == {"stale"}
    assert ends(owner) == [("sent", None)] and rows(owner) == []


@pytest.mark.parametrize("outcome, ended", [
    ("deferred", ("failed", "expired")), ("unsent", ("skipped", "expired"))])  # fmt: skip
def test_what_has_no_time_left_does_not_go_again(
    doubtful_alert, back, owner, tenant, outcome, ended
):
    owner.execute("update message_record set expires_at = now() - interval '1 s'")
    assert tell(back, tenant, doubtful_alert, outcome, "outbox") == {ended[0]}
    assert ends(owner) == [ended] and rows(owner) == []


@pytest.mark.parametrize("by", ["outbox", "journal"])
@pytest.mark.parametrize("outcome, state", [("sent", "sent"), ("refused", "failed")])
def test_a_notice_that_was_to_go_again_does_not_where_its_end_is_known(
    doubtful_notice, back, owner, other, tenant, outcome, state, by
):
    assert rows(owner) == [("ready", 1, 1, None)]
    assert tell(back, tenant, doubtful_notice, outcome, by) == {state}
    assert ends(owner) == [(state, None)] and rows(owner) == []
    assert other.claim(tenant, SERVICE_LANE) == {}
    assert tell(back, tenant, doubtful_notice, outcome, by) == {"stale"}


@pytest.mark.parametrize("outcome", ["sent", "refused"])
def test_of_what_another_has_claimed_only_that_it_was_sent_counts(
    doubtful_notice, back, other, owner, tenant, outcome
):
    again = other.claim(tenant, SERVICE_LANE)
    answer = tell(back, tenant, doubtful_notice, outcome, "outbox")
    if outcome == "sent":
        assert answer == {"sent"}
        assert {row[0] for row in other.mark(tenant, again).values()} == {"stale"}, "no second copy"
        assert ends(owner) == [("sent", None)]
    else:
        assert answer == {"stale"}
        assert {row[0] for row in other.mark(tenant, again).values()} == {"go"}


def test_what_another_has_on_the_wire_is_that_one_s_to_tell(
    doubtful_notice, back, other, owner, tenant
):
    again = other.claim(tenant, SERVICE_LANE)
    other.mark(tenant, again)
    assert tell(back, tenant, doubtful_notice, "sent", "outbox") == {"stale"}
    assert rows(owner) == [("transmitting", 2, 1, None)]
    assert set(other.record(tenant, again, "refused", 550).values()) == {"failed"}
    assert tell(back, tenant, doubtful_notice, "sent", "outbox") == {"sent"}
    assert ends(owner) == [("sent", None)], "whatever became of the second copy"


def test_what_the_operator_put_back_goes_its_own_way(doubtful_alert, back, owner, tenant):
    """But for one word: that it arrived."""
    assert retry(owner, "uncertain") == [("course_alert", 1)]
    for outcome in ("deferred", "unsent", "refused"):
        assert tell(back, tenant, doubtful_alert, outcome, "outbox") == {"stale"}
        assert tell(back, tenant, doubtful_alert, outcome, "journal") == {"stale"}
    assert rows(owner) == [("ready", 1, 0, True)]
    assert tell(back, tenant, doubtful_alert, "sent", "outbox") == {"sent"}
    assert ends(owner) == [("sent", None)] and rows(owner) == []


def test_beside_an_operator_s_retry_it_goes_back_once(
    doubtful_alert, back, owner, tenant, connect
):
    owner.execute("set statement_timeout = '10s'")
    holder = connect(OWNER, autocommit=False)
    assert retry(holder, "uncertain") == [("course_alert", 1)]
    answers = []
    errors, thread = in_background(
        lambda: answers.append(tell(back, tenant, doubtful_alert, "deferred", "outbox")))
    wait_for_blocked(owner)
    holder.commit()
    thread.join(10)
    assert not errors and answers == [{"stale"}]
    assert rows(owner) == [("ready", 1, 0, True)] and ends(owner) == []


def test_a_word_about_an_earlier_attempt_of_another_message_changes_nothing(
    doubtful_alert, back, owner, tenant
):
    owner.execute("update message_record set created_at = created_at - interval '5 s'")
    for outcome in ("sent", "deferred", "refused", "unsent"):
        assert tell(back, tenant, doubtful_alert, outcome, "outbox") == {"stale"}
    assert ends(owner) == [("uncertain", None)]


def test_an_alert_that_goes_again_tells_nothing_that_another_told_meanwhile(
    doubtful_alert, back, demo, owner, tenant
):
    """As after its person was merged into one who knew: the match is another alert's."""
    demo.put_course("known")
    owner.execute("update message_record set courses = courses || (select course_id from course"
                  " where ref = 'known')")  # fmt: skip
    assert tell(back, tenant, doubtful_alert, "deferred", "outbox") == {"ready"}
    told = owner.execute("select c.ref from message m, unnest(m.courses) u join course c"
                         " on c.course_id = u").fetchall()  # fmt: skip
    assert told == [("c",)]


@pytest.mark.parametrize("outcome, state", [("sent", "sent"), ("deferred", "ready")])
def test_a_word_that_waited_for_a_take_over_wins_over_its_guess(
    demo, late, owner, tenant, connect, outcome, state
):
    claimed = put_on_wire(demo, late, tenant, ALERT_LANE)
    owner.execute("set statement_timeout = '10s'")
    taker = Queue(connect(OWNER, autocommit=False), late.owner)
    assert set(taker.record(tenant, claimed, "interrupted").values()) == {"uncertain"}
    answers = []
    errors, thread = in_background(
        lambda: answers.append(tell(late, tenant, claimed, outcome, "outbox")))
    wait_for_blocked(owner)
    taker.connection.commit()
    thread.join(10)
    assert not errors and answers == [{state}]
    waiting, ended = [row[0] for row in rows(owner)], [row[0] for row in ends(owner)]
    assert waiting + ended == [state], "where it is what was answered"
