"""A portal's busy day in rounds: alerts, confirmations, joining instructions and cancellations; and the
account of it: what the database says became of each mail, beside what the ledger took.

Facts are stated so that a round can be said again when the database went away in the middle of it.
"""

import collections
import dataclasses
import time

import psycopg

from tests.support.people import DOMAINS
from tests.support.portal import in_days
from tests.support.smtp_ledger import Rule

REFUSE_EVERY = 40  # one of so many has an address that the relay refuses
OPT_OUT_EVERY = 30  # one of so many readers does not want the alert that is already queued
DEFER_SHARE = 0.04
NOTICES = ("booking_confirmed", "joining_instructions", "course_cancelled")


@dataclasses.dataclass
class Round:
    """How many of each in a round."""

    readers: int = 60  # an alert each
    confirmed: int = 15  # a confirmation and joining instructions each
    cancelled: int = 10  # a cancellation each

    @property
    def mails(self):
        return self.readers + 2 * self.confirmed + self.cancelled


def rules(most_wait_s=0.0):
    """What the ledger does in these days: it refuses some, puts some off once, and takes its time."""
    slow = [Rule("slow", "reply", "wait", seconds=(0.0, most_wait_s))] if most_wait_s > 0 else []
    return [
        Rule("nobody", "rcpt", "say", to="x.*", text="550 5.1.1 nobody of that name"),
        Rule("full", "rcpt", "say", share=DEFER_SHARE, each=1, text="452 4.2.2 mailbox full"),
        Rule("busy", "reply", "say", share=DEFER_SHARE / 4, each=1, text="451 4.2.0 not now"),
        *slow,
    ]


def address(letter, number):
    prefix = "x" if number % REFUSE_EVERY == REFUSE_EVERY - 1 else ""
    return f"{prefix}{letter}{number}@{DOMAINS[number % len(DOMAINS)]}"


