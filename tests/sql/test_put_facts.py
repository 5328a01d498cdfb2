"""What every put_* keeps to: absent is unchanged, null clears, what is already so changes nothing."""

import datetime

import pytest

from tests.support.refusals import BAD_FACT, UNKNOWN_REF, refusal

PERSON = {"email": "jo@a.test", "title": "Dr", "first_name": "Jo", "consent": True}


def column(owner, table, name, ref):
    return owner.execute(f"select {name} from {table} where ref = %s", [ref]).fetchone()[0]


def count(owner, table):
    return owner.execute(f"select count(*) from {table}").fetchone()[0]


def ago(minutes):
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)
    return moment.isoformat()


def test_an_absent_key_is_unchanged_and_null_clears(demo, owner):
    assert demo.call("put_person", "p", PERSON) == "created"
    assert demo.call("put_person", "p", {"title": None}) == "changed"
    row = owner.execute("select email, title, first_name, consent from person").fetchone()
    assert row == ("jo@a.test", None, "Jo", True)


def test_null_puts_back_what_holds_at_first_sight(demo, owner):
    demo.put_category("maths")
    demo.call("put_person", "p", {"alerts": True, "frequency": "daily", "interests": ["maths"]})
    demo.call("put_person", "p", {"alerts": None, "frequency": None, "interests": None})
    assert owner.execute("select alerts, frequency from person").fetchone() == (False, "immediate")
    assert count(owner, "tick") == 0


def test_first_sight_has_the_contracts_defaults(demo, owner):
    demo.call("put_person", "p", {})
    demo.call("put_course", "c", {})
    demo.call("put_booking", "b", {"course": "c", "person": "p"})
    assert owner.execute(
        "select status, consent, alerts, frequency, language from person"
    ).fetchone() == ("active", False, False, "immediate", None)
    assert owner.execute(
        "select status, is_full, is_private, resources, rules, starts_at from course"
    ).fetchone() == ("draft", False, False, [], {}, None)
    assert column(owner, "booking", "status", "b") == "requested"


def test_a_new_tenant_has_the_contracts_defaults(make_login, owner):
    portal = make_login(tenants=["other"])
    portal.execute("select handbell.put_tenant('other', '{}')")
    assert owner.execute(
        "select is_live, language, time_zone, basis, settle, send_window, holidays, rules"
        " from tenant where slug = 'other'"
    ).fetchone() == (
        False, "en-GB", "Europe/London", "consent", datetime.timedelta(minutes=10), None, [], {},
    )  # fmt: skip


@pytest.mark.parametrize(
    "function, facts",
    [
        ("put_establishment", {"name": "Oakfield", "urgent_email": "head@a.test"}),
        ("put_category", {"kind": "subject", "name": "Maths"}),
        ("put_person", PERSON),
        ("put_course", {"title": "Algebra", "status": "published", "full": True,
                        "sessions": [{"starts_at": "2027-03-01T09:30:00+01:00", "venue": "Hall"}],
                        "resources": [{"name": "Slides", "url": "https://a.test/s"}]}),
    ],
)  # fmt: skip
def test_what_is_already_so_writes_nothing(demo, owner, function, facts):
    assert demo.call(function, "x", facts) == "created"
    table = function.removeprefix("put_")
    before = owner.execute(f"select xmin, * from {table}").fetchall()
    audits = count(owner, "audit")
    assert demo.call(function, "x", facts) == "unchanged"
    assert demo.call(function, "x", {}) == "unchanged"
    assert owner.execute(f"select xmin, * from {table}").fetchall() == before
    assert count(owner, "audit") == audits


def test_the_same_tenant_and_booking_again_write_nothing(demo, owner):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed")
    before = [count(owner, table) for table in ("audit", "job", "message")]
    assert demo.put_booking("b", "c", "p", status="confirmed") == "unchanged"
    assert demo.put_tenant() == "unchanged"
    assert [count(owner, table) for table in ("audit", "job", "message")] == before


