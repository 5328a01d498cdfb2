"""The database is killed again and again, and fails over to its standby, while three workers send: nothing
is lost and nothing goes twice, for the workers live on and know what they sent."""

import types

import psycopg
import pytest

from tests.support import mixed_mail, scale
from tests.support.cluster import Cluster
from tests.support.portal import Portal
from tests.support.programs import Programs
from tests.support.schema import OWNER, PORTAL, Databases
from tests.support.standby import Pair
from tests.support.worker_group import Pace, WorkerGroup

KILLS = scale.pick(2, 20)
FAIL_OVERS = scale.pick(1, 5)
ROUNDS_EACH = scale.pick(2, 10)
SETTINGS = {"worker": {"lease_s": 5, "takeover_grace_s": 60}}
OPTIONS = "-csearch_path=handbell"


@pytest.fixture
def run(tmp_path, ledger):
    """run(server, troubles): a load on a server of this test alone, and what it needs."""
    ended = []

    def start(server, primary, troubles):
        ended.append(server.remove)
        name = Databases(primary).make()
        programs = Programs(tmp_path, server, name)
        ended.insert(0, programs.stop)

        def connect(user):
            return psycopg.connect(server.url(name, user), autocommit=True, options=OPTIONS)

        load = mixed_mail.MixedMail(
            Portal(connect(PORTAL)), troubles * ROUNDS_EACH, reconnect=lambda: connect(PORTAL)
        )
        load.state_people()
        load.demo.call("go_live")
        pace = Pace(ledger, load)
        group = WorkerGroup(programs, ledger, settings=SETTINGS)
        return types.SimpleNamespace(
            load=load, pace=pace, group=group, ledger=ledger, owner=lambda: connect(OWNER)
        )

    yield start
    for end in ended:
        end()


def go_through(one, troubles, do_harm):
    """do_harm() so often in the middle of the load; then the account."""
    for number in range(troubles):
        one.pace.keep(number / troubles)
        one.pace.pause(1.0)
        do_harm()
        one.group.check_running()
    owner = one.owner()
    assert not mixed_mail.is_done(owner), "all was sent before the last trouble"
    one.pace.end()
    one.group.finish(owner)
    return mixed_mail.Account(owner, one.ledger)


def test_the_database_is_killed_again_and_again_nothing_is_lost_and_nothing_goes_twice(run, report):
    server = Cluster(is_fast=True).create()
    one = run(server, server, KILLS)

    def kill_and_start():
        server.kill()
        server.start()

    account = go_through(one, KILLS, kill_and_start)
    report(f"{KILLS} database kills, {one.load.total} mails: {account.summary()}")
    account.check(one.load.expected())
    account.check_nothing_twice()


def test_fail_overs_to_a_synchronous_standby_lose_nothing_and_nothing_goes_twice(run, report):
    pair = Pair().create()
    one = run(pair, pair.primary, FAIL_OVERS)
    account = go_through(one, FAIL_OVERS, pair.fail_over)
    report(f"{FAIL_OVERS} fail-overs, {one.load.total} mails: {account.summary()}")
    account.check(one.load.expected())
    account.check_nothing_twice()


def test_fail_overs_to_an_asynchronous_standby_lose_only_what_the_portal_states_anew(run, report):
    """What the standby had not got is gone, facts, marks and records alike: that is what an asynchronous
    standby means. The portal states its last changes anew. What the workers sent they still know: nobody
    is told twice."""
    pair = Pair(is_synchronous=False).create()
    one = run(pair, pair.primary, FAIL_OVERS)

    def fail_over():
        pair.wait_until_caught_up()
        kept = one.pace.rounds_done
        with pair.standby_held_up():
            one.pace.state_rounds(kept + ROUNDS_EACH // 2)
            one.pace.pause(1.0)
            pair.kill_primary()
        pair.promote()
        pair.add_standby()
        for number in range(kept, one.pace.rounds_done):
            one.load.do_round(number)

    account = go_through(one, FAIL_OVERS, fail_over)
    report(f"{FAIL_OVERS} fail-overs, {one.load.total} mails: {account.summary()}")
    assert account.taken_otherwise(one.load.expected()) == {}
    account.check_nothing_twice()
