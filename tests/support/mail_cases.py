"""Single mails whose way is followed: an alert and a cancellation of each case, and what became of them.

A case's name stands in the recipients' addresses: r-CASE@example.org hears the alert, d-CASE@example.org
the cancellation.
"""

from tests.support.mixed_mail import Account
from tests.support.portal import in_days

ALERT, NOTICE = "course_alert", "course_cancelled"


def state_mails(demo, cases, round_name="one"):
    """Both mails of each case are due at once."""
    subject, on, off = f"subject {round_name}", f"on {round_name}", f"off {round_name}"
    demo.put_category(subject)
    demo.put_course(off, starts_at=in_days(30), ends_at=in_days(30, 15))
    for case in cases:
        demo.put_person(f"r-{case}", email=f"r-{case}@example.org", interests=[subject])
        demo.put_person(f"d-{case}", email=f"d-{case}@example.org")
        demo.put_booking(f"b-{case}", off, f"d-{case}", status="confirmed", quiet=True)
    demo.put_course(on, categories=[subject])
    demo.change_course(off, status="cancelled")


def found(owner, ledger):
    """{case: {kind: (state, copies)}} of all that has ended."""
    account = Account(owner, ledger)
    assert account.strangers() == []
    assert all(len(mail.recipients) <= 1 for mail in ledger.mails().values())
    cases = {}
    for key, row in account.record.items():
        case = row.address.partition("@")[0].partition("-")[2]
        cases.setdefault(case, {})[row.kind] = (row.state, account.copies(key))
    return cases
