"""What a restored database is told of alerts and words since its backup, and what it then does."""

import psycopg
import pytest

from tests.support.queue_calls import Queue
from tests.support.restore_story import ALERT, SERVICE, Side, booked, course, person, school


def test_a_copy_in_the_same_cluster_is_known_as_one(story):
    """Of the cluster's identifier, its timeline and its log's place nothing tells it."""
    before = story.back_up(school)
    ask = "select is_open, reason from handbell.life_report()"
    assert before.rows(ask) == [(True, None)]
    with story.cluster.connect(story.restored) as copy:
        assert copy.execute(ask).fetchall() == [(False, "moved")]
        worker = Queue(copy)
        assert worker.ask_to_start(*before.rows("select * from keep_place()")[0]) == "reconcile"
        assert copy.execute(ask).fetchall() == [(False, "moved")]


# ---- Alerts: never again. ----

WHAT_THE_BACKUP_HAS = {
    "nothing of either": [school],
    "the person": [school, person],
    "the course, with nobody to tell": [school, course],
    "both, and nobody was told": [school, person, course],
    "both, and the alert waits": [school, person, course, lambda s: s.queue.fan_out(s.tenant)],
}


@pytest.mark.parametrize("facts", WHAT_THE_BACKUP_HAS.values(), ids=WHAT_THE_BACKUP_HAS.keys())
def test_nobody_is_alerted_a_second_time(story, facts):
    outcome = "sent" if len(facts) % 2 else "uncertain"
    before = story.back_up(lambda side: [fact(side) for fact in facts])
    for fact in (person, course):
        fact(before)
    # One that was there before its reader is matched when its categories are stated anew.
    before.portal.change_course("c", categories=[])
    before.portal.change_course("c", categories=["maths"])
    assert before.send(ALERT, outcome=outcome) == ["course_alert"]
    after = story.restore()
    assert after.send(ALERT) == []
    for fact in (course, person, lambda s: course(s, "new")):
        fact(after)
    after.portal.change_course("c", categories=[])
    after.portal.change_course("c", categories=["maths"])
    assert after.send(ALERT) == ["course_alert"]
    ((told,),) = after.rows(
        "select array_agg(c.ref) from match m join course c using (tenant_id, course_id)"
        " where m.message_id > 0"
    )
    assert told == ["new"]


def test_without_the_file_everybody_would_be_alerted_again(story):
    before = story.back_up(lambda side: [school(side), person(side), course(side)])
    assert before.send(ALERT) == ["course_alert"]
    assert story.restore(is_told=False).send(ALERT) == ["course_alert"]


def test_an_alert_on_the_wire_when_its_worker_ended_is_not_sent_after_the_restore(story):
    before = story.back_up(lambda side: [school(side), person(side)])
    course(before)
    before.queue.fan_out(before.tenant)
    claimed = before.queue.claim(before.tenant, ALERT)
    before.queue.mark(before.tenant, claimed)
    before.queue.record(before.tenant, claimed, "interrupted")
    assert before.changes() == []  # it is no word of anybody's
    assert before.tail() == 1
    after = story.restore()
    course(after)
    assert after.send(ALERT) == []


def test_an_alert_that_waits_still_tells_what_was_not_told(story):
    def facts(side):
        school(side)
        person(side)
        course(side, "told")
        course(side, "untold")
        side.queue.fan_out(side.tenant)
        side.queue.fan_out(side.tenant)

    before = story.back_up(facts)
    # Another alert than the one that waits in the backup told of it.
    before.owner.execute("delete from message")
    before.owner.execute("delete from match")
    before.portal.change_course("told", categories=[])
    before.portal.change_course("told", categories=["maths"])
    assert before.send(ALERT) == ["course_alert"]
    after = story.restore()
    assert after.send(ALERT) == ["course_alert"]
    (line,) = after.lines
    assert "," not in line
    assert after.rows(
        "select c.ref, m.message_id = 0 from match m join course c using (tenant_id, course_id)"
        " order by c.ref"
    ) == [("told", True), ("untold", False)]


