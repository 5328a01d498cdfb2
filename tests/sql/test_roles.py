"""Each role can do what is granted to it and nothing else; each login acts for its own tenants."""

import psycopg
import pytest

from tests.support.refusals import FOREIGN_TENANT
from tests.support.schema import PORTAL, RETENTION, WEB, WORKER

DENIED = "42501"
CALLS = [
    "put_tenant('demo', '{}')", "put_establishment('demo', 'x', '{}')",
    "put_category('demo', 'x', '{}')", "put_person('demo', 'x', '{}')",
    "put_course('demo', 'x', '{}')", "put_booking('demo', 'x', '{}')",
    "put_many('demo', 'person', '[]')", "remove('demo', 'person', 'x')",
    "rename_ref('demo', 'person', 'x', 'y')", "merge_people('demo', 'x', 'y')", "go_live('demo')",
    "send('demo', 'bulletin', 'k', '{}')", "cancel_job('demo', 1)", "release('demo', 1)",
    "resend('demo', 1)", "opt_out('demo', 'x', 'alerts')", "opt_in('demo', 'x', 'alerts')",
    "withdraw('demo', 'x')", "restrict_person('demo', 'x')", "unrestrict_person('demo', 'x')",
    "erase_person('demo', 'x')", "export_person('demo', 'x')", "lift_suppression('demo', 'x')",
    "why('demo', 'x', 'y')", "preview_facts('demo', 'reminder', 'x', 'y')", "changes('demo', 0)",
]  # fmt: skip
VIEWS = ["message_report", "course_report", "job_report", "not_told"]
WORKER_CALLS = [
    "worker_start(gen_random_uuid())", "due_work(0, 1)", "fan_out(1, 1)", "fire_rules(1)",
    "in_flight_tenants(gen_random_uuid())", "housekeep()",
]  # fmt: skip
INSIDE = [
    "store_person(1, 'x', '{}')", "add_job(1, 'course_alert', 1, null, 0)",
    "grant_tenant('portal_demo', 'other')", "set_opt_out(1, 1, 'alerts', 'page', null)",
    "revoke_job(1, 1)", "note_told(1, 1, '{}')", "people_of_course(1, 1, true)", "add_audit(1, 'x', 'x', '{}')", "record(1, null, '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
]  # fmt: skip
DDL = [
    "create table handbell.mine (a int)", "create function handbell.mine() returns int language sql as 'select 1'",
    "alter table handbell.person add column a int", "drop table handbell.person",
    "drop function handbell.api_version()", "create schema mine", "drop schema handbell cascade",
    "create trigger t before insert on handbell.person execute function suppress_redundant_updates_trigger()",
    "alter role current_user superuser", "set role handbell_owner", "set session authorization handbell_owner",
    "copy handbell.person to '/dev/null'", "create role mine",
]  # fmt: skip


def state(connection, statement):
    """The SQLSTATE with which a statement fails; None: it did not."""
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return None


@pytest.fixture(params=[PORTAL, WORKER, WEB, RETENTION])
def role(request, connect):
    return connect(request.param)


def test_no_role_reads_or_writes_a_table(role, owner):
    tables = owner.execute(
        "select relname from pg_class where relnamespace = 'handbell'::regnamespace and relkind in ('r', 'p')"
    ).fetchall()
    assert len(tables) > 20
    for (table,) in tables:
        for statement in (f"select from handbell.{table}", f"delete from handbell.{table}",
                          f"truncate handbell.{table}", f"lock handbell.{table}"):  # fmt: skip
            assert state(role, statement) == DENIED, statement
        assert state(role, f"insert into handbell.{table} default values") == DENIED


def test_no_role_may_change_the_schema_or_become_another(role):
    for statement in DDL:
        assert state(role, statement) in (DENIED, "42P01"), statement


def test_no_role_uses_a_sequence(role, owner):
    rows = owner.execute(
        "select relname from pg_class where relnamespace = 'handbell'::regnamespace and relkind = 'S'"
    ).fetchall()
    for (name,) in rows:
        assert state(role, f"select nextval('handbell.{name}')") == DENIED, name


def test_nobody_calls_what_is_inside(role):
    for call in INSIDE[:-1]:
        assert state(role, f"select handbell.{call}") == DENIED, call


def test_a_portal_does_not_do_a_workers_work(connect):
    portal, web = connect(PORTAL), connect(WEB)
    for call in WORKER_CALLS + INSIDE:
        assert state(portal, f"select handbell.{call}") == DENIED, call
        assert state(web, f"select handbell.{call}") == DENIED, call


