"""A wall clock that tests set at will, for programs and clusters that are started under it
(libfaketime). The monotonic clock stays the machine's own, as it does when somebody sets a clock.

Knows nothing of what runs under it.
"""

import datetime
import glob
import os
import time

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
UTC = datetime.timezone.utc


def library():
    """Where it lies, or None."""
    return next(iter(glob.glob(LIBRARY)), None)


class FakeTime:
    """One wall clock. `environment` puts a program under it."""

    def __init__(self, path):
        self.path = path
        self.offset_s = 0
        self.path.write_text("+0")
        self.path.chmod(0o644)
        self.environment = {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_RESET": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, seconds):
        """From now on the clock is `seconds` further than it was."""
        self.offset_s += seconds
        # Replaced whole: whoever reads it at this moment must not find half a number.
        new = self.path.with_suffix(".new")
        new.write_text(f"{self.offset_s:+.3f}")
        new.chmod(0o644)
        os.replace(new, self.path)

    def now(self):
        return datetime.datetime.fromtimestamp(time.time() + self.offset_s, UTC)

    def set(self, moment):
        """`moment`: an aware datetime, or ISO text."""
        if isinstance(moment, str):
            moment = datetime.datetime.fromisoformat(moment)
        self.jump((moment - self.now()).total_seconds())
