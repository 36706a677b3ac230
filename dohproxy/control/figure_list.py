"""All figures that the service has, in one list, and the page that explains them: docs/metrics.md."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from dohproxy.control.console.console_figures import CONSOLE_FIGURES
from dohproxy.control.management_figures import MANAGEMENT_FIGURES
from dohproxy.frontends.frontend_figures import (
    ADDRESS_FIGURES,
    CONNECTION_FIGURES,
    LOOP_FIGURES,
    PAGE_FIGURES,
    REQUEST_CACHE_FIGURES,
)
from dohproxy.jobs.job_figures import (
    BAN_LOG_FIGURES,
    BLOCKLIST_FIGURES,
    CACHE_FILE_FIGURES,
    CERTIFICATE_FIGURES,
    HAND_BLOCK_FIGURES,
    HOUR_FIGURES,
    KERNEL_BAN_FIGURES,
    MEMBER_FILE_FIGURES,
    PAGE_JOB_FIGURES,
    RELOAD_FIGURES,
    STATE_FILE_FIGURES,
    SUFFIX_FIGURES,
)
from dohproxy.observability.alert_figures import ALERT_FIGURES, MESSAGE_FIGURES, MODE_FIGURES, VISITOR_FIGURES
from dohproxy.observability.ban_figures import BAN_FIGURES, PENALTY_FIGURES
from dohproxy.observability.cache_figures import CACHE_FIGURES, ROUTE_FIGURES
from dohproxy.observability.figures import Figure, FigureGroup, Label
from dohproxy.observability.front_proxy import FRONT_PROXY_FIGURES
from dohproxy.observability.limit_figures import (
    CONNECTION_LIMIT_FIGURES,
    DOMAIN_FIGURES,
    MEMBER_NETWORK_FIGURES,
    PROBE_FIGURES,
    REBINDING_FIGURES,
    REQUEST_LIMIT_FIGURES,
    SLOT_FIGURES,
)
from dohproxy.observability.logs import LOG_FIGURES
from dohproxy.observability.machine_figures import MACHINE_FIGURES
from dohproxy.observability.member_figures import MEMBER_QUESTION_FIGURES
from dohproxy.observability.process_figures import BUILD_FIGURES, PROCESS_FIGURES
from dohproxy.observability.request_figures import REQUEST_FIGURES
from dohproxy.observability.rule_figures import RULE_FIGURES
from dohproxy.observability.upstream_figures import BUDGET_FIGURES, UPSTREAM_FIGURES
from dohproxy.observability.worker_figures import WORKER_FIGURES
from dohproxy.sharing.mind_figures import PEER_FIGURES
from dohproxy.sharing.shared_cache_figures import SHARED_CACHE_FIGURES
from dohproxy.sharing.store_figures import STORE_FIGURES

GROUPS: Final[tuple[FigureGroup[Any], ...]] = (
    REQUEST_FIGURES,
    UPSTREAM_FIGURES,
    BUDGET_FIGURES,
    CACHE_FIGURES,
    ROUTE_FIGURES,
    REQUEST_LIMIT_FIGURES,
    RULE_FIGURES,
    BAN_FIGURES,
    PENALTY_FIGURES,
    DOMAIN_FIGURES,
    REBINDING_FIGURES,
    PROBE_FIGURES,
    VISITOR_FIGURES,
    MODE_FIGURES,
    ALERT_FIGURES,
    MESSAGE_FIGURES,
    CONNECTION_FIGURES,
    CONNECTION_LIMIT_FIGURES,
    SLOT_FIGURES,
    MEMBER_QUESTION_FIGURES,
    MEMBER_FILE_FIGURES,
    MEMBER_NETWORK_FIGURES,
    REQUEST_CACHE_FIGURES,
    ADDRESS_FIGURES,
    FRONT_PROXY_FIGURES,
    LOOP_FIGURES,
    PAGE_FIGURES,
    PAGE_JOB_FIGURES,
    CERTIFICATE_FIGURES,
    SUFFIX_FIGURES,
    BLOCKLIST_FIGURES,
    HAND_BLOCK_FIGURES,
    RELOAD_FIGURES,
    CACHE_FILE_FIGURES,
    STATE_FILE_FIGURES,
    HOUR_FIGURES,
    BAN_LOG_FIGURES,
    KERNEL_BAN_FIGURES,
    STORE_FIGURES,
    SHARED_CACHE_FIGURES,
    PEER_FIGURES,
    LOG_FIGURES,
    MANAGEMENT_FIGURES,
    CONSOLE_FIGURES,
    WORKER_FIGURES,
    PROCESS_FIGURES,
    MACHINE_FIGURES,
    BUILD_FIGURES,
)
"""In the order of the page. The runtime says where each is read."""

_HEAD: Final = """\
# Figures

What the service counts and measures. Prometheus reads all of it at `/metrics`, where `[metrics]` is configured;
`dohproxy status --json`, and `/status` of the admin socket, have it under the same names in `figures`. There a figure
without labels is a number, one with labels an object by the values of the first, and within by those of the next.

A *counter* only grows, from 0 at the start: look at its rate. A *gauge* is as it is now. Where something has a bound,
the bound is a figure too, so an alert can say "nearly full" without knowing the configuration. No label holds the name
or the address of a client, and none has more values than stand here. [Alert rules](../conf/prometheus/alerts.yml) and
[a dashboard](../conf/grafana) are made of them, and the [runbook](runbook.md) says what to do about each alert.

This page is written from the program: do not change it by hand.
"""


def figures() -> Iterator[Figure[Any]]:
    """Yield every figure."""
    for group in GROUPS:
        yield from group.figures


def worker_figures() -> Iterator[Figure[Any]]:
    """Yield every figure that a worker can have; the supervisor has those of the others itself."""
    for group in GROUPS:
        if group not in (MANAGEMENT_FIGURES, CONSOLE_FIGURES, WORKER_FIGURES):
            yield from group.figures


def page() -> str:
    """Return the page."""
    return "\n".join((_HEAD, *(_section(group) for group in GROUPS)))


def _section(group: FigureGroup[Any]) -> str:
    lines = [f"## {group.title}", ""]
    if group.condition:
        lines += [f"There only {group.condition}.", ""]
    lines += ["| name | type | unit | labels | meaning | since |", "|---|---|---|---|---|---|"]
    lines += [_row(figure) for figure in group.figures]
    labels = list(_labels(group.figures))
    return "\n".join([*lines, "", *labels, ""] if labels else [*lines, ""])


def _row(figure: Figure[Any]) -> str:
    labels = ", ".join(f"`{label.name}`" for label in figure.labels)
    cells = (f"`{figure.sample_name}`", figure.kind, figure.unit, labels, figure.help, figure.since)
    return f"| {' | '.join(cells)} |"


def _labels(declared: Iterable[Figure[Any]]) -> Iterator[str]:
    """Yield a line for each label of these figures, once for all that have the very same one."""
    owners: dict[Label, list[str]] = {}
    for figure in declared:
        for label in figure.labels:
            owners.setdefault(label, []).append(figure.name)
    for label, names in owners.items():
        is_ambiguous = sum(other.name == label.name for other in owners) > 1
        where = f" of {', '.join(f'`{name}`' for name in names)}" if is_ambiguous else ""
        values = ", ".join(f"`{value}`" for value in label.values)
        yield f"- `{label.name}`{where}: {values or f'one for each {label.source}'}"
