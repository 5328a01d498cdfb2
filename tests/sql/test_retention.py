"""What a tenant keeps no longer goes, kind by kind, and is reported; what stops a second mail stays, and so
does everything of a restricted person. Promises G1 (kept for years, then destroyed, with a report) and H8
(what was bought is kept seven years, the person's details are not)."""

import json

import psycopg
import pytest

from tests.support import schema
from tests.support.refusals import BAD_FACT, refusal

KINDS = ["mails", "jobs", "bookings", "changes", "audit"]


def rows(owner, table):
    (count,) = owner.execute(f"select count(*) from {table}").fetchone()
    return count


def finish(owner, age, state="sent"):
    """All that waits has been sent, and that was so long ago."""
    owner.execute(
        """with gone as (delete from message returning *)
           insert into message_record (tenant_id, message_id, ended_at, person_id, establishment_id,
               job_id, created_at, epoch, lane, relay, attempts, state, kind)
           select tenant_id, message_id, now() - %(age)s::interval, person_id, establishment_id, job_id,
               now() - %(age)s::interval, 1, lane, relay, 1, %(state)s, kind from gone""",
        {"age": age, "state": state},
    )
    owner.execute("update job set created_at = now() - %s::interval", [age])


def age_course(owner, ref, age):
    owner.execute(
        "update course set starts_at = now() - %(age)s::interval, ends_at = now() - %(age)s::interval"
        " where ref = %(ref)s", {"age": age, "ref": ref},
    )  # fmt: skip


@pytest.fixture
def told(demo, owner):
    """told(age): a course so long ago, with a booking that was told; the portal."""

    def make(age):
        demo.put_person("p1")
        demo.put_course("c1")
        demo.put_booking("b1", "c1", "p1", status="confirmed")
        finish(owner, age)
        age_course(owner, "c1", age)
        return demo

    return make


@pytest.fixture
def erase(handbell):
    """erase(*options): the report of `handbell erase --retention --json`, run as its own login."""

    def run(*options, check=True):
        done = handbell.run("erase", "--retention", "--json", *options, login=schema.RETENTION, check=check)
        return json.loads(done.stdout)

    return run


def removed(report, tenant="demo"):
    (found,) = [each["removed"] for each in report["tenants"] if each["tenant"] == tenant]
    return {kind: count for kind, count in found.items() if count}


# ---- What goes, and when.


def test_mails_and_their_jobs_go_once_their_period_is_over(told, erase, owner):
    told("23 months")
    assert removed(erase()) == {}
    owner.execute("update message_record set ended_at = ended_at - interval '2 months'")
    owner.execute("update job set created_at = created_at - interval '2 months'")
    owner.execute("update course set ends_at = ends_at - interval '2 months'")
    assert removed(erase()) == {"mails": 1, "jobs": 1}
    assert [rows(owner, t) for t in ("message_record", "job", "job_recipient")] == [0, 0, 0]
    assert rows(owner, "booking") == 1


def test_a_tenants_own_period_counts_and_null_keeps_for_ever(told, erase, owner):
    portal = told("40 days")
    portal.call("put_tenant", {"retention": {"mails": "30 days"}})
    assert erase("--dry-run") == erase("--dry-run")
    assert removed(erase("--dry-run")) == {"mails": 1, "jobs": 1}
    portal.call("put_tenant", {"retention": {"mails": None, "bookings": None}})
    owner.execute("update message_record set ended_at = '1999-01-01'")
    owner.execute("update job set created_at = '1999-01-01'")
    age_course(owner, "c1", "30 years")
    assert removed(erase()) == {}
    portal.call("put_tenant", {"retention": None})  # the defaults again
    assert removed(erase()) == {"mails": 1, "jobs": 1, "bookings": 1}


def test_a_job_stays_while_its_course_may_come_so_that_nothing_is_told_twice(told, erase, owner):
    portal = told("3 years")
    age_course(owner, "c1", "-10 days")
    assert removed(erase()) == {"mails": 1}
    assert (rows(owner, "job"), rows(owner, "job_recipient")) == (1, 1)
    assert portal.change_booking("b1", status="confirmed") == "unchanged"
    assert rows(owner, "message") == 0


