"""Who is alerted of what: the SQL against an independent matcher, and when the mail is due."""

import datetime
import zoneinfo

import pytest

from tests.support.portal import Portal, in_days
from tests.support.population import find_pairs, make_population

# Lines of why() that explain the others, or say what came of it, but are no condition themselves.
DETAILS = {"a subject is shared", "an audience is shared", "an interest is shared", "matched"}
LONDON = zoneinfo.ZoneInfo("Europe/London")


def fan_out_all(owner, tenant="demo", limit=700):
    """Does what the worker does with matching jobs."""
    (tenant_id,) = owner.execute(
        "select tenant_id from tenant_slug where slug = %s", [tenant]
    ).fetchone()
    steps = 0
    while owner.execute("select fan_out(%s, %s)", [tenant_id, limit]).fetchone()[0]:
        steps += 1
        assert steps < 1000, "fan_out never ends"


def state(portal, population):
    """States a whole population: people before the tenant is live, courses one by one after."""
    rules = {"once_per_series": population.is_once_per_series, "brake": 1_000_000}
    portal.put_tenant(is_live=False, basis=population.basis, rules=rules)
    for ref in population.establishments:
        portal.put_establishment(ref)
    for ref, kind in population.categories.items():
        portal.put_category(ref, kind)
    put_all(portal, "person", population.people)
    for person, topic in population.opted_out.items():
        portal.call("opt_out", person, topic, "by telephone")
    for person in population.restricted:
        portal.call("restrict_person", person)
    portal.call("go_live")
    drafts = {ref: {**facts, "status": "draft"} for ref, facts in population.courses.items()}
    put_all(portal, "course", drafts)
    put_all(portal, "booking", population.bookings)


def put_all(portal, kind, facts_by_ref):
    items = [{"ref": ref, **facts} for ref, facts in facts_by_ref.items()]
    problems = [row for row in portal.put_many(kind, items) if row[2] is not None]
    assert not problems, problems[:3]


def read_pairs(owner):
    return owner.execute(
        """select c.ref, p.ref from match m
           join course c on c.tenant_id = m.tenant_id and c.course_id = m.course_id
           join person p on p.tenant_id = m.tenant_id and p.person_id = m.person_id"""
    ).fetchall()


@pytest.mark.parametrize("seed", range(20))
def test_the_pairs_are_those_of_an_independent_matcher(portal, owner, seed):
    population = make_population(seed)
    demo = Portal(portal)
    state(demo, population)
    for ref, facts in population.courses.items():
        demo.change_course(ref, status=facts["status"])
        fan_out_all(owner)
    expected = find_pairs(population)
    assert len(expected) > 300, "a population that proves nothing"
    pairs = read_pairs(owner)
    assert len(pairs) == len(set(pairs))
    missing, surplus = expected - set(pairs), set(pairs) - expected
    assert not missing and not surplus, (sorted(missing)[:5], sorted(surplus)[:5])
    waiting = owner.execute("select person_id from message where kind = 'course_alert'").fetchall()
    assert len(waiting) == len(set(waiting)) == len({person for _, person in expected})

    # Published a second time, nobody is told a second time.
    for ref, facts in population.courses.items():
        if facts["status"] == "published":
            demo.change_course(ref, status="postponed")
            demo.change_course(ref, status="published")
    fan_out_all(owner)
    assert set(read_pairs(owner)) - set(pairs) == set()


def make_small_population(seed):
    return make_population(seed, person_count=120, course_count=12)


# Seeds without "once per series": whether a series was told changes with each match.
@pytest.mark.parametrize(
    "seed",
    [seed for seed in range(100, 112) if not make_small_population(seed).is_once_per_series][:4],
)
def test_why_says_yes_exactly_where_the_matcher_does(portal, owner, seed):
    population = make_small_population(seed)
    demo = Portal(portal)
    state(demo, population)
    for ref, facts in population.courses.items():
        demo.change_course(ref, status=facts["status"])
    expected = find_pairs(population)
    assert not population.is_once_per_series
    assert expected
    for course in population.courses:
        for person in population.people:
            conditions = demo.why(course, person)
            needed = [holds for name, (holds, _) in conditions.items() if name not in DETAILS]
            assert all(needed) == ((course, person) in expected), (course, person, conditions)
            assert not conditions["matched"][0]
    fan_out_all(owner)
    for course, person in sorted(expected)[:20]:
        assert demo.why(course, person)["matched"][0], (course, person)


