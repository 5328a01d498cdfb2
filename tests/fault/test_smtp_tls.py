"""TLS and logins: without a verified peer nothing is sent."""

import pytest

from tests.support import certificates, smtp_client
from tests.support.bad_smtp_server import BadSmtpServer, close, garbage, say, say_and_close, stall

BEFORE = ["STARTTLS", "PIPELINING", "SMTPUTF8", "8BITMIME", "AUTH PLAIN", "SIZE 10"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certificates.Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def good(authority):
    """The TLS context of a server that is what it says."""
    return certificates.context(*authority.make())


def starttls_server(tls, script=None, **options):
    options.setdefault("extensions", ["STARTTLS", "PIPELINING"])
    return BadSmtpServer(script, tls=tls, **options)


def send(server, mails, authority, scheme="smtp", **options):
    options.setdefault("ca_file", authority.ca)
    query = "?tls=required" if scheme == "smtp" else ""
    url = f"{scheme}://localhost:{server.port}{query}"
    steps = options.pop("steps", [mails.step(), "wait"])
    return smtp_client.run(url, steps, **options)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_verified_relay_gets_mail(mails, authority, good, scheme):
    steps = [*(mails.step(str(i)) for i in range(30)), "wait"]
    server = (
        starttls_server(good)
        if scheme == "smtp"
        else BadSmtpServer(tls=good, implicit_tls=True)
    )
    with server:
        run = send(server, mails, authority, scheme, steps=steps, connections=3)
    assert run.statistics["sent"] == len(server.messages) == 30
    # (A session that was still saying hello when the last mail had gone is none of these.)
    assert all(message.is_secure for message in server.messages)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_large_mail_arrives_whole_through_tls(mails, authority, good, scheme):
    content = smtp_client.MAIL + 60_000 * b"0123456789 a line of a large mail\r\n"
    server = (
        starttls_server(good)
        if scheme == "smtp"
        else BadSmtpServer(tls=good, implicit_tls=True)
    )
    with server:
        steps = [mails.step("large", content=content), mails.step("small"), "wait"]
        run = send(server, mails, authority, scheme, steps=steps)
    assert [run["large"].kind, run["small"].kind] == ["sent", "sent"]
    assert server.messages[0].body == content


@pytest.mark.parametrize("fault", ["expired", "self_signed", "wrong_host", "unknown_authority"])
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_does_not_verify_stops_everything(
    mails, tmp_path, authority, fault, scheme
):
    made = {
        "expired": lambda: authority.make(is_expired=True),
        "self_signed": authority.make_self_signed,
        "wrong_host": lambda: authority.make("DNS:relay.example,IP:127.0.0.9"),
        "unknown_authority": lambda: certificates.Certificates(tmp_path).make(),
    }[fault]()
    tls = certificates.context(*made)
    password = tmp_path / "password"
    password.write_text("sesame\n")
    with BadSmtpServer(
        tls=tls, implicit_tls=scheme == "smtps", extensions=["STARTTLS", "AUTH PLAIN"]
    ) as server:
        run = send(server, mails, authority, scheme, username="handbell", password_file=password)
    assert run["m"].short[:3] == ("deferred", "relay", "STARTTLS")
    assert not server.messages and not server.logins
    assert "MAIL" not in server.verbs() and "AUTH" not in server.verbs()


def test_a_relay_whose_starttls_was_stripped_gets_nothing(mails, authority, good):
    with starttls_server(good, extensions=["PIPELINING"]) as server:
        run = send(server, mails, authority)
    assert run["m"].short[:3] == ("deferred", "relay", "STARTTLS")
    assert server.verbs()[0] == "EHLO" and "MAIL" not in server.verbs()


@pytest.mark.parametrize(
    "action,code",
    [
        (say("454 4.7.0 not now"), 454),
        (say("554 5.7.3 no"), 554),
        (say_and_close("421 4.3.2 no"), 421),
        (close, 0),
        (stall, 0),
        (garbage, 0),
        (say("220 go", "250 injected"), 0),
    ],
    ids=["454", "554", "421", "close", "stall", "garbage", "injected"],
)
def test_a_starttls_that_fails_sends_nothing(mails, authority, good, action, code):
    with starttls_server(good, {"STARTTLS": action}) as server:
        run = send(server, mails, authority, hello_ms=400)
    assert run["m"].short[:2] == ("deferred", "relay")
    assert run["m"].code == code
    assert not server.messages and "MAIL" not in server.verbs()


def test_only_what_is_offered_inside_tls_is_believed(mails, authority, good):
    """Before: everything, and a limit of ten bytes. After: nothing."""
    with starttls_server(good, extensions=BEFORE, extensions_after_tls=[]) as server:
        steps = [mails.step("a"), mails.step("utf8", to="jörg@schule.example"), "wait"]
        run = send(server, mails, authority, steps=steps)
    assert run["a"].kind == "sent"
    assert b"SIZE" not in server.messages[0].mail_from
    assert run["utf8"].kind == "refused"
    verbs = server.verbs()
    assert verbs[:3] == ["EHLO", "STARTTLS", "EHLO"]


def test_what_is_offered_inside_tls_alone_is_used(mails, authority, good):
    options = {"extensions": ["STARTTLS"], "extensions_after_tls": ["SMTPUTF8", "SIZE 100000"]}
    with starttls_server(good, **options) as server:
        steps = [mails.step("utf8", to="jörg@schule.example"), "wait"]
        run = send(server, mails, authority, steps=steps)
    assert run["utf8"].kind == "sent"
    assert b"SIZE=" in server.messages[0].mail_from


@pytest.mark.parametrize("auth", ["plain", "login", "auto"])
def test_a_password_logs_in(mails, tmp_path, authority, good, auth):
    password = tmp_path / "password"
    password.write_text("pass word:ü\n")
    after = ["AUTH LOGIN" if auth == "login" else "AUTH PLAIN LOGIN CRAM-MD5", "PIPELINING"]
    with starttls_server(good, extensions_after_tls=after) as server:
        run = send(
            server, mails, authority, username="handbell", password_file=password, auth=auth
        )
    secret = "pass word:ü".encode()
    expected = {
        "login": ("LOGIN", b"handbell", secret),
        "plain": ("PLAIN", b"\0handbell\0" + secret),
        "auto": ("PLAIN", b"\0handbell\0" + secret),
    }
    assert server.logins == [expected[auth]]
    assert run["m"].kind == "sent"


def test_a_token_is_read_anew_for_each_connection(mails, tmp_path, authority, good):
    token = tmp_path / "token"
    token.write_text("first-token\n")
    with starttls_server(good, extensions_after_tls=["AUTH XOAUTH2", "PIPELINING"]) as server:
        running, text = smtp_client.start(
            f"smtp://localhost:{server.port}?tls=required",
            [mails.step("a"), "wait", "pause 600", mails.step("b"), "wait"],
            ca_file=authority.ca,
            username="handbell@tenant.example",
            token_file=token,
            auth="xoauth2",
            idle_ms=100,
        )
        running.stdin.write(text)
        running.stdin.close()
        assert running.stdout.readline().startswith("a\tsent")
        token.write_text("second-token\n")
        assert running.stdout.readline().startswith("b\tsent")
        running.stdout.read()
        assert running.wait(timeout=10) == 0
        running.stderr.close()
    login = "user=handbell@tenant.example\x01auth=Bearer {}\x01\x01"
    assert server.logins == [
        ("XOAUTH2", login.format("first-token").encode()),
        ("XOAUTH2", login.format("second-token").encode()),
    ]


def test_a_refused_login_defers_and_tells_no_secret(mails, tmp_path, authority, good):
    password = tmp_path / "password"
    password.write_text("sesame\n")
    script = {"AUTH": say("535 5.7.8 handbell@tenant.example is wrong")}
    with starttls_server(good, script, extensions_after_tls=["AUTH PLAIN"]) as server:
        run = send(
            server,
            mails,
            authority,
            username="handbell@tenant.example",
            password_file=password,
        )
    assert run["m"].short == ("deferred", "relay", "AUTH", 535)
    assert "sesame" not in run["m"].text + run.errors
    assert "tenant.example" not in run["m"].text
    assert "MAIL" not in server.verbs()


def test_a_relay_that_offers_no_login_gets_no_mail(mails, tmp_path, authority, good):
    """libcurl goes on without; a relay that lets us is not the one that was configured."""
    password = tmp_path / "password"
    password.write_text("sesame\n")
    with starttls_server(good, extensions_after_tls=["PIPELINING"]) as server:
        run = send(server, mails, authority, username="handbell", password_file=password)
    assert run["m"].short == ("deferred", "relay", "AUTH", 0)
    assert "MAIL" not in server.verbs()


@pytest.mark.parametrize(
    "url,options,named",
    [
        ("smtp://user:sesame@localhost", {}, "url"),
        ("http://localhost", {}, "url"),
        ("smtp://localhost:0", {}, "url"),
        ("smtp://localhost?tls=maybe", {}, "url"),
        ("smtp://localhost", {"username": "u"}, "password_file"),
        ("smtp://localhost", {"password_file": "/nowhere"}, "username"),
        ("smtp://localhost", {"username": "u", "password_file": "/nowhere"}, "/nowhere"),
        ("smtp://relay.example?tls=none", {"username": "u", "token_file": "/x"}, "TLS"),
        ("smtp://localhost", {"hostname": "a b"}, "hostname"),
    ],
)
def test_a_wrong_setting_is_named_at_the_start(mails, url, options, named):
    run = smtp_client.run(url, [], **options)
    assert run.status == (66 if named == "/nowhere" else 78)
    assert named in run.errors
    assert "sesame" not in run.errors
