"""Each verb answered in each wrong way: what becomes of the mail."""

import pytest

from tests.support import smtp_client
from tests.support.bad_smtp_server import (
    BadSmtpServer,
    byte_by_byte,
    close,
    garbage,
    long_line,
    read_then_close,
    say,
    say_and_close,
    stall,
    stop_reading,
)

PIPELINED = ("PIPELINING", "8BITMIME")
ONE_BY_ONE = ("8BITMIME",)
BY_VERB = {"MAIL": "message", "RCPT": "recipient", "DATA": "message", "BODY": "message"}
# Whose trouble 4.3.0 is: to the mail's end it may be that mail's alone, which must stop no relay.
SYSTEM_TROUBLE = {"MAIL": "relay", "RCPT": "domain", "DATA": "relay", "BODY": "message"}
# The time-out of each step that a stall is cut short by.
CLOCKS = {
    "greeting": "greeting_ms",
    "EHLO": "hello_ms",
    "STARTTLS": "hello_ms",
    "AUTH": "hello_ms",
    "MAIL": "mail_ms",
    "RCPT": "rcpt_ms",
    "DATA": "data_ms",
    "BODY": "end_ms",
}


def lost(verb):
    """Nobody knows after the final dot; before it nothing has happened."""
    return ("uncertain" if verb == "BODY" else "deferred", "relay", verb, 0)


def refusals(verb):
    """(name, action, expected outcome) of every way to say no, or nothing sensible."""
    scope = BY_VERB[verb]
    return [
        ("4xx", say("451 4.2.0 not now"), ("deferred", None, verb, 451)),
        ("4xx_no_enhanced", say("450 not now"), ("deferred", scope, verb, 450)),
        ("5xx", say("554 5.6.0 never"), ("refused", scope, verb, 554)),
        ("relay_full", say("452 4.3.1 no space"), ("deferred", "relay", verb, 452)),
        ("system", say("451 4.3.0 not now"), ("deferred", SYSTEM_TROUBLE[verb], verb, 451)),
        ("login_wanted", say("530 5.7.0 log in first"), ("deferred", "relay", verb, 530)),
        ("421", say_and_close("421 4.3.2 closing"), ("deferred", "relay", verb, 421)),
        ("421_left_open", say("421 4.3.2 closing"), ("deferred", "relay", verb, 421)),
        ("close", close, lost(verb)),
        ("stall", stall, lost(verb)),
        ("garbage", garbage, lost(verb)),
        ("no_code", say("hello there"), lost(verb)),
        ("first_digit", say("650 what"), lost(verb)),
        ("codes_differ", say("450-one", "550 two"), lost(verb)),
        ("bare_cr_in_code", say("45\r0 what"), lost(verb)),
        ("100_KB_line", long_line("450"), lost(verb)),
        ("endless_lines", say(*(5000 * ["450-more and more"])), lost(verb)),
        ("unfinished", say("450-more"), lost(verb)),
        ("multi_line", say("450-one", "450-two", "450 three"), ("deferred", scope, verb, 450)),
        ("code_alone", say("450"), ("deferred", scope, verb, 450)),
        ("byte_by_byte", byte_by_byte("554-5.6.0 a", "554 5.6.0 b"), ("refused", scope, verb, 554)),
    ]


def misfits(verb):
    """Replies that are well formed and make no sense where they stand."""
    if verb == "DATA":
        return [("2xx", say("250 fine"), ("deferred", "relay", verb, 250))]
    if verb == "BODY":
        return [("3xx", say("354 more"), ("uncertain", "relay", verb, 354))]
    return [("3xx", say("354 go"), ("deferred", "relay", verb, 354))]


# More than both sides' kernels hold, so that its end cannot have gone before the peer reads.
LARGE = smtp_client.MAIL + 115_000 * (76 * b"x" + b"\r\n")

CELLS = [
    pytest.param(verb, *cell[1:], extensions, id=f"{verb}-{cell[0]}-{label}")
    for verb in BY_VERB
    for cell in refusals(verb) + misfits(verb)
    for label, extensions in (("pipelined", PIPELINED), ("one_by_one", ONE_BY_ONE))
]