def test_lists_replace_the_whole_list_whatever_their_order(demo, owner):
    for ref in ("maths", "art", "music"):
        demo.put_category(ref)
    demo.call("put_person", "p", {"interests": ["maths", "art"]})
    assert demo.call("put_person", "p", {"interests": ["art", "maths", "art"]}) == "unchanged"
    assert demo.call("put_person", "p", {"interests": ["music", "art"]}) == "changed"
    rows = owner.execute(
        "select ref from tick join category using (tenant_id, category_id) order by ref"
    ).fetchall()
    assert rows == [("art",), ("music",)]


def test_each_list_of_a_course_is_stored_and_replaced(demo, owner):
    for ref in ("maths", "art"):
        demo.put_category(ref)
        demo.put_person(f"tutor-{ref}")
        demo.put_establishment(f"school-{ref}")
    facts = {"categories": ["maths"], "tutors": ["tutor-maths"], "open_to": ["school-maths"]}
    assert demo.put_course("c", provider="school-art", **facts) == "created"
    assert demo.change_course("c", **facts) == "unchanged"
    for key, value in [
        ("categories", ["art"]), ("tutors", ["tutor-art"]), ("open_to", ["school-art"]),
    ]:  # fmt: skip
        assert demo.change_course("c", **{key: value}) == "changed"
        keys = owner.execute("select keys from audit order by audit_id desc limit 1").fetchone()[0]
        assert keys == [key]
    assert column(owner, "course", "is_restricted_to_some", "c") is True
    demo.change_course("c", open_to=[])
    assert column(owner, "course", "is_restricted_to_some", "c") is False
    assert demo.change_course("c", provider=None) == "changed"
    assert column(owner, "course", "provider_id", "c") is None


def test_older_facts_that_arrive_later_change_nothing(demo, owner):
    assert demo.call("put_person", "p", {**PERSON, "as_of": ago(10)}) == "created"
    assert demo.call("put_person", "p", {"title": "Ms", "as_of": ago(20)}) == "stale"
    assert column(owner, "person", "title", "p") == "Dr"
    assert demo.call("put_person", "p", {"title": "Ms", "as_of": ago(5)}) == "changed"
    # agreeing later counts as a later word
    assert demo.call("put_person", "p", {"title": "Ms", "as_of": ago(2)}) == "unchanged"
    assert demo.call("put_person", "p", {"title": "Dr", "as_of": ago(3)}) == "stale"
    # without as_of the word is of now
    assert demo.call("put_person", "p", {"title": "Prof"}) == "changed"
    assert demo.call("put_person", "p", {"title": "Dr", "as_of": ago(1)}) == "stale"


def test_every_kind_of_fact_is_guarded_by_as_of(demo):
    demo.put_person("p")
    demo.put_course("c")
    for function, facts, change in [
        ("put_establishment", {"name": "A"}, {"name": "B"}),
        ("put_category", {"kind": "subject"}, {"kind": "audience"}),
        ("put_course", {"title": "A"}, {"title": "B"}),
        ("put_booking", {"course": "c", "person": "p"}, {"status": "declined"}),
    ]:
        assert demo.call(function, "x", facts) == "created"
        assert demo.call(function, "x", {**change, "as_of": ago(1)}) == "stale"
    assert demo.call("put_tenant", {"name": "Other", "as_of": ago(1)}) == "stale"


def test_actor_and_reason_are_kept_with_every_change(demo, owner):
    with demo.connection.transaction():
        demo.connection.execute(
            "select set_config('handbell.actor', 'clerk-7', true),"
            " set_config('handbell.reason', 'phoned', true)"
        )
        demo.call("put_person", "p", PERSON)
    demo.call("put_person", "p", {"title": "Ms"})
    rows = owner.execute(
        "select login, actor, reason, what, ref, keys from audit where ref = 'p' order by audit_id"
    ).fetchall()
    assert rows == [
        ("portal_demo", "clerk-7", "phoned", "put_person", "p", ["consent", "email", "first_name", "title"]),
        ("portal_demo", None, None, "put_person", "p", ["title"]),
    ]


