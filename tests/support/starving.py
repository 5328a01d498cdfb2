"""Programs whose allocations fail when a test says so (tests/support/starve.h): copies linked with
starve_linked.c, or the programs themselves with a library of theirs under starve_preload.c.
"""

import os
import signal

from tests.support import process, schema, smtp_client


class Starving:
    """Programs made from now on start well fed. `library`: what starves, instead of our own code."""

    def __init__(self, folder, monkeypatch, library=None):
        self.monkeypatch = monkeypatch
        self.log = folder / "starved"
        self.order = folder / "order"
        built = schema.binary().parent
        if library is None:
            monkeypatch.setenv("HANDBELL_BINARY", str(built / "handbell_starved"))
            monkeypatch.setattr(smtp_client, "driver", lambda: built / "smtp_driver_starved")
        else:
            monkeypatch.setenv("LD_PRELOAD", str(built / "libstarve.so"))
            monkeypatch.setenv("STARVE_LIBRARY", library)
        monkeypatch.setenv("STARVE_LOG", str(self.log))
        monkeypatch.setenv("STARVE_ORDER", str(self.order))
        self.at_start(0)

    def at_start(self, number, count=1):
        """Programs started from now on miss allocation `number`, and `count` in all from there."""
        self.log.unlink(missing_ok=True)
        self.monkeypatch.setenv("STARVE_AT", f"{number} {count}")

    def now(self, program, number, count=1):
        """The same for a program that runs, counted from now. How many there were since the last time."""
        self.order.with_suffix(".new").write_text(f"{number} {count}")
        self.order.with_suffix(".new").rename(self.order)
        self.log.unlink(missing_ok=True)
        os.kill(program.process.pid, signal.SIGUSR2)
        process.wait_until(
            lambda: not self.order.exists() or not program.is_running(), 10, "the order is taken"
        )
        words = self.log.read_text().split() if self.log.exists() else ["seen", "0"]
        return int(words[1]) if words[0] == "seen" else 0

    def has_starved(self):
        return self.log.exists() and "at" in self.log.read_text().split()