@pytest.mark.parametrize("verb,action,expected,extensions", CELLS)
def test_a_wrong_reply_has_its_outcome_and_the_next_mail_goes(
    mails, verb, action, expected, extensions
):
    clocks = {CLOCKS[verb]: smtp_client.SHORT_MS} if expected == lost(verb) else {}
    with BadSmtpServer({verb: [action]}, extensions) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("bad"), "wait", mails.step("good"), "wait"],
            **clocks,
        )
    outcome = run["bad"]
    kind, scope, at, code = expected
    assert (outcome.kind, outcome.verb, outcome.code) == (kind, at, code)
    assert scope is None or outcome.scope == scope
    assert outcome.data_ends == (1 if verb == "BODY" else 0)
    assert run["good"].kind == "sent"


SESSION_FAULTS = [
    ("4xx", say_and_close("450 4.3.2 not now"), 450),
    ("5xx", say_and_close("554 5.7.1 go away"), 554),
    ("421", say_and_close("421 4.3.2 closing"), 421),
    ("close", close, 0),
    ("stall", stall, 0),
    ("garbage", garbage, 0),
    ("multi_line", say("554-go", "554 away"), 554),
]


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "AUTH"])
@pytest.mark.parametrize(
    "action,code", [f[1:] for f in SESSION_FAULTS], ids=[f[0] for f in SESSION_FAULTS]
)
def test_a_session_that_does_not_open_defers_the_mail_and_blames_the_relay(
    mails, tmp_path, verb, action, code
):
    secret = tmp_path / "password"
    secret.write_text("sesame\n")
    login = {"username": "handbell", "password_file": secret} if verb == "AUTH" else {}
    with BadSmtpServer({verb: [action, action]}, ["AUTH PLAIN"]) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("bad"), "wait"],
            **{CLOCKS[verb]: smtp_client.SHORT_MS},
            **login,
        )
    outcome = run["bad"]
    if verb == "EHLO" and code in (450, 554) and action is SESSION_FAULTS[-1][1]:
        assert outcome.kind == "sent"  # falls back to HELO: RFC 5321 3.2
        return
    assert (outcome.kind, outcome.scope) == ("deferred", "relay")
    assert outcome.verb.upper() == verb.upper()
    assert outcome.code in (code, 0)
    assert "sesame" not in outcome.text + run.errors
    assert not server.messages


def test_a_greeting_fed_byte_by_byte_is_read(mails):
    script = {
        "greeting": byte_by_byte("220-bad.example", "220 ESMTP"),
        "EHLO": byte_by_byte("250-bad.example", "250-PIPELINING", "250 8BITMIME"),
        "MAIL": byte_by_byte("250 fine"),
        "RCPT": byte_by_byte("250-fine", "250 fine"),
        "DATA": None,
        "BODY": byte_by_byte("250-2.0.0 queued", "250 2.0.0 as 1"),
    }
    with BadSmtpServer(script) as server:
        server.script["MAIL"] = None  # the script's own reply would not open the transaction
        server.script["RCPT"] = None
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", [mails.step(), "wait"])
    assert run["m"].short == ("sent", "none", "BODY", 250)
    assert run["m"].enhanced == "2.0.0"


def test_no_listener_is_the_relays_trouble(mails):
    with BadSmtpServer() as server:
        port = server.port
    run = smtp_client.run(f"smtp://127.0.0.1:{port}", [mails.step(), "wait"])
    assert run["m"].short == ("deferred", "relay", "CONNECT", 0)


@pytest.mark.parametrize("extensions", [PIPELINED, ONE_BY_ONE], ids=["pipelined", "one_by_one"])
def test_a_drop_before_the_final_dot_defers(mails, extensions):
    with BadSmtpServer({"BODY_START": [read_then_close(1000)]}, extensions) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("bad", content=LARGE), "wait", mails.step("good"), "wait"],
        )
    assert run["bad"].short == ("deferred", "relay", "BODY", 0)
    assert run["bad"].data_ends == 0
    assert run["good"].kind == "sent"


