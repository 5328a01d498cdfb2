"""Bad facts are refused by function, ref and key, never by value, and leave nothing behind."""

import pytest

from tests.support.refusals import BAD_FACT, NOT_AVAILABLE, UNKNOWN_REF, refusal

LONG = "x" * 30000

# function, facts, SQLSTATE, what the message holds
BAD = [
    ("put_person", {"emial": "jo@a.test"}, BAD_FACT, 'key "emial": unknown key; did you mean "email"?'),
    ("put_person", {"zzzzzzzz": 1}, BAD_FACT, 'key "zzzzzzzz": unknown key'),
    ("put_person", {"jo@a.test": True}, BAD_FACT, "a key that is not a name"),
    ("put_person", [], BAD_FACT, "facts must be a JSON object"),
    ("put_person", {"email": 7}, BAD_FACT, 'key "email": must be a JSON string, not number'),
    ("put_person", {"alerts": "yes"}, BAD_FACT, 'key "alerts": must be a JSON boolean, not string'),
    ("put_person", {"interests": "maths"}, BAD_FACT, 'key "interests": must be a JSON array'),
    ("put_person", {"interests": [1]}, BAD_FACT, "must hold JSON strings alone"),
    ("put_person", {"interests": [""]}, BAD_FACT, 'key "interests": a ref must be given'),
    ("put_person", {"interests": ["maths", "none"]}, UNKNOWN_REF, 'no category has the ref "none"'),
    ("put_person", {"establishments": ["none"]}, UNKNOWN_REF, 'no establishment has the ref "none"'),
    ("put_person", {"status": "removed"}, BAD_FACT, "must be one of active, deactivated"),
    ("put_person", {"status": None}, BAD_FACT, 'key "status": must not be null'),
    ("put_person", {"frequency": "hourly"}, BAD_FACT, 'key "frequency": must be one of'),
    ("put_person", {"first_name": "x" * 101}, BAD_FACT, "longer than 100 characters"),
    ("put_person", {"first_name": "Jo\r\nBcc: x"}, BAD_FACT, "must be one line"),
    ("put_person", {"last_name": "O\tB"}, BAD_FACT, "must be one line"),
    ("put_person", {"last_name": "O\u0085B"}, BAD_FACT, "must be one line"),
    ("put_person", {"consented_at": "2026-11-22 09:00"}, BAD_FACT, "a time with its zone"),
    ("put_person", {"consented_at": "2026-02-30T09:00:00Z"}, BAD_FACT, "no such date"),
    ("put_person", {"consented_at": "2026-02-20T25:00:00Z"}, BAD_FACT, "no such date or time"),
    ("put_person", {"consented_at": "now"}, BAD_FACT, "a time with its zone"),
    ("put_person", {"consented_at": "0001-01-01T00:00:00Z"}, BAD_FACT, "between the years"),
    ("put_person", {"as_of": "2199-01-01T00:00:00Z"}, BAD_FACT, "more than a day ahead"),
    ("put_person", {"language": "Welsh"}, BAD_FACT, "must be a language tag"),
    ("put_person", {"language": "fr"}, NOT_AVAILABLE, 'key "language": only en-GB and cy'),
    ("put_person", {"language": "cy-GB"}, NOT_AVAILABLE, 'key "language": only en-GB and cy'),
    ("put_person", {"role": "teacher"}, NOT_AVAILABLE, 'key "role": not available yet'),
    ("put_person", {"bulletin": None}, NOT_AVAILABLE, 'key "bulletin": not available yet'),
    ("put_course", {"title": LONG}, BAD_FACT, "longer than 300 characters"),
    ("put_course", {"joining_instructions": "a\u0007b"}, BAD_FACT, "control characters"),
    ("put_course", {"joining_instructions": "a\rb"}, BAD_FACT, "control characters"),
    ("put_course", {"joining_instructions": "a\r\r\nb"}, BAD_FACT, "control characters"),
    ("put_course", {"booking_url": "javascript:alert(1)"}, BAD_FACT, "must begin with https://"),
    ("put_course", {"booking_url": "//evil.test/"}, BAD_FACT, "must begin with https://"),
    ("put_course", {"booking_url": "https://a.test/ b"}, BAD_FACT, "without blanks"),
    ("put_course", {"booking_url": "https://u:p@a.test/"}, BAD_FACT, "user name or a password"),
    ("put_course", {"booking_url": 'https://a.test/"><script>'}, BAD_FACT, "RFC 3986"),
    ("put_course", {"booking_url": "https://"}, BAD_FACT, "no proper host"),
    ("put_course", {"booking_url": "https://a..test/"}, BAD_FACT, "no proper host"),
    ("put_course", {"resources": [{"name": "x"}]}, BAD_FACT, 'key "resources[1].url": must be given'),
    ("put_course", {"resources": [{"name": "x", "url": "ftp://a.test"}]}, BAD_FACT, "resources[1].url"),
    ("put_course", {"provider": "none"}, UNKNOWN_REF, 'key "provider": no establishment has the ref'),
    ("put_course", {"tutors": ["none"]}, UNKNOWN_REF, 'key "tutors": no person has the ref "none"'),
    ("put_course", {"open_to": ["none"]}, UNKNOWN_REF, 'key "open_to": no establishment'),
    ("put_course", {"status": "published"}, BAD_FACT, 'key "title": a published course has a title'),
    ("put_course", {"rules": {"joining_instructions_days": 91}}, BAD_FACT, "whole number from 0 to 90"),
    ("put_course", {"rules": {"brake": 1}}, BAD_FACT, 'key "rules.brake": unknown key'),
    ("put_course", {"evaluation_url": "https://a.test"}, NOT_AVAILABLE, 'key "evaluation_url"'),
    ("put_course", {"categories": [str(n) for n in range(501)]}, BAD_FACT, "more than 500 entries"),
    ("put_booking", {}, BAD_FACT, 'key "course": must be given at first sight'),
    ("put_booking", {"course": "none", "person": "jo"}, UNKNOWN_REF, 'no course has the ref "none"'),
    ("put_booking", {"course": "algebra", "person": "none"}, UNKNOWN_REF, "no person has the ref"),
    ("put_booking", {"course": "algebra", "person": "jo", "booked_by": "none"}, UNKNOWN_REF, "booked_by"),
    ("put_booking", {"course": "algebra", "person": "jo", "status": "maybe"}, BAD_FACT, "must be one of"),
    ("put_booking", {"course": None}, BAD_FACT, 'key "course": must not be null'),
    ("put_category", {"name": "Maths"}, BAD_FACT, 'key "kind": must be given at first sight'),
    ("put_category", {"kind": "topic"}, BAD_FACT, "must be one of subject, audience, interest"),
    ("put_establishment", {"leads": ["jo"]}, NOT_AVAILABLE, 'key "leads": not available yet'),
    ("put_establishment", {"urgent_email": "head"}, BAD_FACT, 'key "urgent_email": not a mail address'),
]
BAD_TENANT = [
    ({"base_url": "http://cpd.example.org"}, BAD_FACT, "https://"),
    ({"base_url": "https://cpd.example.org/?a=1"}, BAD_FACT, "query"),
    ({"base_url": "http://127.0.0.1.evil.test/"}, BAD_FACT, "https://"),
    ({"time_zone": "Europe/Nowhere"}, BAD_FACT, "not a time zone"),
    ({"settle": "25 hours"}, BAD_FACT, "between 0 and 24 hours"),
    ({"settle": "-1 min"}, BAD_FACT, "between 0 and 24 hours"),
    ({"settle": "soon"}, BAD_FACT, "a length of time"),
    ({"basis": "habit"}, BAD_FACT, "must be one of consent"),
    ({"bounce_domain": "-a.test"}, BAD_FACT, "not a domain"),
    ({"bounce_domain": "b.sch\u00f6n.test"}, BAD_FACT, "domain in ASCII"),
    ({"from_address": "cpd@sch\u00f6n.test"}, BAD_FACT, "domain in ASCII"),
    ({"from_address": "cpd@-a.test"}, BAD_FACT, "not a mail address"),
    ({"holidays": ["2026-12-25", "2026-13-01"]}, BAD_FACT, "no such date"),
    ({"holidays": ["Christmas"]}, BAD_FACT, "must hold dates"),
    ({"send_window": {"from": "18:00", "to": "08:00"}}, BAD_FACT, "must open before it closes"),
    ({"send_window": {"from": "8 am"}}, BAD_FACT, 'key "send_window.from"'),
    ({"send_window": {"days": []}}, BAD_FACT, 'key "send_window.days"'),
    ({"send_window": {"days": [0]}}, BAD_FACT, "whole number from 1 to 7"),
    ({"rules": {"digest_hour": 24}}, BAD_FACT, "whole number from 0 to 23"),
    ({"rules": {"digest_hour": 1.5}}, BAD_FACT, "whole number from 0 to 23"),
    ({"rules": {"brake": "none"}}, BAD_FACT, 'key "rules.brake": must be a JSON number'),
    ({"rules": {"break": 7}}, BAD_FACT, 'did you mean "brake"?'),
    ({"admins": ["jo"]}, NOT_AVAILABLE, 'key "admins"'),
    ({"from_address": None}, BAD_FACT, 'key "from_address": a tenant that is live'),
]
SPECIAL = [
    "special_requirements", "Special-Requirements", "specialRequirements", "dietary",
    "dietary_requirements", "access_requirements", "accessibility", "medical", "medical_conditions",
    "disability", "disabilities", "allergies", "health", "ethnicity", "ethnic origin", "religion",
    "sexual_orientation", "trade_union_membership", "SEN",
]  # fmt: skip
TABLES = ["tenant", "establishment", "category", "person", "tick", "course", "course_session",
          "booking", "job", "message", "change"]  # fmt: skip


