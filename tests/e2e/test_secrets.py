"""What must not get out: a recipient in a relay's words, a secret in arguments or environment, a
person in the server's own log."""

import pathlib
import re

from tests.support import process
from tests.support.programs import post_one_click
from tests.support.queue_calls import is_quiet


def test_a_relay_that_names_the_recipient_without_an_address_is_kept_without_the_name(
    handbell, mail_store, demo, owner
):
    demo.put_category("maths")
    demo.put_person("p1", email="quillan.oxenholme@oakfield.test", first_name="Quillan",
                    last_name="Oxenholme", interests=["maths"])  # fmt: skip
    # 421 speaks of the relay: the third in a row pauses it, and the log says why.
    words = iter([
        *["421 4.3.2 quillan.oxenholme: come back later, QUILLAN"] * 3,
        "550 5.2.2 mailbox quillan.oxenholme%oakfield.test (Mr Oxenholme) is over quota",
    ])  # fmt: skip
    mail_store.on_rcpt = lambda to: next(words)
    worker = handbell.start_worker(mail_store.url, {"worker": {"log_level": "debug"}})
    demo.put_course("c1", categories=["maths"])

    def kept():
        return owner.execute("select code, words from message_record").fetchone()

    assert process.wait_until(kept, 60, "the mail has ended") == (
        550, "mailbox <recipient>%oakfield.test (Mr <recipient>) is over quota",
    )  # fmt: skip
    assert worker.stop() == 0
    text = worker.log_text().lower()
    assert 'event=relay_paused relay=smtp verb=rcpt code=421 reason="<recipient>: come' in text
    assert "quillan" not in text and "oxenholme" not in text


def proc(program, name):
    return pathlib.Path(f"/proc/{program.process.pid}/{name}").read_bytes()


def test_no_secret_is_in_arguments_or_environment(handbell, mail_store, demo, tmp_path, owner):
    secret = "Sesquipedalian-7"
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text(secret + "\n")
    relay = {"smtp": {"username": "handbell", "password_file": str(tmp_path / "password")}}
    worker = handbell.start_worker(mail_store.url, relay)
    web, _ = handbell.start_web()
    key = pathlib.Path(handbell.key_file).read_text().strip()
    process.wait_until(lambda: "event=worker_started" in worker.log_text(), 20, "it has started")
    for program in (worker, web):
        for name in ("cmdline", "environ"):
            seen = proc(program, name)
            assert secret.encode() not in seen and key.encode() not in seen
        assert secret not in program.log_text() and key not in program.log_text()
    names = owner.execute(
        "select application_name from pg_stat_activity where usename in ('worker_demo', 'web_demo')"
    ).fetchall()
    assert len(names) >= 3
    assert all(re.fullmatch("handbell [a-z]+", name) for (name,) in names), names


def test_what_worker_and_pages_say_to_the_database_names_nobody(
    cluster, handbell, mail_store, demo, owner
):
    """Even where the server logs each statement with its parameters, and each error with its
    statement, as an administrator in search of something may have it."""
    talkative = ("log_min_duration_statement = 0", "log_parameter_max_length_on_error = -1")
    superuser = cluster.connect(handbell.database, "postgres")
    for login in ("worker_demo", "web_demo"):
        for setting in talkative:
            superuser.execute(f"alter role {login} in database {handbell.database} set {setting}")
    superuser.close()
    start = cluster.log.stat().st_size
    web, url = handbell.start_web()
    demo.put_tenant(base_url=url)
    demo.put_category("maths")
    named = {"first_name": "Perpetua", "last_name": "Winterbourne", "interests": ["maths"]}
    demo.put_person("p1", email="perpetua.winterbourne@millrace.test", **named)
    demo.put_person("p2", email="p.winterbourne@millrace.test", **named)
    mail_store.on_rcpt = lambda to: f"550 5.1.1 <{to}> unknown" if to.startswith("p.") else None
    worker = handbell.start_worker(mail_store.url)
    demo.put_course("c1", categories=["maths"])
    (mail,) = mail_store.wait_for(1)
    link = re.search(r"<(http://[^>]+)>", mail.message["List-Unsubscribe"]).group(1)
    assert post_one_click(link) == 200
    process.wait_until(lambda: is_quiet(owner), 20, "all is sent")
    assert worker.stop() == 0 and web.stop() == 0
    written = cluster.log.read_bytes()[start:].lower()
    for word in (b"handbell.mark", b"handbell.record", b"page_"):
        assert word in written, "the server has not logged what it was to be searched for"
    for word in (b"winterbourne", b"perpetua", b"millrace.test", link.rpartition("/")[2].encode()):
        assert word not in written
