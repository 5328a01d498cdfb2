"""Sending to servers that were not written for these tests: Debian's Postfix and aiosmtpd."""

import mailbox
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
from email.header import decode_header, make_header

import pytest

from tests.support import certificates, postfix, process, smtp_client

SMUGGLE = b"Subject: s\r\n\r\na\n.\nMAIL FROM:<evil@evil.example>\nb\r.\r\nc\n.\r\nRSET\r\n.\r\n"


@pytest.fixture(scope="module")
def relay():
    """A Postfix that offers STARTTLS with a certificate of .authority."""
    if postfix.missing():
        pytest.skip(postfix.missing())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="handbell-postfix-"))
    folder.chmod(0o755)
    (folder / "tls").mkdir()
    authority = certificates.Certificates(folder / "tls")
    certificate, key = authority.make()
    tls = (
        f"smtpd_tls_chain_files = {key}, {certificate}\n"
        f"smtpd_tls_security_level = may\nsmtpd_tls_session_cache_database ="
    )
    try:
        with postfix.Postfix(folder, tls) as server:
            server.authority = authority
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_postfix_takes_many_mails_over_a_few_connections(relay, mails):
    before = len(relay.wait_for_mails(0))
    run = smtp_client.run(
        f"smtp://127.0.0.1:{relay.port}",
        [*(mails.step(str(i)) for i in range(60)), "wait"],
        connections=4,
    )
    assert run.statistics["sent"] == 60
    assert run.statistics["opened"] <= 4
    assert all(outcome.enhanced == "2.0.0" for outcome in run.outcomes)
    assert len(relay.wait_for_mails(before + 60)) == before + 60


def test_postfix_takes_mails_over_verified_tls(relay, mails):
    before = len(relay.wait_for_mails(0))
    run = smtp_client.run(
        f"smtp://localhost:{relay.port}?tls=required",
        [*(mails.step(str(i)) for i in range(20)), "wait"],
        connections=2,
        ca_file=relay.authority.ca,
    )
    assert run.statistics["sent"] == 20
    assert len(relay.wait_for_mails(before + 20)) == before + 20


def test_postfix_sees_one_mail_where_another_was_smuggled(relay, mails):
    before = len(relay.wait_for_mails(0))
    run = smtp_client.run(
        f"smtp://127.0.0.1:{relay.port}", [mails.step("s", content=SMUGGLE), "wait"]
    )
    assert run["s"].kind == "sent"
    found = relay.wait_for_mails(before + 1)
    assert len(found) == before + 1
    mail = next(mail for mail in found if b"evil.example" in mail)
    assert mail.endswith(b"a\n.\nMAIL FROM:<evil@evil.example>\nb\n.\nc\n.\nRSET\n.\n")
    assert "evil.example" not in relay.log()


def test_postfix_refusals_are_told_apart_and_the_session_goes_on(relay, mails):
    steps = [
        mails.step("a"),
        mails.step("refused", to="refused@school.example"),
        mails.step("later", to="later@school.example"),
        mails.step("large", content=smtp_client.MAIL + 4000 * b"0123456789012345678901234567\r\n"),
        mails.step("b"),
        "wait",
    ]
    run = smtp_client.run(f"smtp://127.0.0.1:{relay.port}", steps)
    assert run["refused"].short == ("refused", "recipient", "RCPT", 550)
    assert run["refused"].enhanced == "5.1.1"
    assert run["later"].short == ("deferred", "recipient", "RCPT", 450)
    assert (run["large"].kind, run["large"].scope) == ("refused", "message")
    assert [run["a"].kind, run["b"].kind] == ["sent", "sent"]
    assert run.statistics["opened"] == 1
    assert all("@" not in outcome.text for outcome in run.outcomes)


@pytest.fixture
def aiosmtpd(tmp_path):
    """(port, maildir) of an aiosmtpd, which knows SMTPUTF8 and no pipelining."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    folder = tmp_path / "maildir"
    running = subprocess.Popen(
        [sys.executable, "-m", "aiosmtpd", "-n", "-u", "-l", f"127.0.0.1:{port}",
         "-c", "aiosmtpd.handlers.Mailbox", folder],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )

    def listens():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            return False

    try:
        process.wait_until(listens, 20, "aiosmtpd listens")
        yield port, folder
    finally:
        running.terminate()
        running.wait(timeout=10)


def test_aiosmtpd_takes_mails_one_command_at_a_time(aiosmtpd, mails):
    port, folder = aiosmtpd
    steps = [
        *(mails.step(str(i)) for i in range(10)),
        mails.step("utf8", to="jörg@schule.example"),
        mails.step("smuggle", content=SMUGGLE),
        "wait",
    ]
    run = smtp_client.run(f"smtp://127.0.0.1:{port}", steps, connections=3)
    assert run.statistics["sent"] == 12
    found = list(mailbox.Maildir(folder))
    assert len(found) == 12
    recipients = [str(make_header(decode_header(mail["X-RcptTo"]))) for mail in found]
    assert sorted(recipients) == sorted(["jörg@schule.example", *(11 * ["p1@school.example"])])