def test_a_course_that_a_settled_alert_did_not_tell_of_is_told_later(story):
    def facts(side):
        school(side)
        person(side)
        course(side, "a")
        course(side, "b")
        side.queue.fan_out(side.tenant)
        side.queue.fan_out(side.tenant)

    before = story.back_up(facts)
    before.portal.change_course("b", full=True)
    assert before.send(ALERT) == ["course_alert"]
    after = story.restore()
    assert after.rows("select count(*) from message") == [(0,)]
    assert after.rows("select state from message_record") == [("sent",)]
    after.portal.change_course("b", full=True)
    after.portal.change_course("b", full=False)
    assert after.send(ALERT) == ["course_alert"]


# ---- What people said. ----


def test_an_opt_out_holds_again_and_has_its_number_again(story):
    before = story.back_up(lambda side: [school(side), person(side)])
    before.portal.call("opt_out", "p", "alerts", "by telephone")
    after = story.restore()
    course(after)
    assert after.send(ALERT) == []
    assert after.changes() == [(1, "opt_out", "p", "alerts")]
    assert after.rows("select said_at from opt_out") == before.rows("select at from change")
    assert after.rows("select ref, keys, reason from audit where what = 'opt_out'") == [
        ("p", ["alerts"], "said before the database was restored")
    ]


def test_who_is_stated_anew_after_the_restore_is_still_opted_out(story):
    before = story.back_up(school)
    person(before)
    before.portal.call("opt_out", "p", "optional")
    before.portal.call("restrict_person", "p")
    after = story.restore()
    assert after.changes() == []
    person(after)
    course(after)
    assert after.send(ALERT) == []
    assert after.rows("select is_restricted from person where ref = 'p'") == [(True,)]
    assert [row[1:] for row in after.changes()] == [
        ("opt_out", "p", "optional"), ("restrict_person", "p", None)
    ]  # fmt: skip
    assert after.rows("select count(*) from kept_word") == [(0,)]


def test_the_last_word_counts_whenever_it_was_said(story):
    def facts(side):
        school(side)
        for ref in ("back_in", "since", "free"):
            person(side, ref)
        side.portal.call("opt_out", "back_in", "alerts")
        side.portal.call("restrict_person", "free")

    before = story.back_up(facts)
    before.portal.call("opt_in", "back_in", "alerts")
    before.portal.call("unrestrict_person", "free")
    before.portal.call("opt_out", "since", "alerts")
    after = story.restore(is_told=False)
    # Said after the restore, and before the workers told what they know.
    after.portal.call("opt_out", "since", "alerts")
    after.portal.call("opt_in", "since", "alerts")
    after.apply(before.lines)
    assert after.rows("select count(*) from opt_out") == [(0,)]
    course(after)
    assert after.send(ALERT) == ["course_alert"] * 3


def test_the_last_word_is_the_one_that_was_last_to_be_stored(story):
    """It came from a transaction that had begun before the other word was said."""
    before = story.back_up(lambda side: [school(side), person(side)])
    with before.portal.connection.transaction():
        before.portal.connection.execute("select")
        before.rows("select set_opt_out(tenant_id, person_id, 'alerts', 'page', null) from person")
        before.rows("select clear_opt_out(tenant_id, person_id, 'alerts', 'page', null) from person")
        before.portal.call("opt_out", "p", "alerts")
    assert [row[1] for row in before.changes()][-2:] == ["opt_in", "opt_out"]
    after = story.restore()
    assert after.rows("select topic from opt_out") == [("alerts",)]


