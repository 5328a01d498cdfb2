"""What the demo does and says: who got which mail, and why, in plain words on the terminal.

It learns both from where anybody would: the mail store, and the contract's function why().
"""

import datetime
import re
import shutil
import sys
import textwrap

from tests.support import demo_facts, process
from tests.support.programs import post_one_click
from tests.support.queue_calls import is_quiet

NAME_WIDTH = 30
# The conditions that say whose fault it is that somebody was not told, in words for a reader.
REASONS = {
    "alerts are on": "switched alerts off",
    "the person is active": "has left: the account is deactivated",
    "consent is live, or not the basis": "has not consented",
    "the person has not opted out": "has opted out of alerts",
    "the person has no place on the course": "has a place on it already",
    "the course is open to the person's establishment": "works at a school that it is not open to",
}
# Lines of why() that explain others; they need not hold.
DETAILS = ("a subject is shared", "an audience is shared", "an interest is shared", "matched")
FREQUENCIES = {"daily": "wants one mail a day", "weekly": "wants one mail a week"}


def width():
    return min(110, shutil.get_terminal_size((100, 40)).columns)


def say(text="", indent=0):
    """One paragraph, wrapped."""
    margin = " " * indent
    lines = textwrap.wrap(text, width(), initial_indent=margin, subsequent_indent=margin) or [""]
    print("\n".join(lines), flush=True)


def say_title(text):
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def say_row(left, right):
    margin = " " * (NAME_WIDTH + 4)
    head = f"  {left:<{NAME_WIDTH}}  "
    print(textwrap.fill(right, width(), initial_indent=head, subsequent_indent=margin), flush=True)


def say_start(folder):
    say("Handbell, with a made-up portal. Everything runs on this machine alone; every person,"
        " school and address is invented.")  # fmt: skip
    say(f"Logs and mails: {folder}")


def say_killed(program):
    number = -program.process.returncode
    say()
    say(f"handbell {program.word} was killed (signal {number}). It is started again, as systemd would.")


class Story:
    def __init__(self, demo):
        self.demo = demo
        self.portal = demo.portal
        self.people = demo_facts.people()
        self.courses = demo_facts.courses()
        self.by_address = {facts["email"].lower(): ref for ref, facts in self.people.items()}
        self.seen = set()
        self.kills = 0

    def name(self, ref):
        facts = self.people[ref]
        return f"{facts['first_name']} {facts['last_name']}"

    def title(self, course):
        return self.courses[course]["title"]

    def whose(self, message):
        """Who a mail is for, in words."""
        address = message["To"].addresses[0].addr_spec.lower()
        ref = self.by_address.get(address)
        if ref is not None:
            return self.name(ref)
        school = address.partition("@")[2].partition(".")[0]
        return demo_facts.SCHOOLS.get(school, school)

    def until(self, condition, what):
        def is_done():
            self.demo.keep_running()
            return condition()

        process.wait_until(is_done, 60, what, 0.1)

    def wait(self):
        """Until all is sent that is to be sent now; returns the mails that are new."""
        self.until(lambda: is_quiet(self.demo.owner), "the worker has sent what is due")
        fresh = [(path, mail) for path, mail in self.demo.mailbox.mails() if path not in self.seen]
        self.seen.update(path for path, _ in fresh)
        return fresh

    def wait_for_alerts(self):
        """Alerts settle for three seconds: waits until none is left that is not a digest."""
        statement = """select not exists (select from handbell.message
                       where not is_sealed and due < now() + interval '5 s')"""
        self.until(lambda: is_quiet(self.demo.owner)
                   and self.demo.owner.execute(statement).fetchone()[0],
                   "the alerts have settled")  # fmt: skip
        return self.wait()

    def wait_for_rules(self):
        """Until what is due within half a minute has fired."""
        statement = "select not exists (select from handbell.course_rule where job_id is null and due < %s)"
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=30)
        self.until(lambda: self.demo.owner.execute(statement, [soon]).fetchone()[0],
                   "the rules that are due have fired")  # fmt: skip

    def publish(self, courses):
        with self.portal.connection.transaction():
            for course in courses:
                self.portal.change_course(course, status="published")

    def explain_alert(self, person, courses):
        """[(title, the ticks that were shared)] of what this person was matched to."""
        told = []
        for course in courses:
            conditions = self.portal.why(course, person)
            if conditions["matched"][0]:
                shared = [
                    conditions[f"{what} is shared"][1]
                    for what in ("a subject", "an audience", "an interest")
                    if conditions[f"{what} is shared"][0]
                ]
                told.append((self.title(course), ", ".join(shared)))
        return told

    def explain_silence(self, person, courses):
        """Why somebody whose ticks meet one of the courses was not told; None: they meet none."""
        for course in courses:
            conditions = self.portal.why(course, person)
            if not conditions["the ticks meet the course"][0]:
                continue
            for condition, reason in REASONS.items():
                if conditions[condition][0] is False:
                    return f"{reason} ({self.title(course)})"
        return None

    def tell_alerts(self, mails, courses):
        got = {self.by_address.get(m["To"].addresses[0].addr_spec.lower()) for _, m in mails}
        silent = []
        for person, facts in self.people.items():
            if person in got:
                told = self.explain_alert(person, courses)
                say_row(self.name(person), "; ".join(f"{t} (ticked {why})" for t, why in told))
                continue
            waits = facts.get("frequency") in FREQUENCIES and self.explain_alert(person, courses)
            reason = (f"{FREQUENCIES[facts['frequency']]}: it is waiting for its hour" if waits
                      else self.explain_silence(person, courses))  # fmt: skip
            if reason is not None:
                silent.append((person, reason))
        if silent:
            say()
            say("Not mailed, though their ticks meet one of these courses:")
            for person, reason in silent:
                say_row(self.name(person), reason)

    def tell_mails(self, mails):
        for _, mail in sorted(mails, key=lambda item: item[1]["Subject"]):
            say_row(self.whose(mail), mail["Subject"])


