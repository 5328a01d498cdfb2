"""Values that look like something else: every key, ref, slug and word is inert text to SQL, and what
is refused is refused by Handbell, by key, never by a message of PostgreSQL's that quotes it."""

import psycopg
import pytest

from tests.support.people import make_person
from tests.support.refusals import BAD_FACT, FOREIGN_TENANT, NOT_AVAILABLE, UNKNOWN_REF

MARK = "zqxj"
HOSTILE = [
    f"{MARK}'; drop table handbell.person; --",
    f"{MARK}\" or 1=1 /*",
    f"$${MARK}$$ || pg_sleep(9)",
    f"{MARK}\\'); select 1; --",
    f"%{MARK}%_\\",
    f"{{{MARK},\"a\\\"b\"}}",
    f"({MARK},)",
    f"E'\\x41{MARK}'",
    f"{MARK}::regclass",
]
# Good at first sight, to the eye or to PostgreSQL.
ODD_TEXTS = [
    "1e400 seconds", "99999999999999999999 hours", "-infinity", "infinity", "epoch", "today", "NaN",
    "P1Y", "P1000000000Y", "1 day 25:61", "2026-02-29T09:30:00Z", "2026-11-23T24:00:00Z",
    "2026-11-23T24:00:01Z", "2026-11-23T09:30:60Z", "2026-11-23T09:30:61Z", "2026-11-23T09:30:00+99:99",
    "2026-11-23T09:30:00+16:00", "2026-00-10", "2026-02-30", "posixrules", "Europe/London ", "", " ",
    "x" * 70000, "\u00e9" * 300, "\U0001f514" * 120, "e\u0301" * 200, "a@" + "b" * 64 + ".test",
    "\ud7ff\ue000", "24:00", "00:00", "https://[::1]:99999/", "https://[fe80::1%25eth0]/", "https://a:0/",
]  # fmt: skip
ODD_VALUES = [
    0, -1, 1.5, 1e308, -1e308, 10**40, 2**31, 2**63, True, False, [], [[]], [{}], [None], ["", ""],
    [1, 1], {"a": {}}, [{"starts_at": None}], [{"name": None, "url": None}],
    [{"starts_at": "2026-11-23T09:30:00Z", "ends_at": "2026-11-23T09:30:00Z"}] * 2,
    {"from": "24:00", "to": "24:00"}, {"from": None}, {"days": [1, 1]}, {"brake": 1e300},
    {"digest_hour": 1e-300}, {"joining_instructions_days": None},
]  # fmt: skip
CODES = {BAD_FACT, UNKNOWN_REF, NOT_AVAILABLE, FOREIGN_TENANT}


@pytest.fixture
def school(demo):
    demo.put_category("maths")
    demo.put_person("jo")
    demo.put_course("algebra", status="draft")
    demo.put_booking("b1", "algebra", "jo")
    return demo


def check_refused(error, what):
    """By Handbell, naming no value."""
    assert error.sqlstate in CODES, (what, error.sqlstate, str(error))
    assert error.diag.message_detail is None, what
    # A ref or a key may be repeated; a hostile value may not.
    return error.diag.message_primary


def test_every_key_takes_or_refuses_each_odd_value(school, owner):
    rows = owner.execute(
        "select kind, key from contract_key() where is_available"
        " and kind in ('tenant', 'establishment', 'category', 'person', 'course', 'booking')"
    ).fetchall()
    refs = {"category": "maths", "person": "jo", "course": "algebra", "booking": "b1",
            "establishment": "oak"}  # fmt: skip
    refused = 0
    for kind, key in rows:
        for value in [*ODD_TEXTS, *ODD_VALUES, *HOSTILE[:2]]:
            try:
                with owner.transaction(force_rollback=True):
                    arguments = [refs[kind]] if kind in refs else []
                    type(school)(owner).call(f"put_{kind}", *arguments, {key: value})
            except psycopg.Error as error:
                message = check_refused(error, (kind, key, value))
                assert key in message
                # Refs are repeated on purpose: they are the portal's own ids.
                assert MARK not in message or "has the ref" in message, (kind, key, value)
                refused += 1
    assert refused > 2000


