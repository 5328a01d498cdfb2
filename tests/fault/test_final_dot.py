"""The relay breaks the connection off at each byte around the end of a mail: what it may have taken is in
doubt and what it cannot have taken is not. An alert in doubt stays so; a notice goes again, as itself."""

import pytest

from tests.support import mixed_mail, process, scale
from tests.support.mail_cases import ALERT, NOTICE, found, state_mails
from tests.support.smtp_ledger import REPLY, TERMINATOR, Rule
from tests.support.worker_group import WorkerGroup

ONCE = {ALERT: ("sent", 1), NOTICE: ("sent", 1)}
TAKEN = {ALERT: ("uncertain", 1), NOTICE: ("sent", 2)}
NOT_TAKEN = {ALERT: ("uncertain", 0), NOTICE: ("sent", 1)}


def cases():
    """{name: (rule, what becomes of an alert and of a notice)}"""
    found = {
        "rcpt": ({"at": "rcpt"}, ONCE),
        "data": ({"at": "data"}, ONCE),
        # It is written at one go, so that its end had left, too.
        "body": ({"at": "body", "bytes": 1}, NOT_TAKEN),
    }
    for size in range(len(TERMINATOR)):
        found[f"end{size}"] = ({"at": "end", "bytes": size}, NOT_TAKEN)
    found["taken"] = ({"at": "end", "bytes": len(TERMINATOR)}, TAKEN)
    found["untaken"] = ({"at": "end", "bytes": len(TERMINATOR), "accepts": False}, NOT_TAKEN)
    for size in range(1, len(REPLY)):
        found[f"reply{size}"] = ({"at": "reply", "bytes": size, "how": "close"}, TAKEN)
    found["replied"] = ({"at": "reply", "bytes": len(REPLY), "how": "close"}, ONCE)
    return found


@pytest.mark.parametrize("how", ["reset", "close"])
def test_broken_off_at_each_byte_around_the_end_of_a_mail(handbell, ledger, demo, owner, how):
    wanted = cases()
    if not scale.FULL:  # every other byte by the one, the rest by the other
        wanted = dict(list(wanted.items())[how == "close" :: 2])
    group = WorkerGroup(handbell, ledger, count=1, settings={"worker": {"poll_ms": 50}})
    for name, (fields, _) in wanted.items():
        ledger.set_rules(
            Rule(**{"name": name, "do": "drop", "to": f".-{name}@.*", "each": 1, "how": how, **fields})
        )
        state_mails(demo, [name], name)
        # One after the other: the relay is not paused for two failures, and the notice's second
        # attempt is a success.
        process.wait_until(
            lambda: group.check_running() and mixed_mail.is_done(owner), 20, f"{name} has ended", 0.1
        )
    assert found(owner, ledger) == {name: result for name, (_, result) in wanted.items()}
