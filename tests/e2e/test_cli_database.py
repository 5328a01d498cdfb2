"""status, why, tenant, restrict and cancel: what they say, what they do, and how they end."""

import json
import os
import re
import subprocess

import pytest

from tests.support import process, programs, schema
from tests.support.portal import Portal


@pytest.fixture
def run(cluster, database):
    """run(words..., user=owner): a subcommand on this test's database."""

    def run_one(*words, user=schema.OWNER):
        environment = {**os.environ, "HANDBELL_DATABASE_URL": cluster.url(database, user)}
        return subprocess.run(
            [schema.binary(), *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run_one


@pytest.fixture
def course(demo):
    """Course c1 in maths; p1 hears of it, p2 has no tick; nothing has been sent."""
    demo.put_category("maths")
    demo.put_person("p1", interests=["maths"])
    demo.put_person("p2", interests=[])
    demo.put_course("c1", categories=["maths"])
    return demo


def status(run):
    result = run("status", "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def lane(found, name):
    return next(row for row in found["lanes"] if row["lane"] == name)


def test_status_counts_what_is_due_and_what_is_later_by_lane(run, owner, course):
    owner.execute(
        "insert into message (tenant_id, person_id, due, expires_at, lane, kind)"
        " select tenant_id, n, now() + case when n <= 3 then interval '-90 s' else '1 h' end,"
        "        now() + interval '1 day', 5, 'course_alert'"
        " from tenant, generate_series(1, 5) n"
    )
    found = status(run)
    assert (lane(found, "alert")["due"], lane(found, "alert")["waiting"]) == (3, 2)
    assert 85 <= lane(found, "alert")["oldest_wait_s"] <= 120
    assert (lane(found, "urgent")["due"], lane(found, "urgent")["oldest_wait_s"]) == (0, None)
    assert found["tenants"] == {"live": 1, "loading": 0}
    assert re.search(r"^alert +3 +2  \d+\.\d s$", run("status").stdout, re.M)


def test_status_tells_rates_and_trouble_of_the_last_minute_hour_and_day(run, owner, course):
    owner.execute(
        "insert into message_record (tenant_id, message_id, ended_at, created_at, epoch, lane,"
        "    relay, attempts, state, kind)"
        " select tenant_id, row_number() over (), now() - ago, now(), 1, 5, 1, 1, state, 'course_alert'"
        " from tenant, (values ('sent', interval '10 s'), ('sent', '20 s'), ('sent', '30 min'),"
        "    ('sent', '2 h'), ('failed', '23 h'), ('failed', '25 h'), ('uncertain', '1 h'))"
        "    x (state, ago)"
    )
    found = status(run)
    assert (found["sent_last_minute"], found["sent_last_hour"]) == (2, 3)
    assert (found["failed_last_day"], found["uncertain_last_day"]) == (1, 1)


def test_status_says_over_where_it_stopped_counting(run, owner, course):
    owner.execute("create or replace function status_bound() returns integer"
                  " language sql immutable as $$ select 11 $$")  # fmt: skip
    owner.execute(
        "insert into message (tenant_id, person_id, due, expires_at, lane, kind)"
        " select tenant_id, n, now(), now() + interval '1 day', 1, 'course_cancelled'"
        " from tenant, generate_series(1, 50) n"
    )
    assert lane(status(run), "urgent")["due"] == 11
    assert "over 10 " in run("status").stdout


def test_status_tells_a_worker_that_is_alive_from_one_that_is_dead(run, owner, connect):
    worker = connect(schema.WORKER)
    for number in (1, 2):
        session = worker if number == 1 else connect(schema.WORKER)
        uuid = f"00000000-0000-0000-0000-00000000000{number}"
        session.execute("select handbell.worker_start(%s)", [uuid])
        if number == 2:
            session.close()
    process.wait_until(lambda: status(run)["workers"] == {"alive": 1, "dead": 1}, 10)


def test_status_is_open_to_a_worker_s_login_and_to_no_portal_s(run, course):
    assert run("status", user=schema.WORKER).returncode == 0
    refused = run("status", user=schema.PORTAL)
    assert refused.returncode == 77
    assert "permission denied" in refused.stderr


def test_status_watch_writes_it_again(cluster, database):
    environment = {**os.environ, "HANDBELL_DATABASE_URL": cluster.url(database)}
    watching = subprocess.Popen(
        [schema.binary(), "status", "--watch", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
    finally:
        watching.terminate()
        watching.communicate(timeout=10)
    assert first["at"] < second["at"]


def test_status_holds_no_name_and_no_address(run, course):
    text = run("status", "--json").stdout + run("status").stdout
    assert "@" not in text and "Westmarch" not in text


def test_held_jobs_are_listed_until_they_are_cancelled(run, owner, demo):
    demo.put_tenant(rules={"brake": 1})
    demo.put_course("c1")
    for person in ("p1", "p2", "p3"):
        demo.put_person(person)
        demo.put_booking(f"b-{person}", course="c1", person=person, status="confirmed", quiet=True)
    demo.put_course("c1", status="cancelled")
    held = status(run)["held_jobs"]
    assert [(job["tenant"], job["kind"], job["recipients"]) for job in held] == [
        ("demo", "course_cancelled", 3)
    ]
    assert "held jobs  1 (each waits for release)" in run("status").stdout
    assert f"demo job {held[0]['job']}: course_cancelled to 3" in run("status").stdout
    result = run("cancel", "demo", str(held[0]["job"]), "--reason", "a wrong column")
    assert (result.returncode, result.stdout) == (0, "3 mails will not be sent\n")
    assert status(run)["held_jobs"] == []
    audited = owner.execute(
        "select actor is not null, reason from audit where what = 'cancel_job'"
    ).fetchall()
    assert audited == [(True, "a wrong column")]


@pytest.mark.parametrize("job", ["x", "0", "-1", "1x", ""])
def test_cancel_takes_a_number_alone(run, course, job):
    assert run("cancel", "demo", "--", job).returncode == 64


def test_cancel_of_a_job_that_does_not_exist_is_said(run, course):
    result = run("cancel", "demo", "999999")
    assert result.returncode == 65
    assert "999999" in result.stderr


def test_why_names_each_condition_and_whether_it_holds(run, course):
    result = run("why", "demo", "c1", "p2", "--json")
    assert result.returncode == 0, result.stderr
    conditions = {row["condition"]: row for row in json.loads(result.stdout)}
    assert conditions["the course is published"] == {
        "condition": "the course is published", "holds": True, "detail": "published"
    }  # fmt: skip
    assert conditions["a subject is shared"]["holds"] is False
    assert conditions["matched"]["holds"] is False
    text = run("why", "demo", "c1", "p2").stdout
    assert "yes  the course is published: published\n" in text
    assert "no   a subject is shared\n" in text


@pytest.mark.parametrize("words", [("demo", "c1", "nobody"), ("demo", "nothing", "p1")])
def test_why_of_what_is_unknown_is_an_error(run, course, words):
    result = run("why", *words)
    assert (result.returncode, result.stdout) == (65, "")


def test_another_tenant_s_login_learns_nothing(run, course, databases, cluster):
    stranger = databases.make_login("cli_stranger", "handbell_portal")
    answers = [run("why", tenant, "c1", "p1", user=stranger) for tenant in ("demo", "no-such")]
    assert [answer.returncode for answer in answers] == [77, 77]
    assert answers[0].stderr == answers[1].stderr


def test_tenant_grants_lists_and_revokes(run, databases, course):
    databases.make_login("cli_granted", "handbell_portal")
    assert run("tenant", "grant", "demo", "cli_granted").stdout == "granted\n"
    assert run("why", "demo", "c1", "p1", user="cli_granted").returncode == 0
    listed = run("tenant", "list").stdout
    assert "demo" in listed and "live" in listed and "cli_granted, portal_demo" in listed
    assert run("tenant", "revoke", "demo", "cli_granted").stdout == "revoked\n"
    assert run("why", "demo", "c1", "p1", user="cli_granted").returncode == 77


def test_only_the_owner_grants_a_tenant(run, course):
    assert run("tenant", "grant", "demo", schema.PORTAL, user=schema.PORTAL).returncode == 77


def test_a_tenant_goes_live_once(run, portal):
    Portal(portal).put_tenant(is_live=False)
    assert "loading" in run("tenant", "list").stdout
    assert run("tenant", "live", "demo").stdout == "changed\n"
    assert run("tenant", "live", "demo").stdout == "unchanged\n"


@pytest.mark.parametrize("words", [("list", "x"), ("grant", "demo"), ("live",), ("other", "demo")])
def test_tenant_says_what_it_takes(run, words):
    result = run("tenant", *words)
    assert result.returncode == 64
    assert "grant SLUG LOGIN" in result.stderr


def test_restrict_stops_all_mail_until_it_is_lifted(run, owner, course):
    asked = ("demo", "p1", "--reason", "asked by letter")
    assert run("restrict", *asked).stdout == "changed\n"
    assert run("restrict", *asked).stdout == "unchanged\n"
    conditions = json.loads(run("why", "demo", "c1", "p1", "--json").stdout)
    assert {"condition": "the person is not restricted", "holds": False, "detail": None} in conditions
    audited = owner.execute("select reason from audit where what = 'restrict_person'").fetchall()
    assert audited == [("asked by letter",)]
    assert run("restrict", "--lift", "demo", "p1").stdout == "changed\n"


@pytest.mark.parametrize("word", ["status", "check"])
def test_a_database_without_handbell_is_said(run, cluster, tmp_path, word):
    environment = {
        **os.environ,
        "HANDBELL_DATABASE_URL": cluster.url("postgres"),
        "HANDBELL_SECURITY_KEY_FILE": str(programs.make_key(tmp_path / "key")),
        "HANDBELL_TEMPLATES_DIR": str(process.ROOT / "templates"),
    }
    result = subprocess.run(
        [schema.binary(), word], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 78
    assert "run handbell migrate first" in result.stdout + result.stderr
