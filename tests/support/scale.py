"""How much the larger tests do: little in every run, all of it in `./dev test --full`.

    KILLS = scale.pick(20, 200)

A default keeps a test under some ten seconds; the full figure is the one that was asked for.
"""

import os

ENVIRONMENT = "HANDBELL_TEST_FULL"
FULL = os.environ.get(ENVIRONMENT) == "1"


def pick(small, full):
    """The figure of this run."""
    return full if FULL else small
