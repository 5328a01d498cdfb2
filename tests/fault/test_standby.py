"""The pair of servers that other tests fail over (support/standby.py): what it promises them."""

import pytest

from tests.support.cluster import SUPERUSER
from tests.support.standby import Pair


@pytest.fixture
def make_pair():
    """make_pair(is_synchronous): two servers, the second one following the first."""
    pairs = []

    def make(is_synchronous):
        pairs.append(Pair(is_synchronous).create())
        return pairs[-1]

    yield make
    for pair in pairs:
        pair.remove()


def ask(pair, statement):
    with pair.connect("postgres", SUPERUSER) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def test_a_synchronous_pair_keeps_each_commit_through_two_fail_overs(make_pair):
    pair = make_pair(True)
    ask(pair, "create table kept (number integer)")
    for number in (1, 2):
        ask(pair, f"insert into kept values ({number})")
        pair.fail_over()
    ask(pair, "insert into kept values (3)")
    assert ask(pair, "select number from kept order by 1") == [(1,), (2,), (3,)]
    ((timeline,),) = ask(pair, "select timeline_id from pg_control_checkpoint()")
    assert timeline == 3


def test_an_asynchronous_pair_loses_what_its_standby_was_held_up_for(make_pair):
    pair = make_pair(False)
    ask(pair, "create table kept (number integer)")
    ask(pair, "insert into kept values (1)")
    pair.wait_until_caught_up()
    with pair.standby_held_up():
        ask(pair, "insert into kept values (2)")
        pair.kill_primary()
    pair.promote()
    assert ask(pair, "select number from kept") == [(1,)]