def test_a_word_that_got_an_old_number_moves_on(story):
    before = story.back_up(lambda side: [school(side), person(side), person(side, "q")])
    before.portal.call("opt_out", "p", "alerts")
    seen = before.changes()[-1][0]
    after = story.restore(is_told=False)
    after.portal.call("opt_out", "q", "bulletin")
    assert after.changes(seen) == []  # the portal would never hear of it
    after.apply(before.lines)
    assert after.changes() == [(1, "opt_out", "p", "alerts"), (2, "opt_out", "q", "bulletin")]
    assert after.changes(seen) == [(2, "opt_out", "q", "bulletin")]
    after.portal.call("opt_out", "q", "alerts")
    assert after.changes(2) == [(3, "opt_out", "q", "alerts")]


def test_a_lifted_suppression_stays_lifted_unless_it_came_back(story):
    bounce = (
        "insert into suppression (tenant_id, address_hash, reason)"
        " select tenant_id, address_hash(email), 'bounced' from person"
    )
    before = story.back_up(
        lambda side: [school(side), person(side), side.owner.execute(bounce)]
    )
    before.portal.call("lift_suppression", "p")
    after = story.restore()
    assert after.rows("select count(*) from suppression") == [(0,)]
    after.owner.execute(bounce)
    after.apply(before.lines)
    assert after.rows("select count(*) from suppression") == [(1,)]


def test_telling_twice_changes_nothing(story):
    before = story.back_up(booked)
    before.portal.call("opt_out", "p", "alerts")
    before.portal.call("opt_in", "p", "alerts")
    before.portal.call("opt_out", "p", "bulletin")
    before.portal.change_booking("b", status="confirmed")
    before.send(SERVICE)
    after = story.restore()
    tables = ("opt_out", "change", "match", "message_record", "told_before", "told_alert", "kept_word")

    def all_rows():
        return [sorted(after.rows(f"select t::text from {name} t")) for name in tables]

    once = all_rows()
    after.apply(before.lines)
    assert all_rows() == once
    assert after.changes() == before.changes()


def test_what_is_known_already_costs_nothing_and_stores_nothing(story):
    """A fail-over that lost nothing."""
    before = story.back_up(booked)
    before.portal.change_booking("b", status="confirmed")
    before.send(SERVICE)
    before.portal.call("opt_out", "p", "alerts")
    before.tail()
    count = before.rows("select count(*) from audit")
    before.apply(before.lines)
    for table in ("told_before", "told_alert", "kept_word", "kept_line"):
        assert before.rows(f"select count(*) from {table}") == [(0,)]
    assert before.rows("select count(*) from audit") == count
    story.restore()


def test_a_tenant_that_the_backup_does_not_have(story):
    before = story.back_up(lambda side: None)
    for fact in (school, person, course):
        fact(before)
    assert before.send(ALERT) == ["course_alert"]
    before.portal.call("opt_out", "p", "bulletin")
    after = story.restore()
    for fact in (school, person, course):
        fact(after)
    assert after.send(ALERT) == []
    assert after.changes() == before.changes()
    assert after.rows("select count(*) from kept_line") == [(0,)]


def test_a_word_of_a_newer_program_is_refused(story):
    before = story.back_up(lambda side: [school(side), person(side)])
    before.portal.call("opt_out", "p", "alerts")
    after = story.restore(is_told=False)
    with pytest.raises(psycopg.Error, match="which is not known here"):
        after.apply([before.lines[0].replace("|opt_out|", "|forget_me|")])


def test_words_and_alerts_come_to_hold_in_steps_and_in_their_order(story):
    before = story.back_up(lambda side: [school(side)] + [person(side, f"p{n}") for n in range(3)])
    course(before)
    assert before.send(ALERT) == ["course_alert"] * 3
    for call in ("opt_out", "opt_in", "opt_out"):
        before.portal.call(call, "p0", "alerts")
    for call in ("opt_out", "opt_in"):
        before.portal.call(call, "p1", "alerts")
    after = story.restore(is_told=False)
    course(after)
    step = "select keep_resolve('demo', 2, 2)"
    after.queue.connection.execute("select keep_apply('demo', %s)", [before.lines])
    steps = [after.queue.connection.execute(step).fetchone()[0] for _ in range(4)]
    assert steps == [True, True, True, False]
    assert after.rows("select p.ref from opt_out join person p using (tenant_id, person_id)") == [("p0",)]
    assert after.send(ALERT) == []
    assert after.changes() == before.changes()


