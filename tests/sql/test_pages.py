"""What the pages' role may ask and say, and that it reaches nothing else and nobody else's tenant."""

import threading

import psycopg
import pytest

from tests.support.portal import Portal
from tests.support.schema import WEB

PAGE_FUNCTIONS = {
    "page_opt_out_view", "page_opt_out", "page_opt_in", "page_in_flight",
}  # fmt: skip


@pytest.fixture
def web(connect):
    """A connection as `handbell web` has it."""
    return connect(WEB)


@pytest.fixture
def ids(owner, demo):
    """(tenant, person) of Ida, of the tenant demo."""
    demo.put_person("p1", first_name="Ida", last_name="Quill")
    return owner.execute("select tenant_id, person_id from person where ref = 'p1'").fetchone()


@pytest.fixture
def other(owner):
    """(tenant, person) of somebody else's tenant."""
    portal = Portal(owner, "other")
    portal.put_tenant(base_url="https://other.test/cpd")
    portal.put_person("q1", first_name="Bo")
    return owner.execute("select tenant_id, person_id from person where ref = 'q1'").fetchone()


def view(web, tenant, person, topic="alerts", host="127.0.0.1:8025"):
    return web.execute(
        "select * from page_opt_out_view(%s, %s, %s, %s)", [tenant, person, topic, host]
    ).fetchone()


def say(web, tenant, person, topic="alerts", how="one_click", host="127.0.0.1:8025"):
    return web.execute(
        "select page_opt_out(%s, %s, %s, %s, %s)", [tenant, person, topic, how, host]
    ).fetchone()[0]


def take_back(web, tenant, person, topic="alerts", host="127.0.0.1:8025"):
    return web.execute(
        "select page_opt_in(%s, %s, %s, %s)", [tenant, person, topic, host]
    ).fetchone()[0]


def test_the_view_names_person_and_tenant_and_what_is_so(web, ids):
    assert view(web, *ids) == (
        "Westmarch CPD", "https://westmarch.example.org/privacy", "dpo@westmarch.example.org",
        "Ida Quill", False, False,
    )  # fmt: skip
    assert say(web, *ids) == "stopped"
    assert view(web, *ids)[4:] == (True, True)
    assert view(web, *ids, "bulletin")[4:] == (False, False)
    assert say(web, *ids) == "unchanged"
    assert take_back(web, *ids) == "restored"
    assert take_back(web, *ids) == "unchanged"
    assert view(web, *ids)[4:] == (False, False)


def test_optional_stops_the_narrower_topics_and_only_its_own_link_takes_it_back(web, ids):
    assert say(web, *ids, "optional") == "stopped"
    assert view(web, *ids, "alerts")[4:] == (True, False)
    assert take_back(web, *ids, "alerts") == "unchanged"
    assert take_back(web, *ids, "optional") == "restored"
    assert view(web, *ids, "alerts")[4:] == (False, False)


def test_what_was_said_to_the_portal_is_not_taken_back_by_a_link(web, ids, demo):
    demo.call("opt_out", "p1", "alerts", "by telephone")
    assert view(web, *ids)[4:] == (True, False)
    assert take_back(web, *ids) == "unchanged"
    assert view(web, *ids)[4:] == (True, False)


def test_a_person_of_another_tenant_or_of_nobody_is_refused(web, ids, other):
    for tenant, person in ((ids[0], other[1] + 1000), (other[0], ids[1] + 1000), (0, 0), (-1, -1)):
        assert view(web, tenant, person) is None
        assert say(web, tenant, person) is None
        assert take_back(web, tenant, person) is None


@pytest.mark.parametrize("host", ["other.test", "OTHER.test:443", "other.test.", "other.test.:443"])
def test_the_host_of_another_tenant_is_refused(web, ids, other, host):
    assert view(web, *ids, host=host) is None
    assert say(web, *ids, host=host) is None
    assert say(web, *other, host=host) == "stopped"


def test_a_host_of_two_tenants_serves_both(web, ids, other, owner):
    owner.execute("update tenant set base_url = 'https://shared.test'")
    assert view(web, *ids, host="shared.test") is not None
    assert view(web, *other, host="shared.test") is not None


def test_a_removed_person_is_refused(web, ids, demo):
    demo.call("remove", "person", "p1")
    assert view(web, *ids) is None and say(web, *ids) is None


def test_a_link_sent_before_two_records_were_merged_acts_for_the_one_that_is_kept(
    web, ids, demo, owner
):
    demo.put_person("p2", first_name="Ida", last_name="Quill-Marsh")
    demo.put_person("p3", first_name="Ida", last_name="Marsh")
    owner.execute("select merge_people('demo', 'p2', 'p1')")
    owner.execute("select merge_people('demo', 'p3', 'p2')")
    assert view(web, *ids)[3] == "Ida Marsh"
    assert say(web, *ids) == "stopped"
    assert owner.execute(
        "select p.ref, o.topic from opt_out o join person p using (tenant_id, person_id)"
    ).fetchall() == [("p3", "alerts")]
    assert take_back(web, *ids) == "restored"


def test_an_unknown_way_or_topic_is_refused(web, ids):
    assert say(web, *ids, how="portal") is None
    with pytest.raises(psycopg.errors.CheckViolation):
        say(web, *ids, topic="everything")