@pytest.fixture
def school(demo):
    demo.put_category("maths")
    demo.put_person("jo")
    demo.put_course("algebra", status="draft")
    return demo


def contents(owner):
    return {table: owner.execute(f"select * from {table} order by 1, 2").fetchall() for table in TABLES}


def test_each_bad_fact_is_refused_by_function_ref_and_key_and_leaves_nothing(school, owner):
    before = contents(owner)
    for function, facts, code, words in BAD:
        seen, message = refusal(school, function, "r1", facts)
        assert (seen, message.startswith(f'{function} "r1": ')) == (code, True), (facts, message)
        assert words in message, (facts, message)
    assert contents(owner) == before


def test_each_bad_fact_of_a_tenant_is_refused(school, owner):
    before = contents(owner)
    for facts, code, words in BAD_TENANT:
        seen, message = refusal(school, "put_tenant", facts)
        assert seen == code and words in message, (facts, message)
    assert contents(owner) == before


@pytest.mark.parametrize("key", SPECIAL)
def test_special_category_data_is_refused_by_name_and_told_why(school, key):
    for function in ("put_person", "put_booking", "put_course"):
        code, message = refusal(school, function, "r1", {key: "vegan"})
        assert code == BAD_FACT
        assert "stores nothing about health, diet" in message and "vegan" not in message


