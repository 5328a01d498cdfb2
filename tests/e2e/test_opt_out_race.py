"""The last word counts: people opt out by one click while the mail that they opt out of is being sent."""

import random
import re
import threading
import time

from tests.support.programs import post_one_click

PEOPLE = 10_000
CLICKERS = 6
UNFOLD = re.compile(rb"\r\n[ \t]+")
LINK = re.compile(rb"^List-Unsubscribe:[^\r]*<(https?://[^>]+)>", re.MULTILINE | re.IGNORECASE)


def read_links(mails):
    """{address: its one-click link}, from the headers alone: the bodies are many."""
    links = {}
    for mail in mails:
        head = UNFOLD.sub(b" ", mail.content.partition(b"\r\n\r\n")[0])
        links[mail.recipient] = LINK.search(head).group(1).decode()
    return links


def click_until(links, chance, answered, stop):
    """Opts out one after the other, and notes when each POST was answered."""
    people = list(links)
    chance.shuffle(people)
    for person in people:
        if stop.is_set():
            return
        assert post_one_click(links[person]) == 200
        answered[person] = time.monotonic()


def test_no_alert_reaches_a_person_after_their_click_was_answered(service, owner):
    demo, store = service.demo, service.store
    demo.put_tenant(base_url=service.url, rules={"brake": 1_000_000})
    demo.put_category("maths")
    demo.put_many("person", [
        {"ref": f"p{number}", "email": f"reader{number}@example.org", "consent": True,
         "alerts": True, "interests": ["maths"]}
        for number in range(PEOPLE)
    ])  # fmt: skip
    demo.put_course("first", categories=["maths"])
    store.wait_for(PEOPLE, 400)
    service.wait_for_quiet(60)
    links = read_links(store.mails())
    assert len(links) == PEOPLE

    answered, stop = {}, threading.Event()
    parts = [dict(list(links.items())[number::CLICKERS]) for number in range(CLICKERS)]
    clickers = [
        threading.Thread(target=click_until, args=(part, random.Random(number), answered, stop))
        for number, part in enumerate(parts)
    ]
    demo.put_course("second", categories=["maths"])
    store.wait_for(PEOPLE + 50, 200)
    for clicker in clickers:
        clicker.start()
    service.wait_for_quiet(240)
    stop.set()
    for clicker in clickers:
        clicker.join()

    second = store.mails()[PEOPLE:]
    late = [mail for mail in second if answered.get(mail.recipient, mail.at) < mail.at]
    assert not late, f"{len(late)} of {len(answered)} who opted out were mailed afterwards"
    reached = {mail.recipient for mail in second}
    assert len(reached) == len(second)
    stopped = set(answered) - reached
    assert len(stopped) > 50, f"nobody opted out in time: {len(answered)} clicks"
    assert set(links) - reached <= set(answered), "somebody who did not opt out was not mailed"
    skipped = sum(
        count for (_, state, reason), count in service.states().items()
        if state == "skipped" and reason == "opted_out"
    )  # fmt: skip
    assert skipped <= len(stopped)