def test_a_peer_that_stops_reading_in_the_middle_defers(mails):
    with BadSmtpServer({"BODY_START": [stop_reading]}) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("bad", content=LARGE), "wait"],
            block_ms=smtp_client.SHORT_MS,
        )
    assert run["bad"].short == ("deferred", "relay", "BODY", 0)
    assert run["bad"].data_ends == 0


def test_a_refusal_in_the_middle_of_the_data_counts_and_closes(mails):
    early = say("354 go", "552 5.3.4 enough")
    with BadSmtpServer({"DATA": [early]}) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}", [mails.step("bad", content=LARGE), "wait"]
        )
    assert run["bad"].kind in ("deferred", "refused")
    assert run["bad"].data_ends == 0
    assert not server.messages


def test_a_reply_to_the_data_before_the_data_is_no_consent(mails):
    with BadSmtpServer({"DATA": [say("354 go", "250 2.0.0 queued already")]}) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("bad"), "wait", mails.step("good"), "wait"],
        )
    assert run["bad"].short[:2] == ("deferred", "relay")
    assert run["bad"].data_ends == 0
    assert run["good"].kind == "sent"


def test_two_replies_to_one_mail_end_the_session_not_the_next_mail(mails):
    with BadSmtpServer({"BODY": [say("250 one", "250 two")]}) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("first"), "wait", mails.step("second"), "wait"],
        )
    assert [run["first"].kind, run["second"].kind] == ["sent", "sent"]
    assert server.connections == 2


def test_data_let_through_for_a_refused_recipient_gets_an_empty_mail(mails):
    """RFC 2920 3.1: the dot alone, and whatever it is answered changes nothing."""
    with BadSmtpServer(
        {"RCPT": [say("550 5.1.1 nobody here")]}, PIPELINED, takes_data_always=True
    ) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("bad"), "wait", mails.step("good"), "wait"],
        )
    assert run["bad"].short == ("refused", "recipient", "RCPT", 550)
    assert run["bad"].enhanced == "5.1.1"
    assert run["bad"].data_ends == 0
    assert run["good"].kind == "sent"
    assert len(server.messages) == 1
    assert server.connections == 1


@pytest.mark.parametrize("extensions", [PIPELINED, ONE_BY_ONE], ids=["pipelined", "one_by_one"])
@pytest.mark.parametrize(
    "action",
    [say("250 fine"), say("451 no"), say_and_close("421 no"), close, stall, garbage],
    ids=["2xx", "4xx", "421", "close", "stall", "garbage"],
)
def test_whatever_becomes_of_rset_the_next_mail_goes(mails, action, extensions):
    script = {"RCPT": [say("450 4.2.1 later")], "RSET": [action]}
    with BadSmtpServer(script, extensions) as server:
        run = smtp_client.run(
            f"smtp://127.0.0.1:{server.port}",
            [mails.step("bad"), "wait", mails.step("good"), "wait"],
            mail_ms=smtp_client.SHORT_MS,
        )
    assert run["bad"].short == ("deferred", "recipient", "RCPT", 450)
    assert run["good"].kind == "sent"
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    "action",
    [say("500 no"), say_and_close("421 no"), close, stall, garbage, long_line("221")],
    ids=["5xx", "421", "close", "stall", "garbage", "100_KB_line"],
)
def test_whatever_becomes_of_quit_the_client_ends(mails, action):
    with BadSmtpServer({"QUIT": action}) as server:
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", [mails.step(), "wait"])
        assert server.verbs()[-1] == "QUIT"
    assert run["m"].kind == "sent"
    assert run.statistics["open"] == 0


def test_an_outcome_never_repeats_an_address(mails):
    text = "550 5.1.1 <p1@school.example>: p1@school.example unknown, ask postmaster@school.example"
    with BadSmtpServer({"RCPT": [say(text)]}) as server:
        run = smtp_client.run(f"smtp://127.0.0.1:{server.port}", [mails.step(), "wait"])
    assert run["m"].kind == "refused"
    assert "@" not in run["m"].text
    assert "p1" not in run["m"].text