def test_no_refusal_repeats_a_value(school):
    secret = "Sesquipedalian"
    for key, value in [
        ("email", f"{secret} at a.test"), ("first_name", f"{secret}\n"), ("frequency", secret),
        ("consented_at", secret), ("interests", secret), ("alerts", secret), (f"{secret}@a.test", 1),
    ]:  # fmt: skip
        assert secret not in refusal(school, "put_person", "r1", {key: value})[1]
    for key in ("booking_url", "booking_closes_at", "resources", "status", "sessions"):
        assert secret not in refusal(school, "put_course", "r1", {key: secret})[1]


def test_each_key_that_is_not_available_yet_is_refused_whatever_its_value(school, owner):
    rows = owner.execute("select kind, key from contract_key() where not is_available").fetchall()
    assert len(rows) >= 15
    for kind, key in rows:
        refs = [] if kind == "tenant" else ["r1"]
        for value in (None, "x", [], True):
            code, message = refusal(school, f"put_{kind}", *refs, {key: value})
            assert (code, f'key "{key}": not available yet' in message) == (NOT_AVAILABLE, True)


def test_each_key_refuses_each_json_type_that_is_not_its_own(school, owner):
    samples = {"string": "x", "number": 1, "boolean": True, "array": [], "object": {}}
    own = {"boolean": "boolean", "refs": "array", "dates": "array", "sessions": "array",
           "resources": "array", "rules": "object", "course rules": "object",
           "window": "object", "brand": "object", "retention": "object"}  # fmt: skip
    rows = owner.execute(
        "select kind, key, type from contract_key() where is_available"
        " and kind in ('tenant', 'establishment', 'category', 'person', 'course', 'booking')"
    ).fetchall()
    for kind, key, type_ in rows:
        refs = [] if kind == "tenant" else ["r1"]
        for name, sample in samples.items():
            if name != own.get(type_, "string"):
                code, message = refusal(school, f"put_{kind}", *refs, {key: sample})
                assert code == BAD_FACT and f'key "{key}": must be a JSON ' in message


