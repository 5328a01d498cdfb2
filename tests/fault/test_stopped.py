"""A process that is stopped (SIGSTOP) past every limit and goes on (SIGCONT): a worker at each step of a
mail beside another worker, the web process, and the relay."""

import base64
import collections
import contextlib
import email
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

from tests.support import netns, process, scale
from tests.support.bad_smtp_server import USUAL, BadSmtpServer
from tests.support.mail_store import MailboxProcess
from tests.support.queue_calls import Queue
from tests.support.schema import WEB, WORKER
from tests.support.web import Site

LEASE_S = 1
GRACE_S = 2
READERS = 3
SETTINGS = {
    "smtp": {"connections": 2},
    "worker": {"lease_s": LEASE_S, "takeover_grace_s": GRACE_S, "poll_ms": 200},
}


class HeldServer:
    """A relay that says nothing from one step on until it is let go. `step`: a verb of
    bad_smtp_server."""

    def __init__(self, step, extensions):
        self.step = step
        self.may_go = threading.Event()
        self.held = 0
        self.server = BadSmtpServer({step: self.hold}, extensions)

    def hold(self, session):
        self.held += 1
        if self.step == "BODY_START":
            session.send(USUAL["DATA"])
            self.may_go.wait(60)
            return
        self.may_go.wait(60)
        session.send(USUAL.get(self.step, b"250-bad.example\r\n250 8BITMIME\r\n"))
        if self.step == "MAIL":
            session.mail_from, session.rcpt_to = b"held", None
        elif self.step == "DATA":
            session.take_body()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.server.port}"

    def message_ids(self):
        parsed = (email.message_from_bytes(message.body) for message in self.server.messages)
        return collections.Counter(mail["Message-ID"] for mail in parsed)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *reason):
        self.may_go.set()
        self.server.__exit__(*reason)


def state_facts(demo):
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"r{number}", "email": f"r{number}@example.org", "consent": True, "alerts": True,
         "interests": ["maths"]}
        for number in range(READERS)
    ])  # fmt: skip
    demo.put_course("off")
    for number in range(READERS):
        demo.put_person(f"d{number}", email=f"d{number}@example.org")
        demo.put_booking(f"b{number}", "off", f"d{number}", status="confirmed", quiet=True)


def end_sessions(handbell, login=WORKER):
    """As when a machine is gone from the net and the server's keepalives have noticed."""
    superuser = handbell.cluster.connect(handbell.database, "postgres")
    superuser.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [login]
    )
    superuser.close()


@contextlib.contextmanager
def stopped(*processes):
    for each in processes:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in processes:
            os.kill(each, signal.SIGCONT)


def wait_for_log(program, text, timeout_s=20):
    process.wait_until(lambda: text in program.log_text(), timeout_s, f"the log says {text}")


@pytest.fixture
def narrow():
    """A network namespace, for this thread, where a mail does not fit between relay and worker."""
    if netns.why_not() is not None:
        pytest.skip(netns.why_not())
    namespace = netns.Namespace()
    namespace.ip("link set lo up")
    with namespace.entered():
        pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").write_text("4096 8192 8192")
        yield
    namespace.close()


PIPELINED = ("PIPELINING", "8BITMIME")
ONE_BY_ONE = ("8BITMIME",)
STEPS = [("EHLO", ONE_BY_ONE), ("MAIL", PIPELINED), ("DATA", ONE_BY_ONE), ("BODY", PIPELINED)]
if scale.FULL:
    STEPS = [(step, way) for step in ("EHLO", "MAIL", "DATA", "BODY") for way in (PIPELINED, ONE_BY_ONE)]


@pytest.mark.parametrize("step, extensions", STEPS,
                         ids=[f"{step}, {'pipelined' if way is PIPELINED else 'one by one'}"
                              for step, way in STEPS])  # fmt: skip
def test_a_worker_stopped_at_any_step_of_a_mail_loses_nothing_and_alerts_nobody_twice(
    handbell, mail_store, demo, owner, step, extensions
):
    """Its sessions are ended meanwhile, and another worker takes over what it had: claimed mail at once,
    mail on the wire after the grace. The other sends to a relay of its own, so that each copy is seen."""
    state_facts(demo)
    check_stopped(handbell, mail_store, demo, owner, HeldServer(step, extensions))


def test_a_worker_stopped_in_the_middle_of_a_body_does_not_end_it_when_its_lease_is_over(
    narrow, handbell, mail_store, demo, owner
):
    state_facts(demo)
    logo = base64.b64encode(b"GIF89a" + bytes(range(256)) * 170).decode()
    demo.put_tenant(brand={"logo": {"type": "image/gif", "alt": "A bell", "base64": logo}})
    relay = HeldServer("BODY_START", ONE_BY_ONE)
    relay.server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    check_stopped(handbell, mail_store, demo, owner, relay)


