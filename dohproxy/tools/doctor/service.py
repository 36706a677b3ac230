"""What the running service says of itself: troubles, the headers of front proxies, its open files, who has found it.

It is asked at its admin socket, once; where it does not answer, what could not be looked at is said.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dohproxy.config import Config
from dohproxy.descriptors import descriptor_warnings
from dohproxy.jobs.alert_readings import STUB_DIALECTS, STUB_PROBES
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.detectors.listed import STUB_SHARE
from dohproxy.observability.front_proxy import EVENTS, REMEDIES, FrontProxyIssue
from dohproxy.policy.forwarded import AddressStatus
from dohproxy.tools.doctor.findings import Finding, Severity

SUBJECT: Final = "service"
FRONT_PROXY: Final = "front proxy"
LISTED: Final = "public list"
DESCRIPTORS: Final = "descriptors"
FEWEST_REQUESTS: Final = 1_000
"""Since the start, before shares of them mean anything."""
LATE_SECONDS: Final = 1.0
"""How late the event loop may be: many stubs ask again after two."""
_NOT_WELL: Final = "Not well: "
_WITH_HEADER: Final = (AddressStatus.HEADER, AddressStatus.HIDDEN)

Body = Mapping[str, Any]
"""What the command `status` says."""


def judge_silence(why: str) -> Iterator[Finding]:
    """Say what could not be looked at because the service does not answer."""
    what = (
        "the running service was not asked, so its alerts, its open files, the headers of front proxies and whether a"
        " public list has found it were not looked at"
    )
    yield Finding(SUBJECT, Severity.NOTE, what, why.removesuffix("."))


def judge(body: Body, config: Config) -> Iterator[Finding]:
    """Say what the service itself calls wrong."""
    found = list(_troubles(body))
    yield from found
    if not found:
        yield Finding(SUBJECT, Severity.OK, str(body["sentence"]).removesuffix("."))
    waiting = body["reload"]["waiting"]
    if waiting:
        what = f"keys of the configuration wait for a restart: {', '.join(waiting)}"
        yield Finding(SUBJECT, Severity.NOTE, what, "restart it when it suits: systemctl restart dohproxy")
    yield from _listed(body["figures"])
    yield from _front_proxies(body["figures"], config)
    yield from _descriptors(body["figures"], config)


def running_version(body: Body) -> str | None:
    """Return the version that the service is of."""
    return next(iter(body["figures"].get("dohproxy_build_info", {})), None)


def paused_upstreams(body: Body) -> frozenset[str]:
    """Return the names of the upstreams that somebody has paused."""
    paused: Mapping[str, bool] = body["figures"].get("dohproxy_upstream_paused", {})
    return frozenset(name for name, is_paused in paused.items() if is_paused)


def _troubles(body: Body) -> Iterator[Finding]:
    if not body["well"]:
        told = str(body["sentence"]).removeprefix(_NOT_WELL).removesuffix(".")
        yield Finding(SUBJECT, Severity.WARNING, told, "docs/alerts.md and docs/upstreams.md say what each means")
    delay = body["figures"].get("dohproxy_loop_delay_seconds", 0.0)
    if delay > LATE_SECONDS:
        what = f"its event loop was {delay:.1f} s late within the last seconds, and all answers with it"
        yield Finding(SUBJECT, Severity.WARNING, what, "give it a processor: see what else runs on this machine")


def _listed(figures: Body) -> Iterator[Finding]:
    requests = sum(figures["dohproxy_dialect_requests_total"].values())
    stubs = sum(figures["dohproxy_dialect_requests_total"].get(str(dialect), 0) for dialect in STUB_DIALECTS)
    probes = sum(figures["dohproxy_probes_total"].get(str(kind), 0) for kind in STUB_PROBES)
    part = max(stubs, probes) / requests if requests else 0.0
    if figures["dohproxy_alert_active"].get(AlertKind.LISTED.value):
        what = "a public list of resolvers seems to have found this service"
        yield Finding(LISTED, Severity.WARNING, what, "docs/listed.md says how to absorb it, and how to leave a list")
    elif requests >= FEWEST_REQUESTS and part >= STUB_SHARE:
        what = f"{100 * part:.0f} % of all requests since the start are those of dnscrypt-proxy, which asks whoever"
        remedy = "if its users are not yours, docs/listed.md says how to leave a list"
        yield Finding(LISTED, Severity.NOTE, f"{what} stands on its lists", remedy)
    elif requests < FEWEST_REQUESTS:
        yield Finding(LISTED, Severity.NOTE, f"{requests:,.0f} requests since the start are too few to tell by")
    else:
        share = f"{100 * part:.0f} % of {requests:,.0f} requests are those of public lists' stubs"
        yield Finding(LISTED, Severity.OK, f"by its traffic this service is on none: {share}")


def _front_proxies(figures: Body, config: Config) -> Iterator[Finding]:
    found = [issue for issue in FrontProxyIssue if figures["dohproxy_front_proxy_finding"].get(issue.value)]
    for issue in found:
        yield Finding(FRONT_PROXY, Severity.WARNING, EVENTS[issue], REMEDIES[issue])
    source = config.clients.address_from
    if found or source == "connection":
        return
    statuses = figures["dohproxy_client_address_total"]
    if source == "proxy-protocol":
        refused = sum(figures["dohproxy_proxy_header_defects_total"].values())
        severity = Severity.NOTE if refused else Severity.OK
        what = f"{refused:,.0f} PROXY headers were refused since the start"
        remedy = "dohproxy_proxy_header_defects_total says why" if refused else ""
        yield Finding(FRONT_PROXY, severity, what, remedy)
        return
    seen, total = sum(statuses.get(status.value, 0) for status in _WITH_HEADER), sum(statuses.values())
    what = f"{seen:,.0f} of {total:,.0f} requests since the start came with the header {source} from a trusted proxy"
    if total and not seen:
        yield Finding(FRONT_PROXY, Severity.WARNING, what, REMEDIES[FrontProxyIssue.MISSING_HEADER])
    else:
        yield Finding(FRONT_PROXY, Severity.OK if total else Severity.NOTE, what)


def _descriptors(figures: Body, config: Config) -> Iterator[Finding]:
    most, taken = figures.get("process_max_fds"), figures.get("process_open_fds")
    if most is None or taken is None:  # No limit, or no Linux.
        return
    warnings = descriptor_warnings(config, (int(most), int(most)))
    for problem in warnings:
        what = str(problem).replace("this process", "the service").removesuffix(".")
        yield Finding(DESCRIPTORS, Severity.WARNING, what)
    if not warnings:
        yield Finding(DESCRIPTORS, Severity.OK, f"{taken:,.0f} files are open of {most:,.0f} that may be")
