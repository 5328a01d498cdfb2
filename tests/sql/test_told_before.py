"""What went out before a restore is not told again, and what is news is told."""

import datetime

from tests.support.portal import in_days, now
from tests.support.restore_story import ALERT, SERVICE, URGENT, booked, course, person, school


# ---- Notices: the same occasion not again, a later one is told. ----


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