def test_an_open_transaction_that_fails_leaves_no_half_of_it(demo, owner):
    demo.put_category("maths")
    code, _ = refusal(demo, "put_course", "c", {"title": "A", "categories": ["maths"], "tutors": ["none"]})
    assert code == UNKNOWN_REF
    assert count(owner, "course") == count(owner, "course_category") == 0


def test_ticks_follow_what_lets_a_person_be_alerted(demo, owner):
    demo.put_category("maths")
    facts = {**PERSON, "alerts": True, "interests": ["maths"], "frequency": "daily"}
    demo.call("put_person", "p", facts)

    def tick():
        return owner.execute("select is_live, frequency from tick").fetchone()

    assert tick() == (True, "daily")
    for key, off, on in [
        ("alerts", False, True), ("consent", False, True), ("status", "deactivated", "active"),
        ("email", None, "jo@a.test"),
    ]:  # fmt: skip
        demo.call("put_person", "p", {key: off})
        assert tick() == (False, "daily"), key
        demo.call("put_person", "p", {key: on})
        assert tick() == (True, "daily"), key
    demo.call("put_person", "p", {"frequency": "weekly"})
    assert tick() == (True, "weekly")
    demo.call("put_person", "p", {"consent": False})
    demo.call("put_tenant", {"basis": "public_task"})
    assert tick() == (True, "weekly")


def test_a_course_states_sessions_or_the_keys_of_a_single_one_but_not_both(demo):
    session = {"starts_at": "2027-03-01T09:30:00Z"}
    code, message = refusal(demo, "put_course", "c", {"sessions": [session], "venue": "Hall"})
    assert code == BAD_FACT and 'key "venue": belongs to a single session' in message


def test_sessions_are_kept_in_the_order_of_their_start(demo, owner):
    sessions = [
        {"starts_at": "2027-03-08T09:30:00Z", "ends_at": "2027-03-08T12:00:00Z", "ref": "s2"},
        {"starts_at": "2027-03-01T09:30:00Z", "venue": "Hall", "ref": "s1"},
    ]
    assert demo.put_course("c", sessions=sessions) == "created"
    rows = owner.execute("select position, ref, venue from course_session order by 1").fetchall()
    assert rows == [(1, "s1", "Hall"), (2, "s2", None)]
    starts, ends = owner.execute("select starts_at, ends_at from course").fetchone()
    assert starts.isoformat().startswith("2027-03-01T09:30")
    assert ends.isoformat().startswith("2027-03-08T12:00")
    assert demo.change_course("c", sessions=sessions[::-1]) == "unchanged"
    code, message = refusal(demo, "put_course", "c", {"venue": "Gym"})
    assert code == BAD_FACT and "several sessions" in message
    assert demo.change_course("c", sessions=[]) == "changed"
    assert column(owner, "course", "starts_at", "c") is None


def test_a_single_session_keeps_what_is_not_stated(demo, owner):
    demo.call("put_course", "c", {"starts_at": "2027-03-01T09:30:00Z", "venue": "Hall"})
    assert demo.call("put_course", "c", {"ends_at": "2027-03-01T12:00:00Z"}) == "changed"
    assert owner.execute("select venue, ends_at is not null from course_session").fetchone() == ("Hall", True)
    # the same moment in another zone is the same fact
    assert demo.call("put_course", "c", {"starts_at": "2027-03-01T10:30:00+01:00"}) == "unchanged"
    assert demo.call("put_course", "c", {"starts_at": None}) == "changed"
    assert count(owner, "course_session") == 0