class MixedMail:
    """`demo` is the portal (support/portal.py). `reconnect`, where the database may go away, returns a new
    connection for it."""

    def __init__(self, demo, rounds, size=None, reconnect=None):
        self.demo = demo
        self.reconnect = reconnect
        self.size = size or Round()
        self.rounds = rounds

    @property
    def total(self):
        return self.rounds * self.size.mails

    def state_people(self):
        """Everybody of all rounds, in one go."""
        self.demo.put_tenant(rules={"brake": 1_000_000}, settle="0 seconds")
        self.demo.put_many("category", [
            {"ref": f"k{number}", "kind": "subject", "name": f"Subject {number}"}
            for number in range(self.rounds)
        ])  # fmt: skip
        people = []
        for number in range(self.rounds):
            people += [
                {"ref": f"r{n}", "email": address("r", n), "consent": True, "alerts": True,
                 "interests": [f"k{number}"]}
                for n in self._numbers(number, self.size.readers)
            ]  # fmt: skip
            for letter, count in (("b", self.size.confirmed), ("d", self.size.cancelled)):
                people += [
                    {"ref": f"{letter}{n}", "email": address(letter, n), "consent": True}
                    for n in self._numbers(number, count)
                ]
        for start in range(0, len(people), 5000):
            self.demo.put_many("person", people[start : start + 5000])

    @staticmethod
    def _numbers(number, count):
        return range(number * count, (number + 1) * count)

    def do_round(self, number, timeout_s=60):
        """States what makes a round's mails, again and again until the database has heard it all: saying
        it twice makes none twice."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return self._state_round(number)
            except psycopg.OperationalError:
                if self.reconnect is None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            try:
                self.demo.connection.close()
                self.demo.connection = self.reconnect()
            except psycopg.OperationalError:
                pass  # not yet

    def _state_round(self, number):
        self.demo.put_course(f"alert {number}", title=f"Course {number}", categories=[f"k{number}"])
        near, off = f"near {number}", f"off {number}"
        self.demo.put_course(near, starts_at=in_days(5), ends_at=in_days(5, 15))
        self._book(near, "b", number, self.size.confirmed, False)
        self.demo.put_course(off, starts_at=in_days(30), ends_at=in_days(30, 15))
        self._book(off, "d", number, self.size.cancelled, True)
        for n in self._numbers(number, self.size.readers):
            if n % OPT_OUT_EVERY == 1:
                self.demo.call("opt_out", f"r{n}", "alerts", "by telephone")
        self.demo.change_course(off, status="cancelled", cancel_reason="Snow")

    def _book(self, course, letter, number, count, is_quiet):
        outcomes = self.demo.put_many("booking", [
            {"ref": f"{letter}{n}", "course": course, "person": f"{letter}{n}",
             "status": "confirmed", "quiet": is_quiet}
            for n in self._numbers(number, count)
        ])  # fmt: skip
        assert not [row for row in outcomes if row[2]], outcomes

    def expected(self):
        """{address: how many mails, under as many Message-IDs}, of all rounds. Whoever opted out is owed
        none."""
        wanted = collections.Counter()
        for letter, count, mails in (
            ("r", self.size.readers, 1), ("b", self.size.confirmed, 2), ("d", self.size.cancelled, 1),
        ):  # fmt: skip
            for n in range(self.rounds * count):
                if letter != "r" or n % OPT_OUT_EVERY != 1:
                    wanted[address(letter, n)] = mails
        return wanted


@dataclasses.dataclass
class Ended:
    """A row of the record."""

    message_id: int
    kind: str
    state: str
    reason: str
    address: str
    attempts: int


def read_record(owner):
    """{Message-ID without its domain: Ended}"""
    rows = owner.execute(
        """select 'hb.' || r.tenant_id || '.' || r.message_id || '.'
                  || extract(epoch from r.created_at)::bigint, r.message_id, r.kind, r.state, r.reason,
                  p.email, r.attempts
           from message_record r
           join person p on p.tenant_id = r.tenant_id and p.person_id = r.person_id"""
    ).fetchall()
    assert len(rows) == len({row[0] for row in rows}), "a message ended twice"
    return {row[0]: Ended(*row[1:]) for row in rows}


def hasten(owner):
    """What waits for another attempt is due now."""
    owner.execute("update message set due = now() where state = 'ready' and due > now()")


def is_done(owner):
    """Whether nothing is left to be sent, now or later."""
    hasten(owner)
    return owner.execute(
        """select not exists (select from message)
              and not exists (select from job where state = 'matching')"""
    ).fetchone()[0]


class Account:
    """The record beside the ledger. Each method answers what is wrong, as a list that should be empty."""

    def __init__(self, owner, ledger, doubt_s=2.0):
        """`doubt_s`: whoever had so long to read a reply, had read it when the connection ended."""
        # A mail taken meanwhile is no stranger, nor is one that leaves the queue between two looks.
        before = {key.partition("@")[0] for key in ledger.mails()}
        with owner.transaction():
            owner.execute("set transaction isolation level repeatable read")
            self.record = read_record(owner)
            waiting = owner.execute(
                "select 'hb.' || tenant_id || '.' || message_id || '.'"
                " || extract(epoch from created_at)::bigint from message"
            ).fetchall()
        self.unknown = sorted(before - self.record.keys() - {key for (key,) in waiting})
        self.mails = {key.partition("@")[0]: mail for key, mail in ledger.mails().items()}
        self.doubt_s = doubt_s
        # A match without a message: after a fail-over a worker's file told of its alert, not the database.
        self.queued = owner.execute(
            """select (select count(*) from job_recipient)
                    + (select count(distinct message_id) from match where message_id <> 0)
                    + (select count(*) from message_record r where r.kind = 'course_alert'
                       and r.state in ('sent', 'uncertain')
                       and not exists (select from match m where m.tenant_id = r.tenant_id
                                       and m.message_id = r.message_id)
                       and exists (select from match m where m.tenant_id = r.tenant_id
                                   and m.person_id = r.person_id and m.message_id = 0))"""
        ).fetchone()[0]

    def doubts(self, mail):
        """How many of its copies ended before their sender can have known the reply."""
        return sum(1 for age in mail.unread if age < self.doubt_s) + mail.untaken

    def copies(self, key):
        return self.mails[key].copies if key in self.mails else 0

    def states(self):
        """Counter of (kind, state)"""
        return collections.Counter((row.kind, row.state) for row in self.record.values())

    def duplicates(self, kinds):
        return {
            key: self.copies(key) - 1
            for key, row in self.record.items()
            if row.kind in kinds and self.copies(key) > 1
        }

    def unexplained_duplicates(self):
        """More copies than endings in doubt allow."""
        return [
            (self.record[key], self.mails[key])
            for key in self.duplicates(NOTICES + ("course_alert",))
            if self.copies(key) - 1 > self.doubts(self.mails[key])
        ]

    def lost(self, expected):
        """Who was owed mails and got fewer, and is not told so by the record."""
        got = collections.Counter()
        for mail in self.mails.values():
            if mail.copies:
                got[mail.recipients[0]] += 1
        excused = collections.Counter(
            row.address for row in self.record.values() if row.state != "sent"
        )
        return [who for who, count in expected.items() if got[who] + excused[who] < count]

    def copies_without_kill(self, kills, within_s=1.0):
        """First copies of what went twice, whose senders were not killed so soon after: only a worker that
        does not come back to say what it sent may be the cause of a second copy."""
        found = []
        for key in self.duplicates(NOTICES):
            mail = self.mails[key]
            for client, at in list(zip(mail.clients, mail.times))[:-1]:
                if not any(name == client and 0 <= when - at <= within_s for name, when in kills):
                    found.append((self.record[key], mail))
        return found

    def taken_otherwise(self, expected):
        """{address: copies} of whom the ledger did not take as many for as is owed."""
        taken = collections.Counter(to for mail in self.mails.values() for to in mail.to)
        return {
            who: taken[who] for who, count in expected.items()
            if taken[who] != count and not (who.startswith("x") and taken[who] == 0)
        }  # fmt: skip

    def lies(self):
        """States that what the ledger took belies."""
        found = []
        for key, row in self.record.items():
            copies = self.copies(key)
            if (row.state == "sent") != (copies > 0) and row.state != "uncertain":
                found.append((row, self.mails.get(key)))
        return found

    def unexplained_doubts(self):
        """Called uncertain, though the ledger saw nothing of it end in doubt."""
        return [
            (row, self.mails.get(key))
            for key, row in self.record.items()
            if row.state == "uncertain" and (
                key not in self.mails
                or not self.mails[key].unread + [1] * self.mails[key].untaken
                + [1] * self.mails[key].unfinished)
        ]  # fmt: skip

    def strangers(self):
        """Taken by the ledger, and nothing that the database knows."""
        return self.unknown

    def check(self, expected, duplicates_are_explained=True):
        """All that holds whatever was killed or cut off. Where others take over from whoever does not come
        back in time, the ledger's books alone do not explain a second copy."""
        assert len(self.record) == self.queued, (len(self.record), self.queued)
        assert self.strangers() == []
        assert self.duplicates(["course_alert"]) == {}
        assert not duplicates_are_explained or self.unexplained_duplicates() == []
        assert self.lost(expected) == []
        assert self.lies() == []
        notices = {row.state for row in self.record.values() if row.kind in NOTICES}
        assert notices <= {"sent", "failed"}, notices
        failed = [row.address for row in self.record.values() if row.state == "failed"]
        assert not [who for who in failed if not who.startswith("x")]
        people_alerted = [row.address for row in self.record.values() if row.kind == "course_alert"]
        assert len(people_alerted) == len(set(people_alerted))

    def check_nothing_twice(self):
        """What holds where neither a worker nor its connection to the relay was broken off."""
        assert self.duplicates(NOTICES) == {}
        states = {state for _, state in self.states()}
        assert states <= {"sent", "failed", "skipped"}, self.states()

    def summary(self):
        """The figures, for the log of the test."""
        by_state = collections.Counter(row.state for row in self.record.values())
        doubts = sum(self.doubts(mail) for mail in self.mails.values())
        return (
            f"queued {self.queued}: " + ", ".join(f"{n} {s}" for s, n in sorted(by_state.items()))
            + f"; second copies {sum(self.duplicates(NOTICES).values())} of {doubts} in doubt,"
            f" alerts twice {len(self.duplicates(['course_alert']))},"
            f" uncertain without doubt {len(self.unexplained_doubts())}"
        )