def test_a_worker_and_the_pages_do_not_state_facts_or_read_reports(connect):
    for login in (WORKER, WEB):
        for call in CALLS:
            assert state(connect(login), f"select handbell.{call}") == DENIED, call
        for view in VIEWS:
            assert state(connect(login), f"select from handbell.{view}") == DENIED, view


@pytest.mark.parametrize("call", CALLS)
def test_another_tenants_login_is_refused_by_every_function_of_the_contract(demo, make_login, call):
    portal = make_login(tenants=["other"])
    portal.execute("select put_tenant('other', '{}')")
    with pytest.raises(psycopg.Error) as foreign:
        portal.execute(f"select handbell.{call}")
    with pytest.raises(psycopg.Error) as unknown:
        portal.execute(f"select handbell.{call.replace('demo', 'nobody')}")
    assert foreign.value.sqlstate == unknown.value.sqlstate == FOREIGN_TENANT
    # so that the names of tenants cannot be probed
    assert foreign.value.diag.message_primary == unknown.value.diag.message_primary


def test_every_function_granted_to_portals_is_tried_above(owner):
    rows = owner.execute(
        "select proname from pg_proc where pronamespace = 'handbell'::regnamespace"
        " and has_function_privilege('handbell_portal', oid, 'execute')"
    ).fetchall()
    tried = {call.split("(")[0] for call in CALLS}
    assert {name for (name,) in rows} == tried | {"api_version", "my_tenants", "tenant_list"}


def test_the_views_show_a_login_its_own_tenants_alone(demo, make_login):
    demo.put_person("p")
    demo.put_course("c")
    demo.put_booking("b", "c", "p", status="confirmed")
    other = make_login(tenants=["other"])
    other.execute("select put_tenant('other', '{}')")
    for view in ("message_report", "course_report", "job_report"):
        assert demo.connection.execute(f"select count(*) from {view}").fetchone()[0] > 0, view
    for view in VIEWS:
        assert other.execute(f"select count(*) from {view}").fetchone() == (0,), view


def test_a_login_is_told_of_its_own_tenants_alone(demo, make_login):
    other = make_login(tenants=["other"])
    other.execute("select put_tenant('other', '{}')")
    for portal, slug in ((demo.connection, "demo"), (other, "other")):
        assert [row[0] for row in portal.execute("select slug from tenant_list()")] == [slug]
        assert len(portal.execute("select my_tenants()").fetchall()) == 1


def test_one_tenants_refs_are_unknown_to_another(demo, make_login):
    demo.put_category("maths")
    other = make_login(tenants=["other"])
    other.execute("select put_tenant('other', '{}')")
    with pytest.raises(psycopg.Error) as caught:
        other.execute("""select put_person('other', 'p', '{"interests": ["maths"]}')""")
    assert caught.value.sqlstate == "HB002"


def test_a_grant_is_given_and_taken_back_by_the_owner(owner, make_login):
    portal = make_login()
    (login,) = portal.execute("select session_user").fetchone()
    assert state(portal, "select put_tenant('third', '{}')") == FOREIGN_TENANT
    owner.execute("select grant_tenant(%s, 'third')", [login])
    owner.execute("select grant_tenant(%s, 'third')", [login])
    assert state(portal, "select put_person('third', 'p', '{}')") == "HB002"
    assert state(portal, "select put_tenant('third', '{}')") is None
    owner.execute("select revoke_tenant(%s, 'third')", [login])
    assert state(portal, "select put_tenant('third', '{}')") == FOREIGN_TENANT
    assert state(owner, "select grant_tenant('nobody_at_all', 'third')") == "HB002"
    assert state(owner, f"select grant_tenant('{login}', 'no such name')") == "HB001"


def test_functions_that_run_as_the_owner_pin_their_search_path(owner):
    rows = owner.execute(
        "select proname from pg_proc where pronamespace = 'handbell'::regnamespace and prosecdef"
        " and not coalesce(array_to_string(proconfig, ' '), '') like '%search_path=handbell, pg_temp%'"
    ).fetchall()
    assert rows == []


def test_a_login_cannot_slip_objects_of_its_own_under_a_function(demo, connect):
    portal = connect(PORTAL)
    portal.execute("create temp table person (tenant_id bigint, ref text)")
    portal.execute("set search_path = pg_temp, handbell")
    assert portal.execute("select handbell.put_person('demo', 'p', '{}')").fetchone() == ("created",)
    assert portal.execute("select count(*) from pg_temp.person").fetchone() == (0,)