@pytest.mark.parametrize("text", HOSTILE)
def test_sql_in_any_text_is_inert(school, owner, text):
    count = owner.execute("select count(*) from person").fetchone()[0]
    assert school.call("put_person", text, {"first_name": text, "display_name": text}) == "created"
    assert school.call("put_category", text, {"kind": "interest", "name": text}) == "created"
    assert school.call("put_establishment", text, {"name": text}) == "created"
    school.call("put_person", text, {"interests": [text], "establishments": [text]})
    school.call("put_course", text, {"title": text, "series": text, "cancel_reason": text,
                                     "categories": [text], "tutors": [text], "open_to": [text],
                                     "provider": text})  # fmt: skip
    school.call("put_booking", text, {"course": text, "person": text, "booked_by": text})
    rows = school.put_many("person", [{"ref": text + "2", **make_person()}])
    assert rows == [(text + "2", "created", None)]
    assert owner.execute("select set_config('handbell.actor', %s, false)", [text]).fetchone()
    assert school.call("opt_out", text, "alerts", text) == "changed"
    assert school.why(text, text)
    assert len(school.connection.execute(
        "select * from handbell.preview_facts(%s, %s, %s, %s)", ["demo", "reminder", text, text]
    ).fetchall()) == 3  # fmt: skip
    assert school.call("rename_ref", "person", text, text + "3") == "changed"
    assert school.call("merge_people", "jo", text + "3") == "changed"
    assert school.call("remove", "person", text + "2") == "removed"
    stored = owner.execute("select title, series, cancel_reason from course where ref = %s", [text])
    assert stored.fetchone() == (text, text, text)
    assert owner.execute("select count(*) from person").fetchone()[0] == count + 2
    # Where a word of ours is expected, it is refused in our words.
    for arguments in (
        ("opt_out", "jo", text, None), ("remove", text, "jo"), ("rename_ref", text, "jo", "k"),
        ("put_many", text, []), ("go_live",), ("send", text, text, {}),
    ):  # fmt: skip
        tenant = text if arguments == ("go_live",) else "demo"
        with pytest.raises(psycopg.Error) as caught:
            type(school)(school.connection, tenant).call(*arguments)
        check_refused(caught.value, arguments)


def test_sql_on_the_command_line_is_inert(handbell, school, owner):
    for text in HOSTILE:
        for arguments in (
            ("why", text, text, text), ("why", "demo", text, text), ("cancel", text, "1"),
            ("cancel", "demo", text), ("restrict", text, text), ("restrict", "demo", text),
            ("tenant", "grant", text, text), ("tenant", "grant", "demo", text),
        ):  # fmt: skip
            done = handbell.run(*arguments, check=False)
            assert done.returncode != 0 and "syntax" not in done.stderr, (arguments, done.stderr)
    assert owner.execute("select count(*) from person").fetchone()[0] >= 1


@pytest.mark.parametrize("json", [
    r'{"first_name": "\ud800"}', r'{"first_name": "\udc00\ud800"}', r'{"first_name": "a\u0000b"}',
    '{"first_name": "Jo", "first_name": ', "[" * 100_000,
])  # fmt: skip
def test_what_is_no_json_or_no_text_stores_nothing(school, owner, json):
    with pytest.raises(psycopg.Error) as caught:
        school.connection.execute("select handbell.put_person('demo', 'p9', %s::text::jsonb)", [json])
    assert caught.value.sqlstate[:2] in ("22", "54")
    assert owner.execute("select count(*) from person where ref = 'p9'").fetchone() == (0,)


@pytest.mark.parametrize("hex_bytes", ["c0af", "e080af", "eda080", "f4908080", "ff", "c3"])
def test_overlong_and_broken_utf_8_stores_nothing(school, owner, hex_bytes):
    with pytest.raises(psycopg.errors.CharacterNotInRepertoire):
        school.connection.execute(
            """select handbell.put_person('demo', 'p9', jsonb_build_object('first_name',
                   convert_from(decode(%s, 'hex'), 'UTF8')))""",
            [hex_bytes],
        )
    assert owner.execute("select count(*) from person where ref = 'p9'").fetchone() == (0,)
