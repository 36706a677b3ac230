"""The figures of alerts: every kind and every result is there, whatever has happened."""

from dohproxy.observability.alert_figures import ALERT_FIGURES, MESSAGE_FIGURES, MODE_FIGURES, VISITOR_FIGURES
from dohproxy.observability.alert_messages import MessageCounts, MessageResult
from dohproxy.observability.detectors.board import ActiveAlert
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.policy.mode import Mode, ModeNow, Source
from dohproxy.policy.visitors import VisitorStatistics
from tests.fakes.samples import samples_of


def test_each_kind_of_alert_is_counted() -> None:
    active = [ActiveAlert(AlertKind.BOUND_FULL, name, "full", "", 1.0) for name in ("a", "b")]
    assert samples_of(ALERT_FIGURES, active) == {
        ("dohproxy_alert_active", (kind.value,)): 2.0 if kind is AlertKind.BOUND_FULL else 0.0 for kind in AlertKind
    }


def test_messages_stand_beside_their_bound() -> None:
    samples = samples_of(MESSAGE_FIGURES, MessageCounts({MessageResult.SENT: 4}, 1, 32))
    results = {labels: value for (name, labels), value in samples.items() if name == "dohproxy_alert_messages_total"}
    assert results == {(one.value,): 4.0 if one is MessageResult.SENT else 0.0 for one in MessageResult}
    assert samples["dohproxy_alert_messages_waiting", ()] == 1
    assert samples["dohproxy_max_alert_messages_waiting", ()] == 32


def test_networks_are_counted() -> None:
    assert samples_of(VISITOR_FIGURES, VisitorStatistics(40.0, 60.0, 7.0)) == {
        ("dohproxy_networks", ("hour",)): 40.0,
        ("dohproxy_networks", ("day",)): 60.0,
        ("dohproxy_new_networks_total", ()): 7.0,
    }


def test_the_mode_is_told() -> None:
    mode = ModeNow(Mode.MEMBERS, Source.LISTED, None, spares_strangers=True)
    assert samples_of(MODE_FIGURES, mode) == {
        ("dohproxy_mode", ("open",)): 0.0,
        ("dohproxy_mode", ("members",)): 1.0,
        ("dohproxy_strangers_spared", ()): 1.0,
    }