def test_a_match_stays_and_nobody_is_alerted_twice(demo, erase, owner):
    demo.put_category("maths")
    demo.put_person("p1", interests=["maths"])
    demo.put_course("c1", categories=["maths"])
    (tenant,) = owner.execute("select tenant_id from tenant").fetchone()
    owner.execute("select fan_out(%s, 100)", [tenant])
    finish(owner, "3 years")
    assert removed(erase())["mails"] == 1
    assert rows(owner, "match") == 1
    demo.change_course("c1", status="draft")
    demo.change_course("c1", status="published")
    owner.execute("select fan_out(%s, 100)", [tenant])
    assert rows(owner, "message") == 0
    assert demo.why("c1", "p1")["matched"] == (True, "told; the record of it is no longer kept")
    ((state,),) = owner.execute("select state from course_report where kind = 'course_alert'").fetchall()
    assert state == "no longer kept"


def test_what_was_bought_outlives_the_persons_details_and_then_goes(told, erase, owner):
    portal = told("6 years")
    portal.call("remove", "person", "p1")
    assert "bookings" not in removed(erase())
    person, status = owner.execute(
        "select p.email, b.status from booking b join person p using (tenant_id, person_id)"
    ).fetchone()
    assert (person, status) == (None, "confirmed")
    age_course(owner, "c1", "85 months")
    assert removed(erase()) == {"bookings": 1}
    # stated once more by a portal that keeps longer, it mails nobody
    owner.execute("delete from job")
    portal.put_person("p1")
    portal.put_booking("b1", "c1", "p1", status="confirmed")
    assert rows(owner, "message") == 0


def test_the_feed_of_changes_and_the_audit_go_by_their_own_periods(told, erase, owner):
    portal = told("0 days")
    portal.call("opt_out", "p1", "alerts")
    portal.call("opt_in", "p1", "alerts", "by telephone")
    owner.execute("update change set at = now() - interval '25 months' where number = 1")
    before = rows(owner, "audit")
    assert removed(erase()) == {"changes": 1}
    assert [row[0] for row in portal.connection.execute("select number from changes('demo', 0)")] == [2]
    owner.execute("update audit set at = now() - interval '8 years' where what <> 'retention'")
    assert removed(erase()) == {"audit": before}
    assert rows(owner, "audit") == 2  # those of the two runs
    assert rows(owner, "opt_out") == 0 and rows(owner, "person") == 1


def test_everything_of_a_restricted_person_stays(told, erase, owner):
    portal = told("9 years")
    portal.call("restrict_person", "p1")
    owner.execute("update change set at = now() - interval '9 years'")
    owner.execute("update audit set at = now() - interval '9 years' where ref = 'p1'")
    dry = removed(erase("--dry-run"))
    assert removed(erase()) == dry == {}
    portal.call("unrestrict_person", "p1")
    assert removed(erase()) == {"mails": 1, "jobs": 1, "bookings": 1, "changes": 1, "audit": 2}


def test_what_is_not_finished_stays_however_old(demo, erase, owner):
    demo.put_person("p1")
    demo.put_course("c1")
    demo.put_booking("b1", "c1", "p1", status="confirmed")
    age_course(owner, "c1", "5 years")
    owner.execute("update job set created_at = now() - interval '5 years'")
    owner.execute("update message set created_at = now() - interval '5 years'")
    assert removed(erase()) == {}
    assert (rows(owner, "message"), rows(owner, "job")) == (1, 1)


# ---- How it goes.


def test_a_dry_run_tells_what_a_run_removes_and_removes_nothing(told, erase, owner):
    told("8 years")
    before = [rows(owner, table) for table in ("message_record", "job", "booking", "audit")]
    report = erase("--dry-run")
    assert report["dry_run"] is True
    assert [rows(owner, table) for table in ("message_record", "job", "booking", "audit")] == before
    assert removed(erase()) == removed(report) == {"mails": 1, "jobs": 1, "bookings": 1}


