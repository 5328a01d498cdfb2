"""Everything at once and at random: workers killed, the database killed and failed over, hosts cut off, the
relay slow, refusing and breaking off. What holds whatever happens, holds."""

import random
import time

from tests.support import mixed_mail, netns, scale
from tests.support.site import SERVERS, WORKERS
from tests.support.smtp_ledger import Rule

TROUBLES = scale.pick(5, 100)
LINKS = [(worker, peer) for worker in WORKERS for peer in (*SERVERS, "relay")] + [SERVERS]


class Troubles:
    """Each method does one harm, and is over when it returns."""

    def __init__(self, one, chance):
        self.one = one
        self.chance = chance
        self.counts = {}

    def do(self, kind):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        getattr(self, kind)()

    def kill_a_worker(self):
        victim = self.chance.choice(self.one.group.names)
        self.one.group.kill(victim)
        self.one.group.start(victim)

    def kill_the_database(self):
        self.one.pair.primary.kill()
        self.one.pair.primary.start()

    def fail_over(self):
        self.one.pair.fail_over()

    def part_hosts(self):
        links = self.chance.sample(LINKS, self.chance.randint(1, len(LINKS)))
        mode = self.chance.choice(netns.MODES)
        for pair in links:
            self.one.net.cut(*pair, mode)
        time.sleep(self.chance.uniform(0.2, 3.0))
        self.one.net.heal_all()

    def break_off(self):
        """The relay drops some of what it takes."""
        self.one.ledger.set_rules(
            Rule("cut", "reply", "drop", share=0.1, times=20), *mixed_mail.rules(self.one.pace.wait_s)
        )
        time.sleep(self.chance.uniform(0.2, 1.0))
        self.one.ledger.set_rules(*mixed_mail.rules(self.one.pace.wait_s))


def test_all_troubles_at_random_lose_no_mail_and_send_no_alert_twice(make_site, report):
    chance = random.Random(3)
    one = make_site(has_standby=True).start_load(TROUBLES * scale.pick(1, 3))
    troubles = Troubles(one, chance)
    kinds = ["kill_a_worker", "kill_the_database", "fail_over", "part_hosts", "break_off"]
    for number in range(TROUBLES):
        one.pace.keep((number + 1) / (TROUBLES + 1))
        one.pace.pause(0.5)
        troubles.do(kinds[number] if number < len(kinds) else chance.choice(kinds))
        one.group.check_running()
    account = one.finish(300)
    report(f"{troubles.counts}, {one.load.total} mails: {account.summary()}")
    assert account.unexplained_doubts() == []
