"""Looks at the service, tells who is to be told, and reacts: the watch, the line of messages, and the mode."""

import contextlib
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from dohproxy.config import Config
from dohproxy.jobs.alert_readings import Owners, Readings
from dohproxy.jobs.alert_sender import AlertSender
from dohproxy.jobs.alert_watch import AlertWatch
from dohproxy.jobs.recent_alerts import RecentAlerts
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind
from dohproxy.observability.upstream_alerts import Alert
from dohproxy.policy.identity import Identities
from dohproxy.policy.mode import EVERYBODY, Mode, ModeNow, ModeSwitch, Reaction, Source, Trial
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.policy.visitors import Visitors
from dohproxy.saved import Interruption, Saved, UnfitState

_log = structlog.get_logger("dohproxy.alerts")


class Walk(Protocol):
    """What is told how strangers are to be held."""

    def restrict(
        self, *, members_only: bool, stubs_away: bool, spare_strangers: bool, trial: Trial | None = None
    ) -> None:
        """Hold strangers to this from the next request on, and count whom a trial would have met."""


class Alerting:
    """All of it for one process; whoever owns it calls `look` every few seconds and `apply_mode` every second."""

    def __init__(
        self,
        config: Config,
        owners: Owners,
        walk: Walk,
        visitors: Visitors,
        identities: Identities,
        clock: Callable[[], float],
        switches: RuleSwitches | None = None,
    ) -> None:
        """`switches`: how rules are held; without them all are enforced."""
        switches = RuleSwitches() if switches is None else switches
        self._reaction, self._members_rule = switches[Rule.LISTED_REACTION], switches[Rule.MEMBERS_ONLY]
        self._config = config
        self._walk = walk
        self._visitors = visitors
        self._identities = identities
        self._clock = clock
        self._held = EVERYBODY
        self.readings = Readings(owners)
        self.mode = ModeSwitch(Reaction(config.listed.reaction), self._reaction)
        self.recent = RecentAlerts()
        self.sender = AlertSender(config.alerts, config.server.host)
        self.watch = AlertWatch(
            self.readings.read,
            config.listed.new_networks_per_minute,
            self._tell,
            clock(),
            config.alerts.detectors_off,
        )
        self.apply_mode()

    def adopt(self, config: Config) -> None:
        """Take another configuration; what has begun goes on."""
        self._config = config
        self.mode.adopt(Reaction(config.listed.reaction))
        self.watch.adopt(config.listed.new_networks_per_minute, config.alerts.detectors_off)
        self.sender.adopt(config.alerts, config.server.host)
        self.apply_mode()

    def look(self) -> None:
        """Look at everything once."""
        now = self._clock()
        if self._visitors.turn(now):
            self._identities.forget()
        self.watch.poll(now)
        self.mode.tell_listed(is_listed=self.watch.is_listed)
        self.apply_mode()

    def apply_mode(self) -> ModeNow:
        """Let the walk know what holds now, and return it."""
        held = self.mode.now(self._clock())
        self._walk.restrict(
            members_only=held.mode is Mode.MEMBERS,
            stubs_away=self._config.listed.stubs == "turn-away",
            spare_strangers=held.spares_strangers,
            trial=self._trial(held.tried),
        )
        if held != self._held:
            tried = {} if held.tried is None else {"tried": held.tried.mode.value}
            _log.info("the mode has changed", mode=held.mode.value, by=held.source.value, **tried)
            self._held = held
        return held

    def _trial(self, tried: ModeNow | None) -> Trial | None:
        """Return how the walk is to try what does not hold; the rule behind it counts."""
        is_said = tried is not None and tried.source is Source.OPERATOR
        self._members_rule.adopt("shadow" if is_said else "enforce", self._clock())
        if tried is None:
            return None
        rule = self._members_rule if is_said else self._reaction
        return Trial(tried.mode is Mode.MEMBERS, tried.spares_strangers, rule)

    def alerts(self) -> list[Alert]:
        """Return what is wrong with the service as a whole; what is wrong with upstreams has alerts of its own."""
        now, wall = self._clock(), time.time()
        return [
            Alert("", one.kind, wall - (now - one.since), one.words, is_harmless=False)
            for one in self.watch.active()
            if one.kind not in (AlertKind.UPSTREAM, AlertKind.WAY_OUT)
        ]

    def export(self, now: float) -> Saved:
        """Return what is usual here, and an operator's mode."""
        return {"usual": self.watch.normals.export(now), "mode": self.mode.export(now)}

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported; what is unfit of it is left out."""
        with contextlib.suppress(UnfitState):
            self.watch.normals.restore(saved, self._clock())
        with contextlib.suppress(UnfitState):
            self.mode.restore(saved, interruption)
        self.apply_mode()

    def _tell(self, event: AlertEvent) -> None:
        wall = time.time()
        self.recent.note(event, wall)
        self.sender.tell(event, wall)
