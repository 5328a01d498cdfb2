"""Fixtures of the tests against peers that misbehave."""

import pathlib

import pytest

from tests.support import netns, process
from tests.support.site import Site
from tests.support.smtp_client import Mails
from tests.support.smtp_ledger import Ledger


@pytest.fixture
def mails(tmp_path):
    """mails.step(...): a line for the driver that sends one mail."""
    return Mails(tmp_path)


@pytest.fixture
def ledger():
    """A mail server that keeps books of each mail's copies."""
    server = Ledger()
    yield server
    server.stop()


@pytest.fixture
def make_site(tmp_path):
    """make_site(settings, has_standby): an installation on hosts of its own; skips where there are none."""
    why_not = netns.why_not()
    if why_not is not None:
        pytest.skip(why_not)
    sites = []

    def make(settings=None, has_standby=False):
        sites.append(Site(tmp_path, settings, has_standby))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def report(request):
    """report(text): a figure of this test, printed and kept in build/test/figures.txt."""

    def note(text):
        line = f"{request.node.name}: {text}"
        print(line)
        path = pathlib.Path(process.ROOT / "build/test/figures.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as figures:
            figures.write(line + "\n")

    return note
