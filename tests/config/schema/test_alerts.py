"""Who is told of alerts."""

from dohproxy.config import AlertsConfig
from dohproxy.observability.detectors.judgement import AlertKind


def test_nobody_is_told_unasked() -> None:
    config = AlertsConfig()
    assert (config.command, config.webhook) == ((), None)


def test_an_hour_has_room_for_the_beginning_and_the_end_of_each_kind() -> None:
    assert AlertsConfig().messages_per_hour >= 2 * len(AlertKind)