def test_the_role_may_call_the_pages_and_nothing_else(owner, web):
    may = owner.execute(
        """select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'handbell' and has_function_privilege(%s, p.oid, 'execute')""",
        [WEB],
    ).fetchall()
    assert {row[0] for row in may} == PAGE_FUNCTIONS
    tables = owner.execute(
        """select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'handbell' and c.relkind in ('r', 'v', 'p', 'S') and (
               has_table_privilege(%s, c.oid, 'select, insert, update, delete, truncate')
               or has_any_column_privilege(%s, c.oid, 'select, insert, update'))""",
        [WEB, WEB],
    ).fetchall()
    assert tables == []


@pytest.mark.parametrize(
    "statement",
    [
        "select * from person",
        "select email from handbell.person",
        "insert into opt_out (tenant_id, person_id, topic, how) values (1, 1, 'alerts', 'x')",
        "select set_opt_out(1, 1, 'alerts', 'one_click', null)",
        "select is_in_flight(1, 1, 'alerts')",
        "select is_foreign_host(1, 'x')",
        "select page_person(1, 1, 'x')",
        "select put_person('demo', 'p1', '{}')",
        "select claim(1, gen_random_uuid(), 1::smallint, 1::smallint, 1, now(), 0)",
        "create table handbell.mine (x integer)",
        "create function handbell.mine() returns integer language sql as 'select 1'",
        "create schema mine",
        "drop table person",
        "alter function page_in_flight(bigint, bigint, text) owner to web_demo",
        "set role handbell_page",
        "set role handbell_owner",
        "copy person to stdout",
    ],
)
def test_everything_else_is_refused_to_the_role(web, ids, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        web.execute(statement)


def test_even_a_wrong_page_function_would_see_one_tenant(owner, ids, other, connect, cluster, database):
    """As the owner of the page functions: without a tenant nothing, with one its rows alone."""
    superuser = cluster.connect(database, "postgres", options="-csearch_path=handbell")
    superuser.execute("set role handbell_page")
    for table in ("tenant", "person", "opt_out"):
        assert superuser.execute(f"select count(tenant_id) from {table}").fetchone() == (0,)
    superuser.execute("select set_config('handbell.tenant_id', %s, false)", [str(ids[0])])
    assert superuser.execute("select tenant_id from tenant").fetchall() == [(ids[0],)]
    assert superuser.execute("select distinct tenant_id from person").fetchall() == [(ids[0],)]
    for column in ("email", "ref", "consent_evidence"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            superuser.execute(f"select {column} from person")
    for statement in (
        "update person set status = 'removed'",
        "delete from opt_out",
        "select * from message",
        "create table handbell.mine (x integer)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            superuser.execute(statement)
    superuser.close()


def put_message(owner, ids, state, kind="course_alert"):
    return owner.execute(
        """insert into message (tenant_id, person_id, due, expires_at, lane, state, kind, owner, epoch)
           values (%s, %s, now(), now() + interval '1 day', 5, %s, %s,
                   '00000000-0000-0000-0000-000000000001', 1) returning message_id""",
        [*ids, state, kind],
    ).fetchone()[0]


def in_flight(web, ids, topic="alerts"):
    return web.execute("select page_in_flight(%s, %s, %s)", [*ids, topic]).fetchone()[0]


@pytest.mark.parametrize(
    "kind, topic, state, expected",
    [
        ("course_alert", "alerts", "transmitting", True),
        ("course_alert", "optional", "transmitting", True),
        ("course_alert", "bulletin", "transmitting", False),
        ("course_alert", "alerts", "claimed", False),
        ("course_alert", "alerts", "ready", False),
        ("course_cancelled", "alerts", "transmitting", False),
        ("course_cancelled", "optional", "transmitting", False),
        ("joining_instructions", "optional", "transmitting", False),
    ],
)
def test_what_the_opt_out_stops_is_waited_for_while_it_is_on_the_wire(
    owner, web, ids, kind, topic, state, expected
):
    put_message(owner, ids, state, kind)
    assert in_flight(web, ids, topic) is expected


def test_a_mail_that_is_being_marked_counts_as_on_the_wire(owner, web, ids, connect):
    message = put_message(owner, ids, "claimed")
    marking = connect(autocommit=False)
    marking.execute("select from message where message_id = %s for update", [message])
    assert in_flight(web, ids) is True
    marking.execute("update message set state = 'transmitting' where message_id = %s", [message])
    assert in_flight(web, ids) is True
    marking.commit()
    assert in_flight(web, ids) is True
    owner.execute("delete from message")
    assert in_flight(web, ids) is False


def test_asking_does_not_make_marking_miss_a_mail(owner, web, ids, connect):
    """200 mails are marked while the question is asked: all of them are marked."""
    worker = "00000000-0000-0000-0000-000000000001"
    owner.execute("update person set alerts = true, consent = true")
    messages = [put_message(owner, ids, "claimed", "booking_confirmed") for _ in range(200)]
    stop = threading.Event()
    asking = connect(WEB)

    def ask():
        while not stop.is_set():
            in_flight(asking, ids, "optional")

    asker = threading.Thread(target=ask)
    asker.start()
    verdicts = []
    marking = connect("worker_demo")
    for message in messages:
        verdicts += marking.execute(
            "select verdict from mark(%s, %s, %s, %s)", [ids[0], worker, [message], [1]]
        ).fetchall()
    stop.set()
    asker.join()
    assert [row[0] for row in verdicts] == ["go"] * 200
