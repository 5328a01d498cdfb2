"""Facts that end: removed, renamed, merged. What people said and what is on its way survives."""

import pytest

from tests.support.refusals import BAD_FACT, UNKNOWN_REF, refusal

KINDS = {
    "establishment": {"name": "Oakfield", "urgent_email": "head@a.test"},
    "category": {"kind": "subject", "name": "Maths"},
    "person": {"email": "jo@a.test", "first_name": "Jo", "consent_evidence": "form 7"},
    "course": {"title": "Algebra", "starts_at": "2027-03-01T09:30:00Z", "venue": "Hall"},
    "booking": {"course": "c", "person": "p", "online_url": "https://a.test/"},
}
TRACES = ["Oakfield", "Maths", "Jo", "form 7", "Algebra", "Hall", "a.test"]


@pytest.fixture
def filled(demo):
    demo.call("put_person", "p", {})
    demo.call("put_course", "c", {})
    for kind, facts in KINDS.items():
        demo.call(f"put_{kind}", "x", facts)
    return demo


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_removed_leaves_a_row_without_detail(filled, owner, kind):
    assert filled.call("remove", kind, "x") == "removed"
    for table in (kind, *(["course_session"] if kind == "course" else [])):
        left = str(owner.execute(f"select * from {table}").fetchall())
        assert not [trace for trace in TRACES if trace in left]
    code, message = refusal(filled, "remove", kind, "x")
    assert code == UNKNOWN_REF and message == f'remove "x": no {kind} has this ref'
    assert filled.call(f"put_{kind}", "x", KINDS[kind]) == "created"


def test_removing_needs_a_kind_that_can_be_removed(filled):
    code, message = refusal(filled, "remove", "tenant", "demo")
    assert code == BAD_FACT and "must be establishment" in message


def test_a_removed_persons_word_still_counts_when_the_ref_comes_back(demo, owner):
    demo.put_category("maths")
    demo.put_person("p", interests=["maths"])
    demo.call("opt_out", "p", "alerts")
    demo.call("restrict_person", "p")
    demo.call("remove", "person", "p")
    assert owner.execute("select count(*) from tick").fetchone() == (0,)
    demo.put_person("p", interests=["maths"])
    assert owner.execute("select is_live from tick").fetchone() == (False,)
    assert owner.execute("select is_restricted from person where ref = 'p'").fetchone() == (True,)


def test_a_removed_person_can_be_referred_to_by_nothing_new(filled):
    filled.call("remove", "person", "x")
    facts = {"course": "c", "person": "x"}
    code, message = refusal(filled, "put_booking", "b9", facts)
    assert code == UNKNOWN_REF and 'key "person": no person has the ref "x"' in message
    assert refusal(filled, "opt_out", "x", "alerts")[0] == UNKNOWN_REF


def test_a_course_that_delegates_count_on_is_not_removed(demo):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed")
    code, message = refusal(demo, "remove", "course", "c")
    assert code == BAD_FACT and "cancel it first" in message
    demo.change_course("c", status="cancelled")
    code, message = refusal(demo, "remove", "course", "c")
    assert code == BAD_FACT and "still being told" in message


def test_removing_a_booking_or_person_revokes_its_mail(demo, owner):
    for ref in ("p1", "p2"):
        demo.put_person(ref)
    demo.put_course("c")
    demo.put_booking("b1", "c", "p1", status="confirmed")
    demo.put_booking("b2", "c", "p2", status="confirmed")
    demo.call("remove", "booking", "b1")
    demo.call("remove", "person", "p2")
    assert owner.execute("select count(*) from message").fetchone() == (0,)
    rows = owner.execute("select distinct state, reason from message_record").fetchall()
    assert rows == [("skipped", "removed")]


