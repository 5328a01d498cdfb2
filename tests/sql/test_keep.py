"""What a restored database is told of mails and words since its backup, and what it then does."""

import dataclasses
import datetime
import time

import psycopg
import pytest

from tests.conftest import SEARCH_PATH
from tests.support.cluster import OWNER
from tests.support.portal import Portal, in_days, now
from tests.support.queue_calls import Queue, tenant_id_of
from tests.support.schema import PORTAL, WORKER

ALERT, URGENT, SERVICE = 5, 1, 3


class Side:
    """One database: its portal, a worker's session, and the lines that the worker's file would hold."""

    def __init__(self, cluster, database):
        self.connections = [
            cluster.connect(database, user, options=SEARCH_PATH) for user in (OWNER, PORTAL, WORKER)
        ]
        self.owner = self.connections[0]
        self.portal = Portal(self.connections[1])
        self.queue = Queue(self.connections[2])
        self.queue.ask_to_start()
        self.owner.execute("select life_accept()")  # a copy waits for the workers of the original
        self.queue.start()
        self.lines = []

    def close(self):
        for connection in self.connections:
            connection.close()

    @property
    def tenant(self):
        return tenant_id_of(self.owner)

    def send(self, *lanes, outcome="sent"):
        """What is due in these lanes goes out; {kind: how many}, or the reason where one was skipped."""
        done = []
        while ALERT in lanes and self.queue.fan_out(self.tenant):
            pass
        for lane in lanes:
            claimed = self.queue.claim(self.tenant, lane)
            marked = self.queue.mark(self.tenant, claimed) if claimed else {}
            going = {number: claimed[number] for number in claimed if marked[number][0] == "go"}
            for number, (_, data) in going.items():
                self.keep(data, marked[number][2] or data["courses"], outcome)
            if going:
                self.queue.record(self.tenant, going, outcome)
            done += [
                claimed[number][1]["kind"] if marked[number][0] == "go" else marked[number][0]
                for number in claimed
            ]
        return sorted(done)

    def keep(self, data, courses, outcome="sent"):
        """As worker/flow/keep_mark.c does."""
        told = ",".join(self.queue.courses[number]["keep"] for number in courses)
        self.lines.append(f"{data['keep']}|{time.time_ns() // 1000}|{outcome}|{told}")

    def tail(self):
        """As worker/flow/keep_tail.c does; how many lines there were."""
        rows = self.queue.connection.execute(
            "select tenant_id, number, line from keep_changes(%s, 1000)", [self.queue.owner]
        ).fetchall()
        self.lines += [row[2] for row in rows]
        self.queue.connection.execute(
            "select * from keep_seen(%s, 0, %s, %s)",
            [self.queue.owner, [row[0] for row in rows], [row[1] for row in rows]],
        )
        return len(rows)

    def apply(self, lines, slug="demo"):
        self.queue.connection.execute("select keep_apply(%s, %s)", [slug, lines])
        self.queue.connection.execute("select keep_resolve(%s)", [slug])

    def rows(self, statement, *values):
        return self.owner.execute(statement, values).fetchall()

    def changes(self, after=0):
        return [
            tuple(row)
            for row in self.portal.connection.execute(
                "select number, what, person, topic from handbell.changes('demo', %s)", [after]
            )
        ]


@dataclasses.dataclass
class Restore:
    """`before` is the database that goes on after the backup, `after` what the backup gives back."""

    cluster: object
    databases: object
    database: str
    before: Side = None
    after: Side = None

    def back_up(self, facts):
        """`facts(side)` states what the backup holds; from then on `before` lives on alone."""
        side = Side(self.cluster, self.database)
        facts(side)
        side.close()
        self.restored = f"{self.database}_restored"
        with self.cluster.connect("postgres") as connection:
            connection.execute(f"create database {self.restored} template {self.database}")
        self.before = Side(self.cluster, self.database)
        return self.before

    def restore(self, is_told=True):
        self.before.tail()
        self.after = Side(self.cluster, self.restored)
        if is_told:
            self.after.apply(self.before.lines)
        return self.after

    def close(self):
        for side in (self.before, self.after):
            if side is not None:
                side.close()
        self.databases.drop(self.restored)


@pytest.fixture
def story(cluster, databases, database):
    story = Restore(cluster, databases, database)
    yield story
    story.close()