def test_each_batch_leaves_an_audit_entry_with_its_number(told, owner, connect):
    told("3 years")
    (tenant,) = owner.execute("select tenant_id from tenant").fetchone()
    owner.execute(
        """insert into message_record (tenant_id, message_id, ended_at, person_id, created_at, epoch, lane,
               relay, attempts, state, kind)
           select %s, 1000000 + n, now() - interval '3 years', 1, now(), 1, 3, 1, 1, 'sent', 'reminder'
           from generate_series(1, 24) n""", [tenant],
    )  # fmt: skip
    login = connect(schema.RETENTION)
    counts = [login.execute("select retain(%s, 'mails', 10)", [tenant]).fetchone()[0] for _ in range(4)]
    assert counts == [10, 10, 5, 0]
    noted = owner.execute("select keys, reason from audit where what = 'retention' order by audit_id")
    assert [(keys, reason.split(",")[0]) for keys, reason in noted] == [
        (["mails"], "10 removed"), (["mails"], "10 removed"), (["mails"], "5 removed")]  # fmt: skip


def test_what_another_session_holds_is_left_and_waited_for_by_nobody(told, erase, connect):
    told("3 years")
    other = connect(autocommit=False)
    other.execute("select from message_record for update")
    assert removed(erase()) == {}
    other.rollback()
    assert removed(erase()) == {"mails": 1, "jobs": 1}


def test_a_month_in_which_nothing_is_left_is_dropped(told, erase, owner, connect):
    owner.execute("create table message_record_2019_03 partition of message_record"
                  " for values from ('2019-03-01 00:00+00') to ('2019-04-01 00:00+00')")  # fmt: skip
    portal = told("1 day")
    portal.call("put_tenant", {"retention": {"mails": None}})
    owner.execute("update message_record set ended_at = '2019-03-07'")
    assert erase()["months"] == []
    portal.call("put_tenant", {"retention": None})
    assert erase("--dry-run")["months"] == []
    # Somebody reads the record: the drop waits for nobody, says so, and is the next run's.
    reader = connect(autocommit=False)
    reader.execute("select count(*) from message_record")
    report = erase(check=False)
    assert (removed(report)["mails"], report["whole"], report["months"]) == (1, False, [])
    reader.rollback()
    assert erase("--dry-run")["months"] == ["message_record_2019_03"]
    report = erase()
    assert (report["whole"], report["months"]) == (True, ["message_record_2019_03"])
    assert rows(owner, "message_record") == 0


def test_tenants_are_told_apart(told, erase, make_login, owner):
    told("3 years")
    other = make_login(tenants=["other"])
    other.execute("select put_tenant('other', '{\"retention\": {\"mails\": null}}')")
    owner.execute(
        """insert into message_record (tenant_id, message_id, ended_at, created_at, epoch, lane, relay,
               attempts, state, kind)
           select tenant_id, 1, now() - interval '3 years', now(), 1, 3, 1, 1, 'sent', 'reminder'
           from tenant where slug = 'other'"""
    )
    report = erase()
    assert removed(report)["mails"] == 1 and removed(report, "other") == {}
    assert rows(owner, "message_record") == 1


# ---- Who may, and how it is said.


