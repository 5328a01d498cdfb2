"""A session is itself for good: its key follows it through every change, and is never another's."""

import random

import pytest

from tests.support.portal import in_days
from tests.support.queue_calls import tenant_id_of
from tests.support.refusals import BAD_FACT, refusal

A, B, C = ({"ref": ref, "starts_at": in_days(day)} for ref, day in (("a", 10), ("b", 11), ("c", 12)))


def bare(*days):
    return [{"starts_at": in_days(day)} for day in days]


def keys(owner):
    return [key for (key,) in owner.execute("select key from course_session order by position")]


def gone(owner):
    return [key for (key,) in owner.execute("select key from course_session_gone order by key")]


def sequence(owner):
    return owner.execute("select sequence from course").fetchone()[0]


# what was stated before, what is stated then, the keys then, the keys of those gone
CHANGES = [
    ("one goes", [A, B, C], [A, C], [1, 3], [2]),
    ("one comes, before the others", [B, C], [A, B, C], [3, 1, 2], []),
    ("one moves past another", [A, B, C], [{**A, "starts_at": in_days(13)}, B, C], [2, 3, 1], []),
    ("two change places", [A, B], [{**A, "starts_at": in_days(11)}, {**B, "starts_at": in_days(10)}],
     [2, 1], []),
    ("another ref at the same time", [A], [{**A, "ref": "z"}], [2], [1]),
    ("without refs, the start tells", bare(10, 11, 12), bare(10, 12), [1, 3], [2]),
    ("without refs, one moves", bare(10, 11, 12), bare(10, 13, 12), [1, 3, 2], []),
    ("without refs, all move", bare(10, 11), bare(20, 21), [1, 2], []),
    ("without refs, all move and one goes", bare(10, 11), bare(20), [1], [2]),
    ("two of the same start", bare(10, 10), bare(10, 10, 11), [1, 2, 3], []),
    ("refs are stated later", bare(10, 11), [A, B], [1, 2], []),
    ("refs are stated no more", [A, B], bare(10, 11), [1, 2], []),
    ("none are left", [A, B], [], [], [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize("before, then, living, vanished", [row[1:] for row in CHANGES],
                         ids=[row[0] for row in CHANGES])  # fmt: skip
def test_the_same_session_keeps_its_key(demo, owner, before, then, living, vanished):
    demo.put_course("c", sessions=before)
    assert keys(owner) == list(range(1, len(before) + 1)) and gone(owner) == []
    assert demo.change_course("c", sessions=then) == "changed"
    assert (keys(owner), gone(owner)) == (living, vanished)
    assert demo.change_course("c", sessions=then) == "unchanged"
    assert (keys(owner), gone(owner)) == (living, vanished)


def test_a_session_that_comes_back_is_itself_again_and_a_new_one_gets_a_new_key(demo, owner):
    demo.put_course("c", sessions=[A, B])
    demo.change_course("c", sessions=[A])
    demo.change_course("c", sessions=[A, B])
    assert (keys(owner), gone(owner)) == ([1, 2], [])
    demo.change_course("c", sessions=[A])
    demo.change_course("c", sessions=[A, C])
    assert (keys(owner), gone(owner)) == ([1, 3], [2])


def test_without_refs_too_a_session_comes_back_by_its_start(demo, owner):
    demo.put_course("c", sessions=bare(10, 11))
    demo.change_course("c", sessions=bare(10))
    demo.change_course("c", sessions=bare(10, 11))
    assert (keys(owner), gone(owner)) == ([1, 2], [])


def test_no_key_is_used_again_whatever_comes_and_goes(demo, owner):
    demo.put_course("c", sessions=[])
    seen = set()
    for number in range(20):
        demo.change_course("c", sessions=[{"ref": f"s{number}", "starts_at": in_days(10)}])
        (key,) = keys(owner)
        assert key not in seen
        seen.add(key)
    assert sorted(gone(owner)) == sorted(seen - {key})


def test_whatever_is_stated_a_ref_and_its_key_stay_together_and_no_two_share_one(demo, owner):
    chance = random.Random(7)
    key_of, ref_of = {}, {}
    demo.put_course("c", sessions=[])
    for _ in range(60):
        refs = chance.sample("abcdefghij", chance.randrange(8))
        demo.change_course("c", sessions=[
            {"ref": ref, "starts_at": in_days(chance.randrange(10, 30))} for ref in refs
        ])  # fmt: skip
        rows = owner.execute("select ref, key from course_session").fetchall()
        assert sorted(ref for ref, _ in rows) == sorted(refs)
        for ref, key in rows:
            assert key_of.setdefault(ref, key) == key and ref_of.setdefault(key, ref) == ref
        assert set(gone(owner)) == set(ref_of) - {key for _, key in rows}


def test_without_refs_as_many_as_stay_keep_a_key_and_none_is_given_twice(demo, owner):
    chance = random.Random(8)
    demo.put_course("c", sessions=[])
    before = {}
    for _ in range(60):
        demo.change_course("c", sessions=bare(*(chance.randrange(10, 16) for _ in range(chance.randrange(6)))))
        rows = owner.execute("select key, starts_at from course_session order by position").fetchall()
        now = dict(rows)
        assert len(now) == len(rows), "two sessions share a key"
        assert not set(now) & set(gone(owner))
        # A session that did not move is the same session.
        for start in set(now.values()) & set(before.values()):
            held = {key for key in before if before[key] == start}
            assert held & {key for key in now if now[key] == start}
        before = now


def test_a_single_session_stated_by_the_courses_own_keys_is_one_and_the_same(demo, owner):
    demo.put_course("c")
    demo.change_course("c", starts_at=in_days(20), ends_at=in_days(20, 12), venue="Elsewhere")
    assert keys(owner) == [1]
    demo.change_course("c", starts_at=None, ends_at=None, venue=None)
    assert (keys(owner), gone(owner)) == ([], [1])


def test_what_is_long_past_is_forgotten_and_200_at_most_are_kept(demo, owner):
    demo.put_course("c", sessions=[{"ref": "old", "starts_at": in_days(-40)}, A])
    demo.change_course("c", sessions=[A])
    assert gone(owner) == []
    demo.change_course("c", sessions=[
        {"ref": f"s{number}", "starts_at": in_days(20 + number)} for number in range(150)
    ])  # fmt: skip
    demo.change_course("c", sessions=[
        {"ref": f"t{number}", "starts_at": in_days(20 + number)} for number in range(150)
    ])  # fmt: skip
    assert gone(owner) == [2, *range(3, 153)]
    demo.change_course("c", sessions=[])
    assert len(gone(owner)) == 200


def test_two_sessions_of_one_ref_are_refused(demo):
    code, message = refusal(demo, "put_course", "c", {"sessions": [A, B, {**C, "ref": "a"}]})
    assert (code, 'key "sessions[3].ref": an earlier session has the same' in message) == (BAD_FACT, True)


def test_the_sequence_rises_with_what_a_calendar_shows_and_with_nothing_else(demo, owner):
    demo.put_course("c", sessions=[A])
    assert sequence(owner) == 0
    for number, facts in enumerate([
        {"title": "Another"}, {"sessions": [{**A, "venue": "Town Hall"}]}, {"status": "postponed"},
        {"sessions": [A, B]}, {"status": "published"}, {"status": "cancelled", "title": "A third"},
    ], 1):  # fmt: skip
        demo.change_course("c", **facts)
        assert sequence(owner) == number
        assert demo.change_course("c", **facts) == "unchanged"
        demo.change_course("c", summary=f"Text {number}", cost=f"£{number}")
        assert sequence(owner) == number


def test_the_claim_says_what_a_calendar_needs(demo, owner):
    demo.put_course("c", sessions=[{**A, "ends_at": in_days(10, 15)}, B])
    demo.change_course("c", sessions=[B])
    (data,) = owner.execute(
        "select data from courses_json(%s, array(select course_id from course), 'Europe/London')",
        [tenant_id_of(owner)],
    ).fetchone()
    (start, end, other) = owner.execute(
        "select extract(epoch from %s::timestamptz)::bigint, extract(epoch from %s::timestamptz)::bigint,"
        " extract(epoch from %s::timestamptz)::bigint",
        [A["starts_at"], in_days(10, 15), B["starts_at"]],
    ).fetchone()
    (session,) = data["sessions"]
    assert (session["key"], session["starts_unix"], session["ends_unix"]) == (2, other, None)
    assert data["gone_sessions"] == [{"key": 1, "starts_unix": start, "ends_unix": end}]
    assert data["sequence"] == 1


@pytest.mark.parametrize("day, hour, zone", [
    ("2027-03-27", 9, "GMT"), ("2027-03-28", 8, "BST"), ("2027-10-30", 8, "BST"), ("2027-10-31", 9, "GMT"),
])  # fmt: skip
def test_local_times_are_right_on_either_side_of_both_changes_of_the_clock(demo, owner, day, hour, zone):
    """At half past nine in London, whatever that is by UTC."""
    demo.put_course("c", sessions=[{"starts_at": f"{day}T{hour:02}:30:00Z"}])
    (data,) = owner.execute(
        "select data from courses_json(%s, array(select course_id from course), 'Europe/London')",
        [tenant_id_of(owner)],
    ).fetchone()
    assert data["sessions"][0]["starts_local"] == f"{day}T09:30"
    assert data["sessions"][0]["zone"] == zone
