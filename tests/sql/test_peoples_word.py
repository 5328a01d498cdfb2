"""What people say stands apart from what the portal states, is numbered, and leaves an audit."""

import threading

import pytest

from tests.support.refusals import BAD_FACT, UNKNOWN_REF, refusal
from tests.support.schema import PORTAL


@pytest.fixture
def school(demo):
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])
    return demo


def is_live(owner):
    return owner.execute("select is_live from tick").fetchone()[0]


def changes(demo, after=0):
    return demo.connection.execute(
        "select number, what, person, topic, how from handbell.changes('demo', %s)", [after]
    ).fetchall()


def test_no_put_person_undoes_an_opt_out(school, owner):
    assert school.call("opt_out", "p", "alerts", "said so by telephone") == "changed"
    assert school.call("opt_out", "p", "alerts", "again") == "unchanged"
    assert not is_live(owner)
    for facts in ({"alerts": False}, {"alerts": True}, {"consent": False}, {"consent": True}):
        school.change_person("p", **facts)
    assert not is_live(owner)
    row = owner.execute("select topic, how, evidence from opt_out").fetchone()
    assert row == ("alerts", "portal", "said so by telephone")
    assert school.call("opt_in", "p", "alerts", "form 9") == "changed"
    assert school.call("opt_in", "p", "alerts", "form 9") == "unchanged"
    assert is_live(owner)


def test_a_restriction_is_undone_by_unrestrict_person_alone(school, owner):
    assert school.call("restrict_person", "p", "letter") == "changed"
    assert school.call("restrict_person", "p") == "unchanged"
    school.change_person("p", status="deactivated")
    school.change_person("p", status="active")
    assert not is_live(owner)
    assert school.call("unrestrict_person", "p") == "changed"
    assert is_live(owner)


def test_a_suppression_is_lifted_for_the_persons_present_address(school, owner):
    assert school.call("lift_suppression", "p") == "unchanged"
    owner.execute(
        "insert into suppression (tenant_id, address_hash, reason)"
        " select tenant_id, address_hash(upper(email)), 'bounced' from person where ref = 'p'"
    )
    assert school.call("lift_suppression", "p", "they rang") == "changed"
    assert owner.execute("select count(*) from suppression").fetchone() == (0,)


def test_each_word_is_a_numbered_change_and_an_audit_entry_with_its_evidence(school, owner):
    school.call("opt_out", "p", "bulletin", "letter 1")
    school.call("restrict_person", "p", "letter 2")
    school.call("unrestrict_person", "p", "letter 3")
    school.call("opt_in", "p", "bulletin", "letter 4")
    assert changes(school) == [
        (1, "opt_out", "p", "bulletin", "portal"),
        (2, "restrict_person", "p", None, "portal"),
        (3, "unrestrict_person", "p", None, "portal"),
        (4, "opt_in", "p", "bulletin", "portal"),
    ]
    assert [row[0] for row in changes(school, 3)] == [4]
    assert changes(school, 4) == []
    rows = owner.execute(
        "select what, reason from audit where ref = 'p' and what <> 'put_person' order by audit_id"
    ).fetchall()
    assert rows == [("opt_out", "letter 1"), ("restrict_person", "letter 2"),
                    ("unrestrict_person", "letter 3"), ("opt_in", "letter 4")]  # fmt: skip


def test_numbers_of_changes_become_visible_in_their_order(school, connect):
    """The second waits for the first to commit: a reader can never skip a number."""
    school.put_person("q")
    first = connect(PORTAL, autocommit=False)
    second = connect(PORTAL)
    first.execute("select opt_out('demo', 'p', 'alerts')")
    thread = threading.Thread(target=lambda: second.execute("select opt_out('demo', 'q', 'alerts')"))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive() and changes(school) == []
    first.commit()
    thread.join(10)
    assert [row[:3] for row in changes(school)] == [(1, "opt_out", "p"), (2, "opt_out", "q")]


def test_an_opt_out_and_a_statement_at_once_end_with_the_opt_out(school, connect, owner):
    stating = connect(PORTAL, autocommit=False)
    stating.execute("""select put_person('demo', 'p', '{"alerts": false}')""")
    stating.execute("""select put_person('demo', 'p', '{"alerts": true}')""")
    thread = threading.Thread(target=lambda: school.call("opt_out", "p", "alerts"))
    thread.start()
    thread.join(0.3)
    stating.commit()
    thread.join(10)
    assert not is_live(owner)


@pytest.mark.parametrize("topic", ["everything", "", None, "Alerts"])
def test_an_unknown_topic_is_refused(school, topic):
    for function in ("opt_out", "opt_in"):
        code, message = refusal(school, function, "p", topic)
        assert code == BAD_FACT and 'key "topic": must be alerts, bulletin or optional' in message


@pytest.mark.parametrize(
    "function, arguments",
    [("opt_out", ("alerts",)), ("opt_in", ("alerts",)), ("restrict_person", ()),
     ("unrestrict_person", ()), ("lift_suppression", ())],
)  # fmt: skip
def test_an_unknown_person_and_a_long_evidence_are_refused(school, function, arguments):
    code, message = refusal(school, function, "none", *arguments)
    assert code == UNKNOWN_REF and message == f'{function} "none": no person has this ref'
    code, message = refusal(school, function, "p", *arguments, "x" * 2001)
    assert code == BAD_FACT and 'key "evidence": longer than 2000' in message


def test_a_job_that_is_unknown_cannot_be_cancelled_or_released(school):
    for function in ("cancel_job", "release"):
        assert refusal(school, function, 99)[0] == UNKNOWN_REF


def test_a_cancelled_job_sends_nothing_more_and_is_noted(school, owner):
    school.put_course("c")
    school.put_booking("b", "c", "p", status="confirmed")
    (job,) = owner.execute("select job_id from job where kind = 'booking_confirmed'").fetchone()
    assert school.call("release", job) is False
    assert school.call("cancel_job", job) == 1
    assert owner.execute("select count(*) from message").fetchone() == (0,)
    assert owner.execute("select ref from audit where what = 'cancel_job'").fetchone() == (str(job),)


def test_the_api_has_a_version(portal):
    assert portal.execute("select api_version()").fetchone() == (1,)