def school(side):
    side.portal.put_tenant()
    side.portal.put_category("maths")


def person(side, ref="p"):
    side.portal.put_person(ref, interests=["maths"])


def course(side, ref="c", **facts):
    side.portal.put_course(ref, categories=["maths"], **facts)


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
@pytest.mark.parametrize("outcome", ["sent", "uncertain"])
def test_nobody_is_alerted_a_second_time(story, facts, outcome):
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


# ---- Notices: the same occasion not again, a later one is told. ----


def booked(side):
    school(side)
    person(side)
    course(side)
    side.send(ALERT)
    side.portal.put_booking("b", "c", "p", status="requested")
    side.send(SERVICE)


def test_a_booking_stated_again_is_not_told_again_and_what_follows_is(story):
    before = story.back_up(booked)
    before.portal.change_booking("b", status="confirmed")
    assert before.send(SERVICE) == ["booking_confirmed"]
    after = story.restore()
    after.portal.change_booking("b", status="confirmed")
    assert after.send(SERVICE) == ["told_before"]
    after.portal.change_booking("b", status="cancelled")
    assert after.send(SERVICE) == ["booking_cancelled"]
    after.portal.change_booking("b", status="confirmed")
    assert after.send(SERVICE) == ["booking_confirmed"]


def test_a_new_row_of_a_booking_is_known_by_its_ref(story):
    before = story.back_up(lambda side: [school(side), person(side)])
    course(before)
    before.portal.put_booking("other", "c", "p", status="confirmed", quiet=True)
    before.portal.put_booking("b", "c", "p", status="confirmed")
    assert before.send(SERVICE) == ["booking_confirmed"]
    after = story.restore()
    course(after)
    after.portal.put_booking("b", "c", "p", status="confirmed")
    assert after.send(SERVICE) == ["told_before"]
    after.portal.put_booking("b2", "c", "p", status="confirmed")
    assert after.send(SERVICE) == ["booking_confirmed"]


def test_what_was_true_in_between_and_is_stated_anew_is_told(story):
    before = story.back_up(booked)
    for status in ("confirmed", "cancelled", "confirmed"):
        before.portal.change_booking("b", status=status)
        before.send(SERVICE)
    after = story.restore()
    after.portal.change_booking("b", status="confirmed")
    assert after.send(SERVICE) == ["told_before"]
    after.portal.change_booking("b", status="cancelled")
    assert after.send(SERVICE) == ["booking_cancelled"]


def test_a_portal_may_state_its_history_again(story):
    before = story.back_up(booked)
    history = []
    for status in ("confirmed", "cancelled", "confirmed"):
        facts = {"status": status, "as_of": now().isoformat()}
        history.append(facts)
        before.portal.change_booking("b", **facts)
        assert before.send(SERVICE) == [f"booking_{status}"]
    after = story.restore()
    for facts in history:
        after.portal.change_booking("b", **facts)
        assert after.send(SERVICE) == ["told_before"]


def test_a_cancellation_is_told_once_and_nobody_is_telephoned_for_it(story):
    before = story.back_up(booked)
    before.portal.change_course("c", status="cancelled")
    assert before.send(URGENT) == ["course_cancelled"]
    after = story.restore()
    after.portal.change_course("c", status="cancelled")
    assert after.send(URGENT) == ["told_before"]
    assert after.portal.connection.execute("select * from handbell.not_told").fetchall() == []
    after.portal.change_course("c", status="published")
    assert after.send(URGENT, SERVICE) == ["course_changed"]
    after.portal.change_course("c", status="cancelled")
    assert after.send(URGENT) == ["course_cancelled"]


def test_a_change_is_known_by_what_the_course_has_become(story):
    before = story.back_up(booked)
    before.portal.change_course("c", title="Once")
    assert before.send(SERVICE) == ["course_changed"]
    before.portal.change_course("c", title="Twice")
    assert before.send(SERVICE) == ["course_changed"]
    after = story.restore()
    after.portal.change_course("c", title="Twice")
    assert after.send(SERVICE) == ["told_before"]
    after.portal.change_course("c", title="Once")
    assert after.send(SERVICE) == ["course_changed"]