def test_a_session_without_a_start_is_refused(demo):
    code, message = refusal(demo, "put_course", "c", {"venue": "Hall"})
    assert code == BAD_FACT and 'key "starts_at": must be given' in message
    code, message = refusal(demo, "put_course", "c", {"sessions": [{"venue": "Hall"}]})
    assert code == BAD_FACT and 'key "sessions[1].starts_at": must be given' in message


def test_an_end_before_the_start_is_refused(demo):
    bad = {"starts_at": "2027-03-01T09:30:00Z", "ends_at": "2027-03-01T09:00:00Z"}
    code, message = refusal(demo, "put_course", "c", bad)
    assert code == BAD_FACT and 'put_course "c": key "ends_at": lies before starts_at' in message
    good = {"starts_at": "2027-02-01T09:30:00Z"}
    code, message = refusal(demo, "put_course", "c", {"sessions": [good, bad]})
    assert code == BAD_FACT and 'key "sessions[2].ends_at"' in message


def test_a_tenant_needs_a_name_an_address_and_pages_before_it_goes_live(make_login):
    portal = make_login(tenants=["other"])
    facts = ['{"name": "Other"}', '{"from_address": "a@b.test"}', '{"base_url": "https://b.test/"}']
    for stated in facts:
        portal.execute("select handbell.put_tenant('other', %s)", [stated])
        if stated is not facts[-1]:
            with pytest.raises(Exception, match="cannot do without it"):
                portal.execute("select handbell.go_live('other')")
    assert portal.execute("select handbell.go_live('other')").fetchone() == ("changed",)
    assert portal.execute("select handbell.go_live('other')").fetchone() == ("unchanged",)


def test_a_booking_moves_to_another_course_and_person(demo, owner):
    demo.put_person("jo")
    demo.put_person("al")
    demo.put_course("c1")
    demo.put_course("c2")
    demo.put_booking("b", "c1", "jo", status="confirmed")
    assert demo.change_booking("b", course="c2", person="al") == "changed"
    waiting = owner.execute(
        "select p.ref, c.ref from message m join job j using (tenant_id, job_id)"
        " join person p on p.person_id = m.person_id join course c using (course_id)"
        " where m.kind = 'booking_confirmed'"
    ).fetchall()
    assert waiting == [("al", "c2")]


def test_a_quiet_change_sends_no_mail(demo, owner):
    demo.put_person("jo")
    demo.put_course("c")
    demo.put_booking("b", "c", "jo", status="confirmed", quiet=True)
    assert count(owner, "message") == 0
    assert demo.put_booking("b2", "c", "jo", status="confirmed") == "created"
    assert count(owner, "message") == 1


@pytest.mark.parametrize("number", ["7.0", "7e0", "70e-1", "7.000"])
def test_a_whole_number_is_one_however_it_is_written(demo, owner, number):
    """Some languages write 7 as 7.0; kept so, it stopped all of the tenant's alerts."""
    rules = f'{{"rules": {{"digest_hour": {number}, "digest_weekday": {number}, "brake": {number},' \
            f'"joining_instructions_days": {number}, "reminder_days": {number}}}}}'
    statement = "select handbell.put_tenant('demo', %s::text::jsonb)"
    assert demo.connection.execute(statement, [rules]).fetchone() == ("changed",)
    (stored,) = owner.execute("select rules::text from tenant").fetchone()
    assert "." not in stored and stored.count("7") == 5
    assert demo.connection.execute(statement, [rules]).fetchone() == ("unchanged",)
    (due,) = owner.execute("select next_digest(tenant_id, 'weekly') from tenant").fetchone()
    assert due.isoweekday() == 7
    demo.put_person("p")
    course = f'{{"title": "x", "status": "published", "starts_at": "2099-01-01T09:30:00Z",' \
             f' "rules": {{"reminder_days": {number}}}}}'
    demo.connection.execute("select handbell.put_course('demo', 'c', %s::text::jsonb)", [course])
    demo.put_booking("b", "c", "p", status="confirmed")