def check_stopped(handbell, mail_store, demo, owner, held):
    step = held.step
    with held as relay:
        first = handbell.start_worker(relay.url, SETTINGS)
        wait_for_log(first, "event=worker_started")
        demo.put_course("new", categories=["maths"])
        demo.change_course("off", status="cancelled", cancel_reason="Snow")
        process.wait_until(lambda: relay.held > 0, 20, f"the relay is at {step}")
        time.sleep(0.5)
        with stopped(first.process.pid):
            end_sessions(handbell)
            second = handbell.start_worker(mail_store.url, SETTINGS)
            process.wait_until(lambda: not count_waiting(owner), 20, "the second has done the rest")
            time.sleep(LEASE_S)
            begun = relay.server.verbs().count("DATA")
        relay.may_go.set()
        wait_for_log(first, "event=database_found_again")
        assert first.stop() == 0  # what it had only marked is given back, and the second sends it
        process.wait_until(lambda: not count_waiting(owner), 20, "all has ended")
        assert second.stop() == 0
        check_copies(relay.message_ids(), mail_store.message_ids(), step)
        check_states(owner, relay.message_ids() + mail_store.message_ids())
        if relay.server.extensions == list(ONE_BY_ONE):
            assert relay.server.verbs().count("DATA") == begun, "its lease was over"


def count_waiting(owner):
    return owner.execute("select count(*) from message").fetchone()[0]


def check_copies(first, second, step):
    """Only what the first had handed over whole before it was stopped can have come twice."""
    twice = [name for name, count in (first + second).items() if count > 1]
    assert max(second.values()) == 1
    if step == "BODY":
        assert 0 < sum(first.values()) <= 2 and set(twice) <= set(first)
    else:
        assert not first and not twice


def check_states(owner, arrived):
    """Every cancellation is sent; alerts are sent, or it is told that they may not be."""
    urgent, alerts = states(owner, "course_cancelled"), states(owner, "course_alert")
    assert urgent == {"sent": READERS}
    assert set(alerts) <= {"sent", "uncertain"} and sum(alerts.values()) == READERS
    assert READERS + alerts["sent"] <= len(arrived) <= 2 * READERS


def states(owner, kind):
    rows = owner.execute(
        "select state, count(*) from any_message where kind = %s group by 1", [kind]
    ).fetchall()
    return collections.Counter(dict(rows))


def test_pages_stopped_for_longer_than_their_sessions_live_serve_again(handbell, demo):
    web, url = handbell.start_web()
    site = Site(url)
    with stopped(web.process.pid):
        end_sessions(handbell, WEB)
        waiting = site.connect()
        time.sleep(2)
    waiting.close()

    def is_well():
        return site.ask("GET", "/healthz").status == 200

    process.wait_until(is_well, 10, "pages are served again")
    assert web.stop() == 0


def test_a_relay_stopped_past_its_time_outs_leaves_each_mail_once_or_uncertain(
    handbell, demo, owner, tmp_path
):
    """The kernel goes on taking connections and bytes for it; then it goes on, and so does the mail."""
    relay = MailboxProcess(tmp_path / "box", tmp_path / "relay.log")
    state_facts(demo)
    settings = {"smtp": {"connections": 2, "greeting_timeout": 1, "mail_timeout": 1,
                         "hello_timeout": 1, "end_timeout": 1}}  # fmt: skip
    worker = handbell.start_worker(relay.url, settings)
    wait_for_log(worker, "event=worker_started")
    demo.put_course("before", categories=["maths"])
    process.wait_until(lambda: len(relay.paths()) == READERS, 20, "it works")
    with stopped(relay.process.pid):
        demo.put_course("new", categories=["maths"])
        demo.change_course("off", status="cancelled", cancel_reason="Snow")
        wait_for_log(worker, "event=relay_paused")
    owner.execute("update message set due = now()")
    process.wait_until(lambda: not count_waiting(owner), 30, "all has ended")
    assert worker.stop() == 0
    assert states(owner, "course_cancelled") == {"sent": READERS}
    alerts = states(owner, "course_alert")
    assert alerts["sent"] + alerts["uncertain"] == 2 * READERS == sum(alerts.values())
    kept = collections.Counter(mail["Message-ID"] for _, mail in relay.mails() if "Snow" not in str(mail))
    assert max(kept.values()) == 1


def test_the_server_ends_the_session_of_a_worker_that_is_stopped_and_of_none_that_asks_each_minute(
    demo, connect
):
    session = connect(WORKER)
    Queue(session).start()
    (limit_ms,) = session.execute(
        "select setting::integer from pg_settings where name = 'idle_session_timeout'"
    ).fetchone()
    assert 2 * 60_000 < limit_ms < 180_000


@pytest.mark.skipif(not scale.FULL, reason="takes over two minutes")
def test_what_a_stopped_worker_claimed_goes_without_it_though_nobody_ends_its_sessions(
    handbell, mail_store, demo, owner
):
    state_facts(demo)
    with HeldServer("MAIL", ONE_BY_ONE) as relay:
        first = handbell.start_worker(relay.url, SETTINGS)
        wait_for_log(first, "event=worker_started")
        demo.change_course("off", status="cancelled", cancel_reason="Snow")
        process.wait_until(lambda: relay.held > 0, 20, "the relay is at MAIL")
        with stopped(first.process.pid):
            second = handbell.start_worker(mail_store.url, SETTINGS)
            process.wait_until(lambda: not count_waiting(owner), 180, "the second has done it all")
        assert len(mail_store.received) == READERS
        relay.may_go.set()
        wait_for_log(first, "event=database_found_again")
        assert first.stop() == 0 and second.stop() == 0 and not relay.server.messages
