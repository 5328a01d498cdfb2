"""What reaches the wire: one mail, canonical, whatever its bytes."""

import pytest

from tests.support import smtp_client
from tests.support.bad_smtp_server import BadSmtpServer, say

HEAD = b"Subject: a mail\r\n\r\n"
SMUGGLED = b"MAIL FROM:<evil@evil.example>"
BODIES = [
    ("lf_dot_lf", b"a\n.\n" + SMUGGLED + b"\n", b"a\r\n.\r\n" + SMUGGLED + b"\r\n"),
    ("cr_dot_cr", b"a\r.\r" + SMUGGLED + b"\r", b"a\r\n.\r\n" + SMUGGLED + b"\r\n"),
    ("lf_dot_crlf", b"a\n.\r\n" + SMUGGLED + b"\r\n", b"a\r\n.\r\n" + SMUGGLED + b"\r\n"),
    ("crlf_dot_lf", b"a\r\n.\n" + SMUGGLED + b"\n", b"a\r\n.\r\n" + SMUGGLED + b"\r\n"),
    ("crlf_dot_crlf", b"a\r\n.\r\n" + SMUGGLED + b"\r\n", b"a\r\n.\r\n" + SMUGGLED + b"\r\n"),
    ("cr_dot_crlf", b"a\r.\r\nb\r\n", b"a\r\n.\r\nb\r\n"),
    ("bare_cr", b"a\rb\r\n", b"a\r\nb\r\n"),
    ("cr_cr_lf", b"a\r\r\nb\r\n", b"a\r\n\r\nb\r\n"),
    ("lf_cr", b"a\n\rb\r\n", b"a\r\n\r\nb\r\n"),
    ("nul", b"a\0b\r\n\0.\r\nc\r\n", b"a?b\r\n?.\r\nc\r\n"),
    ("nul_behind_dot", b"a\r\n.\0\r\nc\r\n", b"a\r\n.?\r\nc\r\n"),
    ("dots", b".\r\n..\r\n...a\r\n", b".\r\n..\r\n...a\r\n"),
    ("no_end", b"a", b"a\r\n"),
    ("dot_at_the_end", b"a\r\n.", b"a\r\n.\r\n"),
    ("cr_at_the_end", b"a\r", b"a\r\n"),
    ("empty", b"", b""),
    ("long_line", 5000 * b"x" + b"\r\n", 5000 * b"x" + b"\r\n"),
]


@pytest.mark.parametrize("sent,expected", [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
@pytest.mark.parametrize("extensions", [["PIPELINING"], []], ids=["pipelined", "one_by_one"])
def test_a_body_arrives_as_one_canonical_mail(mails, sent, expected, extensions):
    with BadSmtpServer(extensions=extensions) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("a", content=HEAD + sent), mails.step("b"), "wait"],
        )
    assert [run["a"].kind, run["b"].kind] == ["sent", "sent"]
    assert [message.body for message in server.messages] == [HEAD + expected, smtp_client.MAIL]
    raw = server.messages[0].raw
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\0" not in raw
    assert not [line for line in server.verbs() if line == "EVIL"]


def test_a_mail_of_no_bytes_is_one_empty_mail(mails):
    with BadSmtpServer() as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [mails.step("m", content=b""), "wait"]
        )
    assert run["m"].kind == "sent"
    assert [message.body for message in server.messages] == [b""]


ADDRESSES = [
    "<x@y.example>",
    "x@y.example>",
    "x@y.example\rRCPT",
    "x\x7f@y.example",
    "x\x01@y.example",
    400 * "x" + "@y.example",
    "x@y.example\u0085",
]


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
@pytest.mark.parametrize("which,scope", [("to", "recipient"), ("sender", "message")])
def test_an_address_unfit_for_the_wire_never_reaches_it(mails, address, which, scope):
    with BadSmtpServer(extensions=["PIPELINING", "SMTPUTF8", "8BITMIME"]) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [mails.step("m", **{which: address}), "wait"]
        )
    assert (run["m"].kind, run["m"].scope, run["m"].code) == ("refused", scope, 0)
    assert "MAIL" not in server.verbs()


def test_the_null_sender_is_sent(mails):
    with BadSmtpServer() as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [mails.step("m", sender="-"), "wait"]
        )
    assert run["m"].kind == "sent"
    assert server.messages[0].mail_from.startswith(b"MAIL FROM:<>")


