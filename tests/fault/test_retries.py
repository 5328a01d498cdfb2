"""What a relay defers is tried again when it is worth while: by mail, by the recipient's domain, never
past its time; and what has failed says why, without saying whom."""

import pytest

from tests.support import process

MANY = 40


@pytest.fixture
def send(handbell, mail_store, demo, owner):
    """send(refs, on_rcpt): one confirmation each, through a relay that answers RCPT so. The worker."""
    demo.put_course("c")

    def start(refs, on_rcpt, domain="example.org", **facts):
        mail_store.on_rcpt = on_rcpt
        for ref in refs:
            demo.put_person(ref, email=f"{ref}@{domain}", **facts)
            demo.put_booking(f"b-{ref}", "c", ref, status="confirmed")
        return handbell.start_worker(mail_store.url, {"smtp": {"connections": 1}})

    return start


def waiting(owner):
    """(attempts, in how many seconds it is due, code, text) of what is in the queue, or () while any
    of it is in a worker's hands."""
    rows = owner.execute(
        "select state = 'ready', attempts, extract(epoch from due - now())::float, last_code, last_text"
        " from message order by attempts desc, due").fetchall()  # fmt: skip
    return [row[1:] for row in rows] if all(row[0] and row[2] > 1 for row in rows) else ()


def wait_for_waiting(owner, worker, count):
    return process.wait_until(
        lambda: worker.check_running() and len(waiting(owner)) == count and waiting(owner), 15,
        f"{count} wait for another attempt")  # fmt: skip


def ended(owner):
    return owner.execute("select state, reason, attempts, code, enhanced, words from message_record"
                         " order by message_id").fetchall()  # fmt: skip


def wait_for_ended(owner, worker, count):
    process.wait_until(lambda: worker.check_running() and len(ended(owner)) == count, 15,
                       f"{count} have ended")  # fmt: skip
    return ended(owner)


def test_a_domain_in_trouble_is_asked_a_few_times_and_another_is_sent_to(
    send, demo, owner, mail_store
):
    """One attempt tells of all its people; what was on its way at that moment counts too."""
    for ref in range(5):
        demo.put_person(f"good{ref}", email=f"q{ref}@fine.example.net")
        demo.put_course("c")
        demo.put_booking(f"b-good{ref}", "c", f"good{ref}", status="confirmed")
    asked = []

    def on_rcpt(address):
        if address.endswith("@broken.example.org"):
            asked.append(address)
            return "451 4.4.1 no answer from the host"
        return None

    worker = send([f"r{number}" for number in range(MANY)], on_rcpt, "broken.example.org")
    assert mail_store.wait_for(5, 15)
    rows = wait_for_waiting(owner, worker, MANY)
    tried = [row for row in rows if row[0] > 0]
    assert 1 <= len(asked) == len(tried) <= 6
    assert all(row[0] == 0 and 25 < row[1] < 125 for row in rows[len(tried):])
    log = worker.log_text()
    assert log.count("event=domain_paused") == 1 and "broken" not in log


def test_what_is_urgent_asks_a_domain_that_is_left_alone(send, demo, owner, mail_store):
    worker = send(["r1"], lambda address: "451 4.3.0 in trouble", "broken.example.org")
    wait_for_waiting(owner, worker, 1)
    mail_store.on_rcpt = None
    demo.change_course("c", status="cancelled")
    (mail,) = mail_store.wait_for(1, 10)
    assert "ancelled" in mail.message["Subject"]


@pytest.mark.parametrize("reply, least_s, most_s", [
    ("450 4.7.1 Greylisted, please come back in 300 seconds", 295, 361),
    ("451 4.7.1 Greylisting in action, come back in 00:05:00", 295, 361),
    ("450 4.2.0 Greylisted", 55, 121),
    ("451 4.7.1 come back in 9 days, that is 999 hours", 3590, 3661),
])  # fmt: skip
def test_a_greylisted_mail_waits_as_the_server_asks_and_goes_once(
    send, owner, mail_store, reply, least_s, most_s
):
    worker = send(["r1"], lambda address: reply)
    ((attempts, due_in_s, code, text),) = wait_for_waiting(owner, worker, 1)
    assert attempts == 1 and least_s < due_in_s < most_s
    assert str(code) == reply[:3] and text in reply
    mail_store.on_rcpt = None
    owner.execute("update message set due = now()")
    wait_for_ended(owner, worker, 1)
    assert ended(owner)[0][:3] == ("sent", None, 2)
    assert list(mail_store.message_ids().values()) == [1]


def test_a_mail_without_time_for_another_try_ends_and_says_why(send, owner, mail_store, demo):
    worker = send([], lambda address: "450 4.7.1 come back in 10 minutes")
    worker.stop()
    demo.put_person("r1", email="r1@example.org")
    demo.put_booking("b-r1", "c", "r1", status="confirmed")
    owner.execute("update message set expires_at = now() + interval '100 s'")
    worker.start()
    assert wait_for_ended(owner, worker, 1) == [
        ("failed", "expired", 1, 450, "4.7.1", "come back in 10 minutes")]  # fmt: skip


WORDS = [
    ("550 5.1.1 <{address}>: user unknown", "5.1.1", "<address>: user unknown"),
    ("550 5.1.1 No such person here: {local}", "5.1.1", "No such person here: <recipient>"),
    ("550 5.2.1 The mailbox of {first} {last} is disabled", "5.2.1",
     "The mailbox of <recipient> <recipient> is disabled"),
    ("554 5.7.1 Spam, said {address} and {address}", "5.7.1", "Spam, said <address> and <address>"),
    ("553 \"{local}@example.org\" is not ours", None, "<address> is not ours"),
    ("550 5.4.1 caf\u00e9 \x01 {first}", "5.4.1", "caf?? ? <recipient>"),
    ("550", None, None),
]  # fmt: skip


@pytest.mark.parametrize("reply, enhanced, words", WORDS)
def test_what_failed_says_why_in_the_peer_s_words_and_not_whom(
    send, owner, mail_store, reply, enhanced, words
):
    person = {"first_name": "Ffionella", "last_name": "Quigglesworth"}
    local = "qz17"
    told = reply.format(address=f"{local}@example.org", local=local, first=person["first_name"],
                        last=person["last_name"])  # fmt: skip
    worker = send([local], lambda address: told, **person)
    ((state, reason, attempts, code, found, said),) = wait_for_ended(owner, worker, 1)
    assert (state, reason, attempts, code) == ("failed", None, 1, int(reply[:3]))
    assert found == enhanced
    assert said == words
