"""Fixtures of the tests against peers that misbehave."""

import pytest

from tests.support.smtp_client import Mails


@pytest.fixture
def mails(tmp_path):
    """mails.step(...): a line for the driver that sends one mail."""
    return Mails(tmp_path)