@pytest.mark.parametrize("ref", ["", "a\nb", "a\u0000b".replace("\u0000", "\u0001"), "x" * 201, None])
def test_a_bad_ref_is_refused_without_being_repeated(school, ref):
    code, message = refusal(school, "put_person", ref, {})
    assert code == BAD_FACT and message.startswith("put_person: a ref ")


def test_facts_have_a_size_limit(school):
    facts = {"resources": [{"name": "x" * 200, "url": "https://a.test/" + "y" * 1900}] * 50}
    assert school.call("put_course", "big", facts) == "created"
    # a long text of one kind of byte is not what counts: 300 KB of it are
    code, message = refusal(school, "put_course", "r1", {"summary": "x" * 300000})
    assert code == BAD_FACT and "more than 256 KB" in message


def test_a_list_has_a_limit(school):
    session = {"starts_at": "2026-11-23T09:30:00Z"}
    code, message = refusal(school, "put_course", "r1", {"sessions": [session] * 201})
    assert code == BAD_FACT and 'key "sessions": more than 200 entries' in message


@pytest.mark.parametrize(
    "function, arguments",
    [
        ("send", ("bulletin", "k1", {})), ("resend", (1,)), ("withdraw", ("jo",)),
        ("erase_person", ("jo",)), ("export_person", ("jo",)),
    ],
)  # fmt: skip
def test_a_function_that_is_not_available_yet_says_so(school, function, arguments):
    code, message = refusal(school, function, *arguments)
    assert code == NOT_AVAILABLE and "not available yet" in message


def test_texts_carry_what_is_harmless_as_itself(school, owner):
    carried = "{{x}} %s <script>alert(1)</script> ';-- \u2028\u2029 \u202e \u0416 \U0001f514"
    school.put_person("p1", first_name=carried)
    row = owner.execute("select first_name from person where ref = 'p1'").fetchone()
    assert row[0] == carried


def test_line_ends_of_a_long_text_become_lf(school, owner):
    school.call("put_course", "c1", {"joining_instructions": "one\r\ntwo\nthree"})
    row = owner.execute("select joining_instructions from course where ref = 'c1'").fetchone()
    assert row[0] == "one\ntwo\nthree"
    assert school.call("put_course", "c1", {"joining_instructions": "one\r\ntwo\nthree"}) == "unchanged"