def test_8bit_is_announced_where_it_is_taken_and_refused_elsewhere(mails):
    content = HEAD + "Grüße\r\n".encode()
    for extensions, kind in ((["8BITMIME"], "sent"), (["PIPELINING"], "refused")):
        with BadSmtpServer(extensions=extensions) as server:
            run = smtp_client.run(
                f"smtp://127.0.0.1:{server.port}",
                [mails.step("m", content=content), mails.step("ascii"), "wait"],
            )
        assert run["m"].kind == kind
        assert run["ascii"].kind == "sent"
    with BadSmtpServer(extensions=["8BITMIME"]) as server:
        smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("m", content=content), "wait", mails.step("ascii"), "wait"],
        )
    assert [b"BODY=8BITMIME" in m.mail_from for m in server.messages] == [True, False]


def test_smtputf8_is_asked_for_only_when_needed_and_fails_cleanly(mails):
    steps = [
        mails.step("plain"),
        mails.step("utf8", to="jörg@schule.example"),
        mails.step("header", words=["utf8"]),
        "wait",
    ]
    with BadSmtpServer(extensions=["SMTPUTF8", "8BITMIME"]) as server:
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", steps)
    assert {o.kind for o in run.outcomes} == {"sent"}
    assert [m.mail_from.endswith(b"SMTPUTF8") for m in server.messages] == [False, True, True]
    with BadSmtpServer(extensions=["8BITMIME"]) as server:
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", steps)
    assert run["plain"].kind == "sent"
    assert (run["utf8"].kind, run["utf8"].scope) == ("refused", "recipient")
    assert (run["header"].kind, run["header"].scope) == ("refused", "message")
    assert len(server.messages) == 1


def test_size_is_said_where_offered_and_the_peers_limit_is_kept(mails):
    large = HEAD + 200 * (70 * b"x" + b"\n")
    with BadSmtpServer(extensions=["SIZE 10000", "PIPELINING"]) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("large", content=large), mails.step("small"), "wait"],
        )
    assert (run["large"].kind, run["large"].scope, run["large"].code) == ("refused", "message", 0)
    assert run["small"].kind == "sent"
    assert f"SIZE={len(smtp_client.MAIL)}".encode() in server.messages[0].mail_from


def test_our_own_limit_is_kept(mails):
    with BadSmtpServer() as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [
                mails.step("large", content=HEAD + 2000 * b"x\n"),
                mails.step("fits", content=HEAD + 100 * b"x\n"),
                "wait",
            ],
            message_bytes=5000,
        )
    assert [run["large"].kind, run["fits"].kind] == ["refused", "sent"]


@pytest.mark.parametrize("extensions", [["PIPELINING"], []], ids=["pipelined", "one_by_one"])
@pytest.mark.parametrize("order", [["stopped", "a", "b"], ["a", "stopped", "b"]])
def test_what_may_not_be_sent_any_more_is_not(mails, order, extensions):
    """Neither as the first mail of a session nor announced behind another one."""
    steps = [mails.step(name, words=["stop"] if name == "stopped" else []) for name in order]
    with BadSmtpServer(extensions=extensions) as server:
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", [*steps, "wait"])
    assert (run["stopped"].kind, run["stopped"].scope) == ("deferred", "none")
    assert run["stopped"].data_ends == 0
    assert [run["a"].kind, run["b"].kind] == ["sent", "sent"]
    assert len(server.messages) == 2
    assert server.verbs().count("DATA") == 2


@pytest.mark.parametrize("extensions", [["PIPELINING"], []], ids=["pipelined", "one_by_one"])
@pytest.mark.parametrize("lines", [1, 20000], ids=["small", "large"])
def test_a_mail_whose_end_may_not_go_is_cut_off_and_the_next_ones_are_sent(mails, lines, extensions):
    """Whoever keeps a journal and cannot write it says no at the last moment."""
    steps = [
        mails.step(name, content=HEAD + lines * b"a line of the mail\n",
                   words=["noend"] if name == "unended" else [])
        for name in ("a", "unended", "b")
    ]  # fmt: skip
    with BadSmtpServer(extensions=extensions) as server:
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", [*steps, "wait"])
    assert (run["unended"].kind, run["unended"].scope) == ("deferred", "none")
    assert run["unended"].data_ends == 0
    assert [run["a"].kind, run["b"].kind] == ["sent", "sent"]
    assert len(server.messages) == 2


def test_without_extensions_one_command_is_sent_at_a_time(mails):
    """HELO alone: RFC 5321 3.2."""
    script = {"EHLO": say("502 5.5.1 what?")}
    with BadSmtpServer(script) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [mails.step("a"), mails.step("b"), "wait"]
        )
    assert [run["a"].kind, run["b"].kind] == ["sent", "sent"]
    assert server.verbs() == ["EHLO", "HELO"] + 2 * ["MAIL", "RCPT", "DATA"] + ["QUIT"]