def test_a_category_that_is_removed_narrows_and_never_widens_who_is_told(demo, owner):
    demo.put_category("maths")
    demo.put_category("heads", "audience")
    demo.put_person("p", interests=["maths", "heads"])
    demo.put_course("c", categories=["maths", "heads"], status="draft")
    demo.call("remove", "category", "maths")
    assert owner.execute("select count(*) from course_category").fetchone() == (2,)
    assert owner.execute("select count(*) from tick").fetchone() == (1,)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ref_is_renamed_and_the_row_stays(filled, owner, kind):
    key = f"{kind}_id"
    before = owner.execute(f"select {key} from {kind} where ref = 'x'").fetchone()
    assert filled.call("rename_ref", kind, "x", "y") == "changed"
    assert owner.execute(f"select {key} from {kind} where ref = 'y'").fetchone() == before
    assert filled.call("rename_ref", kind, "y", "y") == "unchanged"
    assert refusal(filled, "rename_ref", kind, "x", "z")[0] == UNKNOWN_REF
    filled.call(f"put_{kind}", "taken", KINDS[kind])
    code, message = refusal(filled, "rename_ref", kind, "y", "taken")
    assert code == BAD_FACT and message == f'rename_ref "y": another {kind} has the new ref'
    assert refusal(filled, "rename_ref", kind, "y", "a\nb")[0] == BAD_FACT


def test_merging_keeps_places_schools_tutorship_and_the_stricter_word(demo, owner):
    demo.put_establishment("e")
    demo.put_person("keep")
    demo.put_person("gone", establishments=["e"])
    demo.put_course("c1", tutors=["gone"])
    demo.put_course("c2")
    demo.put_booking("b1", "c2", "gone", status="confirmed")
    demo.put_booking("b2", "c1", "keep", booked_by="gone", status="waiting")
    demo.call("opt_out", "gone", "optional", "phone")
    demo.call("restrict_person", "gone")
    assert demo.call("merge_people", "keep", "gone") == "changed"
    (keep,) = owner.execute("select person_id from person where ref = 'keep'").fetchone()
    for query in [
        "select person_id from booking where ref = 'b1'",
        "select booked_by from booking where ref = 'b2'",
        "select person_id from course_tutor",
        "select person_id from person_establishment",
        "select person_id from opt_out",
        "select person_id from message",
        "select person_id from job_recipient",
        "select person_id from person where is_restricted and status = 'active'",
    ]:
        assert owner.execute(query).fetchall() == [(keep,)], query
    assert refusal(demo, "opt_in", "gone", "optional")[0] == UNKNOWN_REF
    gone = owner.execute("select email, first_name, ref from person where status = 'removed'")
    assert gone.fetchall() == [(None, None, None)]


def test_after_a_merge_a_cancellation_is_told_once(demo, owner):
    for ref in ("keep", "gone"):
        demo.put_person(ref)
        demo.call("put_course", "c", {})
    demo.put_course("c")
    demo.put_booking("b1", "c", "keep", status="confirmed", quiet=True)
    demo.put_booking("b2", "c", "gone", status="confirmed", quiet=True)
    demo.change_course("c", status="cancelled")
    assert owner.execute("select count(*) from message").fetchone() == (2,)
    demo.call("merge_people", "keep", "gone")
    assert owner.execute(
        "select p.ref, m.kind from message m join person p using (tenant_id, person_id)"
    ).fetchall() == [("keep", "course_cancelled")]


def test_merging_moves_matches_and_alerts_that_wait(demo, owner):
    demo.put_category("maths")
    demo.put_person("keep", interests=["maths"])
    demo.put_person("gone", interests=["maths"])
    demo.put_course("c", categories=["maths"])
    (tenant,) = owner.execute("select tenant_id from tenant where slug = 'demo'").fetchone()
    owner.execute("select fan_out(%s, 1000)", [tenant])
    demo.call("merge_people", "keep", "gone")
    rows = owner.execute(
        "select p.ref from match join person p using (tenant_id, person_id)"
    ).fetchall()
    assert rows == [("keep",)]
    rows = owner.execute(
        "select p.ref from message join person p using (tenant_id, person_id)"
    ).fetchall()
    assert rows == [("keep",)]


@pytest.mark.parametrize("keep, gone, code", [
    ("p", "p", BAD_FACT), ("p", "none", UNKNOWN_REF), ("none", "p", UNKNOWN_REF),
])  # fmt: skip
def test_only_two_people_who_are_there_can_be_merged(demo, keep, gone, code):
    demo.put_person("p")
    assert refusal(demo, "merge_people", keep, gone)[0] == code


def test_a_draft_on_which_somebody_was_told_that_they_have_a_place_is_cancelled_first(demo, owner):
    demo.put_person("p")
    demo.put_course("c", status="draft")
    demo.put_booking("b", "c", "p", status="confirmed")
    code, message = refusal(demo, "remove", "course", "c")
    assert code == BAD_FACT and "cancel it first" in message
    demo.change_booking("b", status="cancelled")
    assert demo.call("remove", "course", "c") == "removed"