def test_its_login_can_do_nothing_else_and_no_other_role_can_do_it(connect, owner):
    login = connect(schema.RETENTION)
    for statement in ("select from message_record", "delete from message_record", "select from person",
                      "select claim(1, null, 1::smallint, 1::smallint, 1, now(), 1)",
                      "select my_tenants()", "select retain_mails(1, now(), 1)"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            login.execute(statement)
    for name in (schema.PORTAL, schema.WORKER, schema.WEB):
        for call in ("retention_plan()", "retain(1, 'mails', 1)", "retention_due(1, 'mails')",
                     "drop_record_month(true, '')"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connect(name).execute(f"select {call}")
    granted = owner.execute(
        "select proname from pg_proc where pronamespace = 'handbell'::regnamespace"
        " and has_function_privilege('handbell_retention', oid, 'execute') order by proname"
    ).fetchall()
    assert [name for (name,) in granted] == [
        "drop_record_month", "retain", "retention_due", "retention_plan"]  # fmt: skip


def test_the_command_says_in_words_what_went_and_ends_as_sysexits_says(told, handbell):
    told("3 years")
    done = handbell.run("erase", "--retention", "--dry-run", login=schema.RETENTION)
    assert done.stdout.splitlines()[-1] == "2 records and 0 months would be removed"
    done = handbell.run("erase", "--retention", login=schema.RETENTION)
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["demo", "mails", "1"] and lines[1].split()[:3] == ["demo", "jobs", "1"]
    assert lines[-1] == "2 records and 0 months removed"
    done = handbell.run("erase", "--retention", login=schema.RETENTION)
    assert done.stdout == "0 records and 0 months removed\n"
    for arguments, login, status in (
        (("p1",), schema.RETENTION, 69), ((), schema.RETENTION, 69),
        (("--retention", "p1"), schema.RETENTION, 64), (("--retention", "--often"), schema.RETENTION, 64),
        (("--retention",), schema.WORKER, 77),
    ):  # fmt: skip
        done = handbell.run("erase", *arguments, login=login, check=False)
        assert (done.returncode, done.stdout) == (status, "") and done.stderr


@pytest.mark.parametrize(
    "retention, words",
    [
        ("2 years", 'key "retention": must be a JSON object, not string'),
        ({"mails": 2}, 'key "retention.mails": must be a JSON string, not number'),
        ({"mails": "soon"}, 'must be a length of time in days, weeks, months or years'),
        ({"mails": "-1 years"}, "must be a length of time"),
        ({"mails": "0 years"}, "must be a length of time"),
        ({"mails": "1 year 2 months"}, "must be a length of time"),
        ({"mails": "29 days"}, "must lie between 30 days and 10 years"),
        ({"mails": "9999 years"}, "must lie between 30 days and 10 years"),
        ({"bookings": "6 months"}, "must lie between 1 year and 20 years"),
        ({"changes": "2 weeks"}, "must lie between 90 days and 10 years"),
        ({"audit": "11 months"}, "must lie between 1 year and 20 years"),
        ({"mail": "1 year"}, 'key "retention.mail": unknown key; did you mean "mails"?'),
        ({"jobs": "1 year"}, 'key "retention.jobs": unknown key'),
    ],
)  # fmt: skip
def test_a_period_that_cannot_be_kept_is_refused_by_name(demo, retention, words):
    code, message = refusal(demo, "put_tenant", {"retention": retention})
    assert code == BAD_FACT and words in message


def test_each_unit_of_a_period_is_understood(demo, connect):
    for period, days in (("40 days", 40), ("1 day", None), ("6 weeks", 42), ("1 month", 31), ("1 year", 366)):
        if days is None:
            assert refusal(demo, "put_tenant", {"retention": {"mails": period}})[0] == BAD_FACT
            continue
        demo.call("put_tenant", {"retention": {"mails": period}})
        (age,) = connect(schema.RETENTION).execute(
            "select extract(day from now() - kept_since) from retention_plan() where kind = 'mails'"
        ).fetchone()  # fmt: skip
        assert days - 3 <= age <= days


def test_the_plan_names_each_kind_once_a_tenant(demo, connect):
    plan = connect(schema.RETENTION).execute("select tenant, kind, period from retention_plan()").fetchall()
    assert plan == [("demo", "mails", "2 years"), ("demo", "jobs", "2 years"), ("demo", "bookings", "7 years"),
                    ("demo", "changes", "2 years"), ("demo", "audit", "7 years")]  # fmt: skip
    assert [kind for _, kind, _ in plan] == KINDS
