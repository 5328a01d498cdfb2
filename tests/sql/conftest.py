"""Fixtures of several files here."""

import pytest

from tests.support.restore_story import Restore


@pytest.fixture
def story(cluster, databases, database):
    """A database that is backed up and restored (support/restore_story.py)."""
    story = Restore(cluster, databases, database)
    yield story
    story.close()
