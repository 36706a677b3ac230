"""How the upstreams answer: one query to each, as `dohproxy upstream test` sends it."""

from collections.abc import Iterator, Sequence
from typing import Final

from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.observation import Observation
from dohproxy.tools.upstream_report import report

SUBJECT: Final = "upstreams"
_REMEDY: Final = "docs/upstreams.md says what to do about it; dohproxy upstream test {name} asks again"


def judge(observations: Sequence[Observation], now: float) -> Iterator[Finding]:
    """Say what is wrong with each; `now` is in Unix seconds. An upstream without any answer is a fault if there is no
    other."""
    has_any = any(seen.reply is not None for seen in observations)
    for seen in observations:
        name = seen.upstream.name
        told = report(seen, now)
        severity = Severity.WARNING if has_any else Severity.FAULT
        for warning in told.warnings:
            yield Finding(SUBJECT, severity, f"{name} {warning}", _REMEDY.format(name=name))
        if told.is_well:
            took = "" if seen.answer_seconds is None else f" within {seen.answer_seconds * 1000:.0f} ms"
            yield Finding(SUBJECT, Severity.OK, f"{name} answers{took}")
