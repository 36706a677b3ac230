"""Who is told of alerts."""

from pathlib import Path

import pytest

from dohproxy.config import AlertsConfig, ConfigError, read
from dohproxy.config.schema.alerts import ALERT_KINDS
from dohproxy.observability.detectors.judgement import AlertKind


def test_nobody_is_told_unasked() -> None:
    config = AlertsConfig()
    assert (config.command, config.webhook) == ((), None)


def test_an_hour_has_room_for_the_beginning_and_the_end_of_each_kind() -> None:
    assert AlertsConfig().messages_per_hour >= 2 * len(AlertKind)


def test_every_kind_can_be_left_out_and_nothing_else() -> None:
    assert sorted(ALERT_KINDS) == sorted(kind.value for kind in AlertKind)


UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://192.0.2.53"\n'


def test_kinds_that_are_not_looked_for_are_named() -> None:
    config = read(f'{UPSTREAM}[alerts]\ndetectors_off = ["disk", "listed"]\n', directory=Path("/"))
    assert config.alerts.detectors_off == ("disk", "listed")


def test_another_word_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigError) as refused:
        read(f'{UPSTREAM}[alerts]\ndetectors_off = ["request-floods"]\n', directory=Path("/"))
    [problem] = refused.value.problems
    assert problem.path.startswith("alerts.detectors_off")
    assert 'perhaps "request_flood"' in problem.sentence
