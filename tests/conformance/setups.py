"""Services with one small number each, so that a handful of requests reaches a limit."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from dohproxy.config import (
    BlocklistConfig,
    ClientsConfig,
    ConnectionsConfig,
    DialectsConfig,
    ResolverConfig,
    ServerConfig,
)
from tests.fakes.conformance import ANY_NAME, Setup
from tests.fakes.limits import AMPLE

ORDINARY = Setup()


def with_sections(base: Setup = ORDINARY, **sections: object) -> Setup:
    """The same with other sections of the configuration."""
    return replace(base, config=replace(base.config, **sections))  # type: ignore[arg-type]  # they are Config's keys


IMPATIENT = with_sections(
    resolver=ResolverConfig(deadline_seconds=0.5, attempt_seconds=0.2),
    connections=ConnectionsConfig(header_seconds=0.5, body_seconds=0.5),
)
DEAF = replace(IMPATIENT, deaf=True)
FEW_REQUESTS = with_sections(limits=replace(AMPLE, requests_per_second=0.1, requests_burst=2))
BEHIND_A_PROXY = with_sections(
    clients=ClientsConfig(address_from="x-forwarded-for", trusted_proxies=(ip_network("127.0.0.0/8"),))
)
WITH_TOKENS = with_sections(clients=ClientsConfig(member_file=Path("/nowhere/members.json")))
FEW_MISSES = with_sections(limits=replace(AMPLE, misses_per_second=0.1, misses_burst=1))
FEW_IN_ALL = with_sections(limits=replace(AMPLE, total_requests_per_second=1, total_requests_burst=1))
NO_PLACE = with_sections(IMPATIENT, limits=replace(AMPLE, waiting_misses=1))
FEW_FAILURES = with_sections(names=replace(ANY_NAME, domain_failures_per_second=0.1, domain_failures_burst=1))
DENYING = with_sections(names=replace(ANY_NAME, answer_undelegated=True))
LITTLE_BUDGET = Setup(upstream_keys={"queries_per_second": 0.1, "burst": 1})
ANY_ORIGIN = with_sections(server=ServerConfig(cors=True))
STRICT = with_sections(dialects=DialectsConfig(actions={"post-body-hash": "refuse"}))
LISTING = with_sections(
    blocklists=(
        BlocklistConfig("operator", names=("operator.listed.example",)),
        BlocklistConfig("law", names=("law.listed.example",), reason="law", reference="27/1"),
        BlocklistConfig("harm", names=("harm.listed.example",), reason="harm", action="nxdomain"),
        BlocklistConfig("requested", names=("requested.listed.example",), reason="requested", action="nodata"),
    )
)
LISTING_CLIENTS = with_sections(blocklists=(BlocklistConfig("home", networks=(ip_network("127.0.0.0/8"),)),))