def tell_publishing(story):
    courses = [ref for ref in story.courses if ref != demo_facts.LATE_COURSE]
    say_title(f"1. {len(courses)} courses are published, and those who ticked them are alerted")
    story.publish(courses)
    mails = story.wait_for_alerts()
    say(f"{len(mails)} mails: one a person, whatever number of courses it tells of.")
    say()
    story.tell_alerts(mails, courses)
    return mails


def tell_bookings(story):
    say_title("2. Places are confirmed; joining instructions go seven days before the start")
    for statuses, status in ((demo_facts.BOOKINGS, "confirmed"), (demo_facts.WAITING, "waiting")):
        for course, people in statuses.items():
            for person in people:
                booked_by = demo_facts.BOOKED_BY.get(person)
                facts = {"booked_by": booked_by} if booked_by else {}
                story.portal.put_booking(f"{course} {person}", course, person, status=status, **facts)
    story.wait_for_rules()
    story.tell_mails(story.wait())
    say()
    say(f"\"{story.title('phonics')}\" starts in seven days: its rule fired just now. \""
        f"{story.title('autism')}\" starts in five: whoever is confirmed now gets its joining"
        " instructions at once.")  # fmt: skip


def tell_opt_out(story, alerts):
    person = demo_facts.OPTS_OUT
    address = story.people[person]["email"].lower()
    (mail,) = [m for _, m in alerts if m["To"].addresses[0].addr_spec.lower() == address]
    url = re.search(r"<(https?://[^>]+)>", mail["List-Unsubscribe"]).group(1)
    say_title(f"3. {story.name(person)} opts out of alerts, by the one-click link of that mail")
    status = post_one_click(url)
    say(f"POST {url}")
    say(f"answered {status}.")
    say()
    late = demo_facts.LATE_COURSE
    say(f'Then "{story.title(late)}" is published, for two schools alone. It is told to:')
    story.publish([late])
    story.tell_alerts(story.wait_for_alerts(), [late])


def tell_cancellation(story):
    course = demo_facts.CANCELLED_COURSE
    say_title(f'4. "{story.title(course)}" is cancelled: the tutor is ill')
    story.portal.change_course(
        course, status="cancelled", cancel_reason="Our tutor has been taken ill. We are sorry."
    )
    mails = story.wait()
    roles = {story.name(p): "has a place" for p in demo_facts.BOOKINGS[course]}
    roles.update({story.name(p): "is on the waiting list" for p in demo_facts.WAITING[course]})
    for person, booker in demo_facts.BOOKED_BY.items():
        roles[story.name(booker)] = f"booked for {story.name(person)}"
    roles[story.name("p39")] = "is the tutor"
    roles[demo_facts.SCHOOLS["learnwell"]] = "provides the course"
    stopped = story.name(demo_facts.OPTS_OUT)
    roles[stopped] += "; opted out of alerts, and is told of a booked course all the same"
    for _, mail in mails:
        say_row(story.whose(mail), roles.get(story.whose(mail), "?"))
    return mails


