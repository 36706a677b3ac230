"""Looking, telling and reacting as one: what the walk is told, when, and what goes on with another configuration."""

from dataclasses import replace
from ipaddress import ip_network

from structlog.testing import capture_logs

from dohproxy.config import AlertsConfig, ClientsConfig, Config, ListedConfig, UpstreamAddress, UpstreamConfig
from dohproxy.jobs.alerting import Alerting
from dohproxy.observability.detectors.reading import LOOK_SECONDS
from dohproxy.policy.identity import Identities
from dohproxy.policy.mode import Mode, Trial
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.policy.visitors import Visitors
from dohproxy.saved import Interruption
from tests.fakes.clock import FakeClock
from tests.jobs.test_alert_readings import owners

CONFIG = Config(
    (UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),),
    clients=ClientsConfig(member_networks=(ip_network("192.0.2.0/24"),)),
)


class FakeWalk:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[bool, bool, bool]] = []
        self.trials: list[Trial | None] = []

    def restrict(
        self, *, members_only: bool, stubs_away: bool, spare_strangers: bool, trial: Trial | None = None
    ) -> None:
        """Note it."""
        self.told.append((members_only, stubs_away, spare_strangers))
        self.trials.append(trial)


class Watching:
    """Everything, over a clock that passes when a test says so."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.clock = FakeClock()
        self.walk = FakeWalk()
        self.switches = RuleSwitches()
        self.visitors = Visitors(iter(range(1, 1_000)).__next__, self.clock())
        self.identities = Identities(bytes(32), note=self.visitors.note)
        made = owners()
        made.visitors = self.visitors.statistics
        self.alerting = Alerting(config, made, self.walk, self.visitors, self.identities, self.clock, self.switches)

    def pass_by(self, seconds: float, networks_a_look: int = 0) -> None:
        """Look as often as the service does, with so many new networks before each look."""
        for number in range(round(seconds / LOOK_SECONDS)):
            self.clock.pass_by(LOOK_SECONDS)
            for network in range(networks_a_look):
                self.identities.client(bytes((10, number % 256, network, 1)))
            self.alerting.look()


def test_at_the_start_nobody_is_held() -> None:
    assert Watching().walk.told == [(False, False, False)]


def test_stubs_of_lists_are_turned_away_where_the_configuration_says_so() -> None:
    assert Watching(replace(CONFIG, listed=ListedConfig(stubs="turn-away"))).walk.told[-1] == (False, True, False)


def test_a_list_brings_the_reaction_and_its_end_ends_it() -> None:
    watching = Watching()
    watching.pass_by(3_000.0)
    with capture_logs() as logs:
        watching.pass_by(60.0, networks_a_look=5)
        assert watching.walk.told[-1] == (False, False, True)
        assert [alert.signal for alert in watching.alerting.alerts()] == ["listed"]
        watching.pass_by(3 * 3_600.0)
    assert watching.walk.told[-1] == (False, False, False)
    assert [line["event"] for line in logs] == [
        "alert begins", "the mode has changed", "alert ends", "the mode has changed",
    ]  # fmt: skip


def test_another_reaction_holds_at_once() -> None:
    watching = Watching()
    watching.pass_by(3_000.0)
    watching.pass_by(60.0, networks_a_look=5)
    watching.alerting.adopt(replace(CONFIG, listed=ListedConfig(reaction="members")))
    assert watching.walk.told[-1] == (True, False, True)
    watching.alerting.adopt(replace(CONFIG, listed=ListedConfig(reaction="nothing")))
    assert watching.walk.told[-1] == (False, False, False)


def test_a_reaction_that_is_only_tried_holds_nobody_and_lets_the_walk_know_whom_it_would() -> None:
    config = replace(CONFIG, listed=ListedConfig(reaction="members"))
    watching = Watching(config)
    reaction = watching.switches[Rule.LISTED_REACTION]
    reaction.adopt("shadow", watching.clock())
    watching.pass_by(3_000.0)
    watching.pass_by(60.0, networks_a_look=5)
    tried = Trial(members_only=True, spares_strangers=True, rule=reaction)
    assert (watching.walk.told[-1], watching.walk.trials[-1]) == ((False, False, False), tried)
    reaction.adopt("off", watching.clock())
    watching.alerting.adopt(config)
    assert (watching.walk.told[-1], watching.walk.trials[-1]) == ((False, False, False), None)
    reaction.adopt("enforce", watching.clock())
    watching.alerting.adopt(config)
    assert (watching.walk.told[-1], watching.walk.trials[-1]) == ((True, False, True), None)


def test_a_mode_that_an_operator_tries_is_counted_by_itself_and_ends() -> None:
    watching = Watching()
    rule = watching.switches[Rule.MEMBERS_ONLY]
    watching.alerting.mode.attempt(Mode.MEMBERS, watching.clock() + 60.0)
    watching.alerting.apply_mode()
    assert watching.walk.told[-1] == (False, False, False)
    assert watching.walk.trials[-1] == Trial(members_only=True, spares_strangers=False, rule=rule)
    assert rule.is_in_shadow
    watching.clock.pass_by(60.0)
    watching.alerting.apply_mode()
    assert [one is None for one in watching.walk.trials] == [True, False, True]
    assert rule.mode == "enforce"


def test_what_is_not_looked_for_brings_no_alert_and_no_reaction() -> None:
    watching = Watching(replace(CONFIG, alerts=AlertsConfig(detectors_off=("listed",))))
    watching.pass_by(3_000.0)
    watching.pass_by(60.0, networks_a_look=5)
    assert (watching.walk.told[-1], watching.alerting.alerts()) == ((False, False, False), [])


def test_an_alert_that_nobody_looks_for_any_more_ends() -> None:
    watching = Watching()
    watching.pass_by(3_000.0)
    watching.pass_by(60.0, networks_a_look=5)
    assert [alert.signal for alert in watching.alerting.alerts()] == ["listed"]
    watching.alerting.adopt(replace(CONFIG, alerts=AlertsConfig(detectors_off=("listed",))))
    with capture_logs() as logs:
        watching.pass_by(LOOK_SECONDS)
    assert [line["event"] for line in logs] == ["alert ends", "the mode has changed"]
    assert (watching.walk.told[-1], watching.alerting.alerts()) == ((False, False, False), [])


def test_a_mode_that_has_an_end_ends_by_itself() -> None:
    watching = Watching()
    watching.alerting.mode.enter(Mode.MEMBERS, watching.clock() + 60.0)
    assert watching.alerting.apply_mode().mode is Mode.MEMBERS
    watching.clock.pass_by(60.0)
    assert watching.alerting.apply_mode().mode is Mode.OPEN
    assert [told[0] for told in watching.walk.told] == [False, True, False]


def test_what_is_unfit_is_left_out_and_the_rest_goes_on() -> None:
    watching = Watching()
    saved = {"usual": {"requests_per_second": -1}, "mode": {"mode": "members", "until": 600.0}}
    watching.alerting.restore(saved, Interruption(saved_at=watching.clock()))
    assert watching.walk.told[-1] == (True, False, False)
    assert watching.alerting.export(watching.clock())["mode"] == {"mode": "members", "until": 600.0}
    assert watching.alerting.export(watching.clock())["usual"] == {}
