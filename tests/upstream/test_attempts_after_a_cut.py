"""Who is blamed for an answer that was cut: whoever cut it, and nobody who was asked instead."""

from dohproxy.upstream.attempts import Attempts, Pause, Send
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.health.signals import RUN
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.selection import Selection
from dohproxy.wire.answer import Answer
from tests.fakes.guest import GOOD
from tests.fakes.upstream_health import health, longest_draw

NOW = 10.0


def _ask_many(first: UpstreamHealth, second: UpstreamHealth, *, whole: Answer) -> list[tuple[int, bool]]:
    """Ask for many zones; over UDP all is cut, over TCP or TLS comes the whole. Return who was asked and how."""
    selection = Selection([first, second], "ordered", longest_draw)
    sends = []
    for number in range(RUN):
        attempts = Attempts(selection, zone=b"zone%d" % number, deadline=NOW + 5.0, attempt_seconds=1.5, most_sends=3)
        step = attempts.next_step(NOW)
        while isinstance(step, Send):
            sends.append((step.upstream, step.over_stream))
            attempts.learn(step, whole if step.over_stream else SendStatus.TRUNCATED, NOW)
            step = attempts.next_step(NOW)
            if step is Pause.TURN:
                step = attempts.again(NOW, 0.0) or step
        assert step == whole
    return sends


def _turn_away(upstream: UpstreamHealth) -> None:
    for _ in range(3):
        upstream.connections.failed(NOW, nobody_listens=False)


def test_who_cuts_small_answers_is_suspect() -> None:
    cutting, other = health(), health(over_stream=True)
    assert _ask_many(cutting, other, whole=GOOD) == [(0, False), (0, True)] * RUN
    assert cutting.may_probe(NOW)


def test_who_is_asked_instead_is_not() -> None:
    cutting, other = health(), health(over_stream=True)
    _turn_away(cutting)
    assert _ask_many(cutting, other, whole=GOOD) == [(0, False), (1, True)] * RUN
    assert not other.may_probe(NOW)
