"""Several workers of one database and one relay, each with a name that the relay's books know it by."""

import contextlib
import random
import time

from tests.support import mixed_mail, process


class WorkerGroup:
    """`handbell` is support/programs.py's Programs. `hosts`: of support/netns.py, one for each worker."""

    def __init__(self, handbell, ledger, count=3, settings=None, hosts=None):
        self.handbell = handbell
        self.ledger = ledger
        self.settings = settings or {}
        self.hosts = {}
        self.workers = {}
        self.kills = []  # (name, time.time())
        for host in hosts or [None] * count:
            self.add(host)

    def add(self, host=None):
        """One more; returns its name."""
        number = len(self.workers)
        name = f"w{number}.example"
        own = {"smtp": {"connections": 6, "hostname": name}}
        for section, keys in self.settings.items():
            own.setdefault(section, {}).update(keys)
        self.hosts[name] = host
        with self._entered(name):
            self.workers[name] = self.handbell.start_worker(self.ledger.url, own, f"worker{number}")
        return name

    def _entered(self, name):
        host = self.hosts[name]
        return host.entered() if host else contextlib.nullcontext()

    def __getitem__(self, name):
        return self.workers[name]

    @property
    def names(self):
        return list(self.workers)

    def start(self, name):
        with self._entered(name):
            self.workers[name].start()

    def kill(self, name):
        """kill -9; it must have been running."""
        self.workers[name].check_running()
        self.workers[name].kill()
        self.kills.append((name, time.time()))

    def check_running(self):
        return all(worker.check_running() for worker in self.workers.values())

    def finish(self, owner, timeout_s=120):
        """Everything has ended, and all of them are still there."""
        process.wait_until(
            lambda: self.check_running() and mixed_mail.is_done(owner), timeout_s, "all has ended", 0.2
        )


class Pace:
    """Keeps mail going as long as the troubles come: the ledger is slowed down when mail is ahead."""

    def __init__(self, ledger, load, seed=1):
        self.ledger = ledger
        self.load = load
        self.chance = random.Random(seed)
        self.rounds_done = 0
        self.wait_s = 0.02
        ledger.set_rules(*mixed_mail.rules(self.wait_s))

    def keep(self, share_done):
        """States the rounds that are due when this share of the troubles is over, and adapts."""
        self.state_rounds(self.load.rounds * share_done * 0.97 + 1)
        is_ahead = self.ledger.counts()["taken"] > share_done * self.load.total * 0.9
        wait_s = min(1.0, max(0.005, self.wait_s * (1.3 if is_ahead else 0.7)))
        if wait_s != self.wait_s:
            self.wait_s = wait_s
            self.ledger.set_rules(*mixed_mail.rules(wait_s))

    def state_rounds(self, count):
        """So many rounds, or all, have been stated."""
        while self.rounds_done < min(self.load.rounds, count):
            self.load.do_round(self.rounds_done)
            self.rounds_done += 1

    def pause(self, most_s):
        time.sleep(self.chance.uniform(0.0, most_s))

    def end(self):
        """No more troubles: the rest goes at full speed."""
        self.state_rounds(self.load.rounds)
        self.ledger.set_rules(*mixed_mail.rules())