def tell_change(story):
    course = demo_facts.CHANGED_COURSE
    say_title(f'5. "{story.title(course)}" moves to another room, then to another day as well')
    with story.portal.connection.transaction():
        story.portal.change_course(course, venue="Westmarch Professional Centre, Hall")
        story.portal.change_course(course, **demo_facts.day(14, "09:30", "12:30"))
    story.tell_mails(story.wait())
    say()
    say("Two changes, one mail each: it shows old and new, and updates the entry in their calendar.")


def tell_reminder(story):
    say_title("6. A course starts in a day: those who booked it long ago are reminded")
    story.portal.put_course("firstaid", **demo_facts.reminded_course())
    for person in demo_facts.REMINDED:
        story.portal.put_booking(f"firstaid {person}", "firstaid", person, status="confirmed", quiet=True)
    story.wait_for_rules()
    story.tell_mails(story.wait())


def tell_kill(story):
    """Somebody has killed the worker. A change comes while there is none, and nothing of it is lost."""
    story.kills += 1
    course = demo_facts.CHANGED_COURSE
    say_title(f"The worker is killed (signal {-story.demo.worker.process.returncode})")
    say(f'Before it is started again, "{story.title(course)}" moves to room {story.kills}. The mails wait.')
    story.portal.change_course(course, venue=f"Westmarch Professional Centre, room {story.kills}")
    say("Now it is started again, as systemd would, reads in its journal what it was sending, and goes on:")
    story.demo.worker.start()
    say()
    story.tell_mails(story.wait())
    ids = {mail["Message-ID"] for _, mail in story.demo.mailbox.mails()}
    twice = len(story.seen) - len(ids)
    say()
    say(f"{len(story.seen)} mails in all, {twice or 'none'} of them twice. Kill it again as often as you like.")
    if twice:
        say("Those were on the wire when it was killed, with their end unknown. A notice then goes again, with"
            " the same Message-ID; an alert does not.")  # fmt: skip


def tell_why(story):
    person, course = demo_facts.OPTS_OUT, demo_facts.LATE_COURSE
    say_title(f'7. handbell why: {story.name(person)} and "{story.title(course)}"')
    for condition, (holds, detail) in story.portal.why(course, person).items():
        mark = "yes" if holds else "-  " if condition in DETAILS else "NO "
        print(f"  {mark}  {condition}{f'  ({detail})' if detail else ''}", flush=True)


def tell_ending(story, alerts, cancellations):
    demo = story.demo
    say_title("8. handbell status")
    status = demo.programs.run_with(demo.worker, "status")
    print(textwrap.indent(status.stdout.rstrip(), "  "), flush=True)
    say_title("See for yourself")
    reader = alerts[0][1]
    url = re.search(r"<(https?://[^>]+)>", reader["List-Unsubscribe"]).group(1)
    rows = [
        ("An alert", str(alerts[0][0])),
        ("A cancellation", str(cancellations[0][0])),
        (f"All {len(story.seen)} mails", str(demo.mailbox.folder / "new")),
        ("An opt-out page", url),
        ("The worker's log", str(demo.worker.log)),
        ("Its settings", str(demo.worker.config)),
        ("Its database", f'psql "{demo.cluster.url("handbell", "portal_demo")}"'),
    ]
    for what, where in rows:
        print(f"  {what:<18}  {where}", flush=True)
    say()
    say(f"Kill the worker, and watch here what is lost and what goes twice: kill -9 {demo.worker.process.pid}")
    say("Everything stays up until Ctrl-C.")
    sys.stdout.flush()


def tell(demo):
    """All of it. Returns the story, which goes on where somebody kills the worker."""
    story = Story(demo)
    alerts = tell_publishing(story)
    tell_bookings(story)
    tell_opt_out(story, alerts)
    cancellations = tell_cancellation(story)
    tell_change(story)
    tell_reminder(story)
    tell_why(story)
    tell_ending(story, alerts, cancellations)
    return story
