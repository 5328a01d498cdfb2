"""What must not get out: a recipient in a relay's words, a secret in arguments or environment."""

import pathlib
import re

from tests.support import process


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
    assert 'event=relay_paused verb=rcpt code=421 reason="<recipient>: come' in text
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
