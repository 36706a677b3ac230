"""The alert rules that are shipped, and what stands in an expression for Prometheus.

The file keeps to one form, so that no YAML reader is needed for it; `promtool check rules` says whether it is YAML.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dohproxy.control.figure_list import figures
from dohproxy.observability.figures import Figure, Kind

CONF = Path(__file__).parents[2] / "conf"
FILE = CONF / "prometheus" / "alerts.yml"

_NAME = re.compile(r"\b(?:dohproxy|process)_\w+")
_SELECTOR = re.compile(r"\b((?:dohproxy|process)_\w+)\{([^{}]*)\}")
_MATCHER = re.compile(r"""(\w+)(!~|=~|!=|=)(["'])(.*?)\3""")
_TEXT = re.compile(r"""(["']).*?\1""")

SAMPLES: dict[str, Figure[Any]] = {figure.sample_name: figure for figure in figures()} | {
    f"{figure.full_name}_{suffix}": figure
    for figure in figures()
    if figure.kind is Kind.HISTOGRAM
    for suffix in ("bucket", "count", "sum")
}
"""All that Prometheus gets, by its name in an expression."""
OF_THE_SCRAPE = {"job", "instance"}
"""Labels that Prometheus adds."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert."""

    alert: str
    expression: str
    wait_seconds: int
    """How long it has to be so before it is told."""
    severity: str
    summary: str
    runbook: str


def rules() -> list[Rule]:
    """Return the rules of the shipped file."""
    head, *parts = re.split(r"^      - alert: ", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert "alert:" not in head
    return [_rule(part) for part in parts]


def _rule(text: str) -> Rule:
    keys = dict(re.findall(r"^ {8,10}(\w+): (?:>-\n)?((?:.*\n(?: {10,}(?!\w+: ).*\n)*))", text, re.MULTILINE))
    found = {key: " ".join(value.split()).strip('"') for key, value in keys.items()}
    wait = re.fullmatch(r"(\d+)([sm])", found.get("for", "0s"))
    severity = re.fullmatch(r"\{severity: (\w+)\}", found["labels"])
    assert wait
    assert severity
    seconds = int(wait[1]) * {"s": 1, "m": 60}[wait[2]]
    return Rule(text.split()[0], found["expr"], seconds, severity[1], found["summary"], found["runbook_url"])


def names_in(expression: str) -> set[str]:
    """Return the names of our metrics in an expression."""
    return set(_NAME.findall(_TEXT.sub("", expression)))


def what_does_not_exist(expression: str) -> list[str]:
    """Return what an expression names that no figure has: metrics, labels, values of labels from closed sets."""
    found = sorted(names_in(expression) - SAMPLES.keys())
    for name, matchers in _SELECTOR.findall(expression):
        labels = {label.name: label.values for label in SAMPLES[name].labels} if name in SAMPLES else {}
        for label, kind, _, text in _MATCHER.findall(matchers):
            if label in OF_THE_SCRAPE:
                continue
            values = text.split("|") if "~" in kind else [text]
            allowed = labels.get(label)
            if allowed is None or (allowed and not set(values) <= set(allowed)):
                found.append(f'{name}{{{label}{kind}"{text}"}}')
    return found