@pytest.fixture
def reader(demo):
    """One person, who ticks one subject."""
    demo.put_category("maths")
    demo.put_person("p1", interests=["maths"])
    return "p1"


def read_due(owner):
    return [row[0] for row in owner.execute("select due from message order by due").fetchall()]


def test_alerts_wait_the_settling_time_from_the_first_match_then_go_together(demo, owner, reader):
    demo.put_tenant(settle="10 min")
    before = datetime.datetime.now(datetime.timezone.utc)
    demo.put_course("c1", categories=["maths"])
    fan_out_all(owner)
    (first_due,) = read_due(owner)
    settle = datetime.timedelta(minutes=10)
    assert before + settle <= first_due <= datetime.datetime.now(datetime.timezone.utc) + settle
    demo.put_course("c2", categories=["maths"])
    fan_out_all(owner)
    assert read_due(owner) == [first_due]
    assert len(read_pairs(owner)) == 2


def next_local(hour, weekday=None):
    """The next time it is this hour in London (on this ISO weekday)."""
    now = datetime.datetime.now(LONDON)
    day = now.date()
    while True:
        moment = datetime.datetime.combine(day, datetime.time(hour), LONDON)
        if moment > now and weekday in (None, day.isoweekday()):
            return moment
        day += datetime.timedelta(days=1)


@pytest.mark.parametrize("hour", [0, 7, 12, 13, 23])
def test_daily_readers_get_one_mail_at_the_tenants_local_hour(demo, owner, reader, hour):
    demo.put_tenant(rules={"digest_hour": hour})
    demo.change_person("p1", frequency="daily")
    expected = next_local(hour)
    demo.put_course("c1", categories=["maths"])
    demo.put_course("c2", categories=["maths"])
    fan_out_all(owner)
    assert read_due(owner) == [expected]


@pytest.mark.parametrize("weekday", range(1, 8))
def test_weekly_readers_get_one_mail_on_the_tenants_weekday(demo, owner, reader, weekday):
    demo.put_tenant(rules={"digest_hour": 6, "digest_weekday": weekday})
    demo.change_person("p1", frequency="weekly")
    expected = next_local(6, weekday)
    demo.put_course("c1", categories=["maths"])
    fan_out_all(owner)
    assert read_due(owner) == [expected]


def test_alerts_wait_for_the_tenants_window(demo, owner, reader):
    tomorrow = datetime.datetime.now(LONDON).date() + datetime.timedelta(days=1)
    window = {"from": "08:00", "to": "18:00", "days": [tomorrow.isoweekday()]}
    demo.put_tenant(send_window=window)
    demo.put_course("c1", categories=["maths"])
    fan_out_all(owner)
    assert read_due(owner) == [datetime.datetime.combine(tomorrow, datetime.time(8), LONDON)]


def test_alerts_pass_over_the_tenants_holidays(demo, owner, reader):
    today = datetime.datetime.now(LONDON).date()
    days = [today + datetime.timedelta(days=number) for number in range(9)]
    window = {"from": "08:00", "to": "18:00", "days": [1, 2, 3, 4, 5, 6, 7]}
    demo.put_tenant(send_window=window, holidays=[day.isoformat() for day in days[:-1]])
    demo.put_course("c1", categories=["maths"])
    fan_out_all(owner)
    assert read_due(owner) == [datetime.datetime.combine(days[-1], datetime.time(8), LONDON)]


def test_a_course_that_becomes_public_or_free_again_is_told_then(demo, owner, reader):
    demo.put_course("c1", categories=["maths"], private=True)
    fan_out_all(owner)
    assert read_pairs(owner) == []
    demo.change_course("c1", private=False, full=True)
    fan_out_all(owner)
    assert read_pairs(owner) == []
    demo.change_course("c1", full=False)
    fan_out_all(owner)
    assert read_pairs(owner) == [("c1", "p1")]


def test_somebody_who_ticks_later_is_not_told_of_older_courses(demo, owner, reader):
    demo.put_course("c1", categories=["maths"], starts_at=in_days(30), ends_at=in_days(30, 15))
    fan_out_all(owner)
    demo.put_person("p2", interests=["maths"])
    fan_out_all(owner)
    assert read_pairs(owner) == [("c1", "p1")]
