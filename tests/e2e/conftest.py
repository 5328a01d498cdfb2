"""Fixtures of the end-to-end tests: a tenant whose mail really goes to a mail store."""

import types

import pytest

from tests.support import previews, process
from tests.support.portal import Portal
from tests.support.queue_calls import is_quiet


@pytest.fixture
def service(handbell, mail_store, portal, owner):
    """worker and web run for the tenant `demo`, which is live and settles at once.

    service.demo the portal, .store the mail server, .worker, .web, .url; .wait_for_quiet() waits
    until nothing is left to send now, .states() counts the record.
    """
    web, url = handbell.start_web()
    demo = Portal(portal)
    demo.put_tenant(base_url=url)
    worker = handbell.start_worker(mail_store.url)

    def wait_for_quiet(timeout_s=30.0):
        process.wait_until(
            lambda: worker.check_running() and is_quiet(owner), timeout_s, "nothing is left to send"
        )

    def states(kind=None):
        """{(kind, state, reason): how many}"""
        rows = owner.execute(
            """select kind, state, reason, count(*) from message_record
               where kind = coalesce(%s, kind) group by 1, 2, 3""",
            [kind],
        ).fetchall()
        return {row[:3]: row[3] for row in rows}

    return types.SimpleNamespace(
        demo=demo,
        store=mail_store,
        worker=worker,
        web=web,
        url=url,
        owner=owner,
        programs=handbell,
        wait_for_quiet=wait_for_quiet,
        states=states,
    )


@pytest.fixture
def address_of(owner):
    """address_of('p1'): the address that was stated for a person."""

    def find(ref):
        return owner.execute("select email from person where ref = %s", [ref]).fetchone()[0]

    return find


@pytest.fixture(scope="session")
def every_mail():
    """{which: its bytes}: each kind in each language with each sample; kept as files, to look at."""
    mails = previews.show_all(previews.all_mails())
    folder = previews.artefacts("eml")
    for which, raw in mails.items():
        (folder / f"{which}.eml").write_bytes(raw)
    return mails
