"""The mail server that keeps books (support/smtp_ledger.py): its figures are what other tests believe."""

import smtplib
import socket
import threading

import pytest

from tests.support.smtp_ledger import REPLY, TERMINATOR, Ledger, Rule

ONLY = "<1@example.org>"


@pytest.fixture
def ledger():
    server = Ledger()
    yield server
    server.stop()


def send(ledger, recipient="r1@example.org", message_id=ONLY):
    """The reply's code, or 0 where the connection broke off."""
    client = smtplib.SMTP("127.0.0.1", ledger.port, "client.example", timeout=10)
    text = f"Message-ID: {message_id}\r\nSubject: x\r\n\r\nHello\r\n"
    try:
        client.sendmail("", [recipient], text)
        client.quit()
    except smtplib.SMTPRecipientsRefused as refused:
        return refused.recipients[recipient][0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code if refused.smtp_code >= 200 else 0
    except (smtplib.SMTPServerDisconnected, ConnectionError):
        return 0
    finally:
        client.close()
    return 250


def only(ledger):
    (mail,) = ledger.mails().values()
    return mail


def test_a_copy_whose_reply_was_read_is_not_in_doubt(ledger):
    assert send(ledger) == 250 and send(ledger) == 250
    mail = only(ledger)
    assert (mail.copies, mail.unread, mail.recipients) == (2, [], ["r1@example.org"])
    assert mail.message_id == ONLY.strip("<>") and mail.clients == ["client.example"] * 2


@pytest.mark.parametrize("size", range(len(TERMINATOR)))
def test_a_mail_cut_off_within_its_end_is_no_copy(ledger, size):
    ledger.set_rules(Rule("cut", "end", "drop", bytes=size))
    assert send(ledger) == 0
    mail = only(ledger)
    assert (mail.copies, mail.unfinished, mail.unread) == (0, 1, [])


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_mail_that_ends_without_reply_is_counted_as_in_doubt(ledger, accepts, how):
    ledger.set_rules(Rule("cut", "end", "drop", bytes=len(TERMINATOR), accepts=accepts, how=how))
    assert send(ledger) == 0
    mail = only(ledger)
    assert (mail.copies, len(mail.unread), mail.untaken) == ((1, 1, 0) if accepts else (0, 0, 1))


@pytest.mark.parametrize("size", range(len(REPLY) + 1))
def test_a_reply_cut_off_anywhere_leaves_its_mail_in_doubt(ledger, size):
    ledger.set_rules(Rule("cut", "reply", "drop", bytes=size, how="close"))
    assert send(ledger) == 0
    assert (only(ledger).copies, len(only(ledger).unread)) == (1, 1)


def test_refusals_and_deferrals_are_given_as_often_as_the_rule_says(ledger):
    ledger.set_rules(
        Rule("nobody", "rcpt", "say", to="x.*", text="550 5.1.1 nobody"),
        Rule("later", "rcpt", "say", text="451 4.3.0 later", each=1),
    )
    assert [send(ledger), send(ledger)] == [451, 250]
    assert [send(ledger, "x1@example.org"), send(ledger, "x1@example.org")] == [550, 550]
    assert ledger.copies() == {"r1@example.org": 1}


def test_what_is_held_waits_and_is_named_and_goes_on_when_released(ledger):
    ledger.set_rules(Rule("gate", "reply", "hold"))
    codes = []
    sender = threading.Thread(target=lambda: codes.append(send(ledger)))
    sender.start()
    (held,) = ledger.wait_for_held()
    assert held["recipient"] == "r1@example.org" and held["message_id"] == ONLY.strip("<>")
    assert codes == [] and ledger.counts()["on_wire"] == 1
    ledger.release("gate")
    sender.join(10)
    assert codes == [250] and only(ledger).unread == []


def test_whoever_goes_away_while_held_leaves_a_mail_in_doubt(ledger):
    ledger.set_rules(Rule("gate", "reply", "hold"))
    with socket.create_connection(("127.0.0.1", ledger.port)) as client:
        client.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<r1@example.org>\r\nDATA\r\n")
        client.sendall(b"Message-ID: " + ONLY.encode() + b"\r\n\r\nx\r\n.\r\n")
        ledger.wait_for_held()
    assert len(only(ledger).unread) == 1