def test_a_reminder_is_known_by_its_date(story):
    def facts(side):
        booked(side)
        side.portal.change_booking("b", status="confirmed")
        side.send(SERVICE)
        side.owner.execute("update message_record set created_at = now() - interval '1 day'")

    before = story.back_up(facts)
    fire = "update course_rule set due = now(), job_id = null where kind = 'reminder'"
    before.owner.execute(fire)
    assert before.queue.fire_rules(before.tenant) == 1
    assert before.send(SERVICE) == ["reminder"]
    after = story.restore()
    after.owner.execute(fire)
    assert after.queue.fire_rules(after.tenant) == 1
    assert after.send(SERVICE) == ["told_before"]
    after.portal.change_course("c", starts_at=in_days(20), ends_at=in_days(20, 15))
    assert after.send(SERVICE) == ["course_changed"]
    after.owner.execute("update message_record set created_at = now() - interval '1 day'")
    after.owner.execute(fire)
    assert after.queue.fire_rules(after.tenant) == 1
    assert after.send(SERVICE) == ["reminder"]


def test_a_notice_past_its_time_is_forgotten(story):
    before = story.back_up(booked)
    before.portal.change_booking("b", status="confirmed")
    before.send(SERVICE)
    after = story.restore(is_told=False)
    fields = before.lines[-1].split("|")
    eight_days_us = int(datetime.timedelta(days=8).total_seconds() * 1e6)
    fields[7] = str(int(fields[7]) - eight_days_us)
    after.apply(["|".join(fields)])
    assert after.rows("select count(*) from told_before") == [(0,)]


def test_a_notice_whose_end_is_in_doubt_was_not_told(story):
    before = story.back_up(booked)
    before.portal.change_booking("b", status="confirmed")
    assert before.send(SERVICE, outcome="deferred") == ["booking_confirmed"]
    before.lines.clear()  # as keep_mark_add: nothing is kept of it
    after = story.restore()
    after.portal.change_booking("b", status="confirmed")
    assert after.send(SERVICE) == ["booking_confirmed"]


# ---- Numbers. ----


def test_what_the_backup_has_queued_ends_as_sent(story):
    def facts(side):
        booked(side)
        side.portal.change_booking("b", status="confirmed")

    before = story.back_up(facts)
    assert before.send(SERVICE) == ["booking_confirmed"]
    after = story.restore()
    assert after.send(SERVICE) == []
    assert ("booking_confirmed", "sent") in after.rows("select kind, state from message_record")


def test_a_number_given_out_again_is_not_taken_for_the_old_one(story):
    before = story.back_up(booked)
    before.portal.change_booking("b", status="confirmed")
    assert before.send(SERVICE) == ["booking_confirmed"]
    after = story.restore(is_told=False)
    # The portal was quicker than the workers: another mail, with the old number.
    after.portal.put_person("q")
    after.portal.put_booking("other", "c", "q", status="confirmed")
    (number,) = after.rows("select message_id from message")[0]
    fields = before.lines[-1].split("|")
    fields[5] = str(number)
    after.apply(["|".join(fields)])
    assert after.send(SERVICE) == ["booking_confirmed"]


def test_numbers_go_on_behind_those_that_were_given_out(story):
    before = story.back_up(lambda side: [school(side), person(side), course(side)])
    assert before.send(ALERT) == ["course_alert"]
    before.portal.put_booking("b", "c", "p", status="confirmed")
    assert before.send(SERVICE) == ["booking_confirmed"]
    old = {int(line.split("|")[5]) for line in before.lines}
    after = story.restore()
    course(after, "new")
    after.queue.fan_out(after.tenant)
    after.queue.fan_out(after.tenant)
    after.portal.put_booking("b2", "new", "p", status="confirmed")
    new = {row[0] for row in after.rows("select message_id from message")}
    assert len(new) == 2
    assert not new & old
    assert max(new) > max(old)
    assert min(new) > min(old)


# ---- What people said. ----


def test_an_opt_out_holds_again_and_has_its_number_again(story):
    before = story.back_up(lambda side: [school(side), person(side)])
    before.portal.call("opt_out", "p", "alerts", "by telephone")
    after = story.restore()
    course(after)
    assert after.send(ALERT) == []
    assert after.changes() == [(1, "opt_out", "p", "alerts")]
    assert after.rows("select said_at from opt_out") == before.rows("select said_at from opt_out")
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