def test_what_was_said_and_told_under_another_ref_counts(story):
    """Renamed, and merged, since the backup: the rows of before are there again beside those that the
    portal states."""
    before = story.back_up(lambda side: [school(side)] + [person(side, ref) for ref in ("a", "m", "n")])
    course(before, "c")
    assert before.send(ALERT) == ["course_alert"] * 3
    call = before.portal.call
    call("opt_out", "m", "alerts")
    call("opt_out", "m", "bulletin")
    call("opt_in", "m", "bulletin")
    call("opt_out", "n", "bulletin")
    for old, new in (("a", "b"), ("b", "e")):
        call("rename_ref", "person", old, new)
    call("rename_ref", "course", "c", "d")
    call("opt_out", "e", "alerts")
    call("merge_people", "n", "m")
    assert {row[1] for row in before.changes()} == {"opt_out", "opt_in"}
    after = story.restore()
    for ref in ("e", "n"):
        person(after, ref)
    course(after, "d")
    assert after.rows(
        "select p.ref, o.topic from opt_out o join person p using (tenant_id, person_id) order by 1, 2"
    ) == [("a", "alerts"), ("e", "alerts"), ("m", "alerts"), ("n", "alerts"), ("n", "bulletin")]
    for ref in ("a", "e", "m", "n"):
        after.portal.call("opt_in", ref, "alerts")
    after.portal.change_course("d", categories=[])
    after.portal.change_course("d", categories=["maths"])
    assert after.send(ALERT) == []


def test_a_word_goes_back_through_all_names_however_many_a_step_takes(story):
    before = story.back_up(lambda side: [school(side)] + [person(side, ref) for ref in "ax"])
    for old, new in (("a", "b"), ("b", "c"), ("c", "d")):
        before.portal.call("rename_ref", "person", old, new)
    before.portal.call("opt_out", "d", "alerts")
    after = story.restore(is_told=False)
    after.queue.connection.execute("select keep_apply('demo', %s)", [before.lines])
    step = "select keep_resolve('demo', p_names => 1)"
    while after.queue.connection.execute(step).fetchone()[0]:
        pass
    assert after.rows("select p.ref from opt_out join person p using (tenant_id, person_id)") == [("a",)]


# ---- What goes into a file. ----


def test_each_worker_gets_each_change_once(story):
    before = story.back_up(lambda side: [school(side), person(side)])
    other = Side(story.cluster, story.database)
    before.portal.call("opt_out", "p", "alerts")
    assert (before.tail(), before.tail(), other.tail()) == (1, 0, 1)
    before.portal.call("opt_in", "p", "alerts")
    assert (before.tail(), other.tail(), other.tail()) == (1, 1, 0)
    assert before.lines == other.lines
    other.close()


def test_lines_hold_no_ref(story):
    before = story.back_up(school)
    person(before, "ref-of-a-person")
    course(before, "ref-of-a-course")
    before.send(ALERT)
    before.portal.put_booking("ref-of-a-booking", "ref-of-a-course", "ref-of-a-person")
    before.send(SERVICE)
    before.portal.call("opt_out", "ref-of-a-person", "alerts", "evidence")
    before.tail()
    assert len(before.lines) == 3
    assert "ref-of" not in "".join(before.lines)
    assert "evidence" not in "".join(before.lines)


def test_a_place_goes_forward(story):
    before = story.back_up(school)
    first = before.rows("select * from keep_place()")[0]
    person(before)
    second = before.rows("select * from keep_place()")[0]
    assert first[:2] == second[:2]
    assert second[2] > first[2] > 0
    (kept,) = before.queue.connection.execute(
        "select kept from keep_kept(%s)", [before.queue.owner]
    ).fetchall()
    assert kept == (0,)
