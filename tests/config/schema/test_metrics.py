"""The listener for Prometheus."""

from dohproxy.config import MetricsConfig


def test_the_figures_are_offered_to_this_machine_alone() -> None:
    assert str(MetricsConfig().listen) == "127.0.0.1:9153"
