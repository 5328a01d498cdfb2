"""The pool: connections that die between mails, limits of the relay, order, draining."""

import socket

import pytest

from tests.support import smtp_client
from tests.support.bad_smtp_server import (
    BadSmtpServer,
    close,
    say,
    say_and_close,
    stall,
)


def test_mails_share_one_connection_and_their_commands_go_behind_the_mail_before(mails):
    with BadSmtpServer() as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [*(mails.step(str(i)) for i in range(20)), "wait"]
        )
    assert [outcome.kind for outcome in run.outcomes] == 20 * ["sent"]
    assert [outcome.name for outcome in run.outcomes] == [str(i) for i in range(20)]
    assert server.connections == 1
    assert len(server.messages) == 20


def test_as_many_connections_as_there_is_work_and_no_more_than_allowed(mails):
    with BadSmtpServer() as server:
        smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("a"), "wait", mails.step("b"), "wait"],
            connections=10,
        )
        assert server.connections == 1
    with BadSmtpServer() as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [*(mails.step(str(i)) for i in range(200)), "wait"],
            connections=4,
        )
    assert 1 < server.connections <= 4
    assert run.statistics["sent"] == len(server.messages) == 200


@pytest.mark.parametrize("last", [say_and_close("421 4.3.2 enough"), close], ids=["421", "close"])
def test_a_session_that_dies_before_the_next_mail_has_begun_costs_nothing(mails, last):
    """The relay takes one mail a connection: those announced behind it go on the next one."""
    script = {"MAIL": [None, last, None, last]}
    with BadSmtpServer(script) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [mails.step("a"), mails.step("b"), "wait"]
        )
    assert [run["a"].kind, run["b"].kind] == ["sent", "sent"]
    assert len(server.messages) == 2
    assert server.connections == 2


def test_a_mail_is_put_back_once_only(mails):
    """A relay that closes after each MAIL, first ones excepted, cannot keep a mail going for ever."""
    script = {"MAIL": [None, close, None, close, close, close, close, close]}
    with BadSmtpServer(script) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("a"), mails.step("b"), mails.step("c"), mails.step("d"), "wait"],
        )
        assert server.connections < 8
    assert sorted(outcome.name for outcome in run.outcomes) == ["a", "b", "c", "d"]


def test_a_lost_reply_leaves_its_own_mail_uncertain_and_the_next_one_is_sent(mails):
    with BadSmtpServer({"BODY": [close]}) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [mails.step("a"), mails.step("b"), "wait"]
        )
    assert run["a"].short == ("uncertain", "relay", "BODY", 0)
    assert run["b"].kind == "sent"
    assert [run["a"].data_ends, run["b"].data_ends] == [1, 1]
    assert len(server.messages) == 2


def test_a_refused_mail_does_not_touch_the_one_announced_behind_it(mails):
    script = {"BODY": [say("554 5.6.0 no"), say("451 4.3.0 no")], "RCPT": [None, None, say("550 no")]}
    with BadSmtpServer(script) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [*(mails.step(str(i)) for i in range(5)), "wait"]
        )
    kinds = [outcome.kind for outcome in run.outcomes]
    assert kinds == ["refused", "deferred", "refused", "sent", "sent"]
    assert server.connections == 1


def test_a_connection_closed_while_idle_is_replaced(mails):
    with BadSmtpServer() as server:
        running, text = smtp_client.start(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("a"), "wait", "pause 400", mails.step("b"), "wait"],
        )
        running.stdin.write(text)
        running.stdin.close()
        assert running.stdout.readline().startswith("a\tsent")
        server.sessions[0].connection.shutdown(socket.SHUT_RDWR)
        assert running.stdout.readline().startswith("b\tsent")
        running.stdout.read()
        assert running.wait(timeout=10) == 0
        running.stderr.close()
    assert server.connections == 2


def test_an_idle_connection_is_closed_politely(mails):
    with BadSmtpServer() as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("a"), "wait", "pause 500", mails.step("b"), "wait"],
            idle_ms=100,
        )
    assert [run["a"].kind, run["b"].kind] == ["sent", "sent"]
    assert server.connections == 2
    assert server.verbs().count("QUIT") == 2


def test_a_relay_that_allows_fewer_connections_gets_fewer(mails):
    """Two are let in, the others greeted with 421: no mail suffers."""
    script = {"greeting": [None, None, *(8 * [say_and_close("421 4.7.0 too many connections")])]}
    with BadSmtpServer(script) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [*(mails.step(str(i)) for i in range(100)), "wait"],
            connections=6,
        )
    assert run.statistics["sent"] == 100
    assert server.connections <= 10


def test_urgent_goes_ahead_of_the_line(mails):
    steps = [mails.step(f"o{i}") for i in range(30)] + [mails.step("urgent", words=["urgent"])]
    with BadSmtpServer() as server:
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", [*steps, "wait"])
    names = [outcome.name for outcome in run.outcomes]
    assert names.index("urgent") <= 2


def test_draining_finishes_what_is_on_the_wire_and_defers_what_waits(mails):
    """Standard input ends with no wait: the client is drained with its line still full."""
    slow = {"BODY": [lambda session: (session.server.stopped.wait(0.3), say("250 ok")(session))]}
    with BadSmtpServer(slow) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [*(mails.step(str(i)) for i in range(10)), "pause 150"],
        )
    kinds = [outcome.kind for outcome in run.outcomes]
    assert len(kinds) == 10
    assert 1 <= kinds.count("sent") == len(server.messages) <= 2
    assert {(o.kind, o.scope) for o in run.outcomes} == {("sent", "none"), ("deferred", "none")}
    assert server.verbs()[-1] == "QUIT"


def test_draining_has_a_limit(mails):
    with BadSmtpServer({"BODY": [stall]}) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [mails.step("a"), "pause 200"], drain_ms=200
        )
    assert run["a"].short == ("uncertain", "relay", "BODY", 0)
    assert run.statistics["open"] == 0


def test_draining_cuts_a_connection_that_is_still_being_made(mails):
    with BadSmtpServer({"greeting": [stall]}) as server:
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", [mails.step("a"), "pause 100"])
    assert run["a"].short[:2] == ("deferred", "none")
