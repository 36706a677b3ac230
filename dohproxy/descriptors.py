"""Open files: how many this process may have, and who may use them.

A connection is a descriptor, and so is what a question needs on its way to an upstream. Where clients may take the last
one, those who are connected get no more answers: so the limit is raised as far as the system lets us, connections are
held to what is left when everybody else has been thought of, and the operator is told if that is less than configured.
"""

import resource
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from dohproxy.config import Config, Problem

OWN: Final = 64
"""Standard streams, the event loop, the certificate and other files while they are read, probes of upstreams."""
MANAGEMENT_CONNECTIONS: Final = 16
"""To one management server at once: two Prometheus servers keep one each, a person on duty has another."""
ONE_MANAGEMENT_SERVER: Final = MANAGEMENT_CONNECTIONS + 2
"""What listens for scrapers or for whoever is on duty, their connections, and one more while another makes room."""
FEWEST_CONNECTIONS: Final = 8
"""As few as may be configured."""

Limits = tuple[int, int]
"""Soft and hard, as `getrlimit` gives them; RLIM_INFINITY is below zero."""


def reserve(config: Config) -> int:
    """Return how many descriptors are for everything but clients' connections."""
    # Budgets are shared within a group, but each upstream may come to use the whole of it.
    upstreams = sum(one.connections + (one.in_flight if one.url.transport == "udp" else 0) for one in config.upstreams)
    console = None if config.admin is None else config.admin.listen
    management_servers = sum(frontend is not None for frontend in (config.metrics, config.admin, console))
    # They have no slot before they have said whom they bring.
    headers = config.connections.max_handshakes if config.clients.address_from == "proxy-protocol" else 0
    return OWN + len(config.public_listen) + upstreams + ONE_MANAGEMENT_SERVER * management_servers + headers


def raised(limits: Limits, wanted: int) -> Limits:
    """Return the limits with the soft one raised to what is wanted, as far as the hard one goes."""
    soft, hard = limits
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    return (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)), hard


def affordable_connections(config: Config, soft: int) -> int:
    """Return how many connections there may be where so many files may be open."""
    most = config.connections.max_total
    return most if soft == resource.RLIM_INFINITY else max(FEWEST_CONNECTIONS, min(most, soft - reserve(config)))


def descriptor_warnings(config: Config, limits: Limits | None = None) -> tuple[Problem, ...]:
    """Return what an operator should know of the limit of this process, or of those given."""
    limits = limits if limits is not None else resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.connections.max_total + reserve(config)
    soft, _ = raised(limits, wanted)
    most = affordable_connections(config, soft)
    if most == config.connections.max_total:
        return ()
    return (
        Problem(
            "connections.max_total",
            f"is {config.connections.max_total}, but this process may open {soft} files, of which upstreams and the"
            f" service itself need {reserve(config)}: there will be {most} connections. Allow {wanted} open files"
            f" (systemd: LimitNOFILE={wanted}; a shell: ulimit -n {wanted}), or write max_total = {most}.",
        ),
    )


def make_room(
    config: Config,
    get: Callable[[int], Limits] = resource.getrlimit,
    set_limits: Callable[[int, Limits], None] = resource.setrlimit,
) -> Config:
    """Raise the limit of this process as far as needed and allowed; return what is configured with no more connections
    than there is room for."""
    limits = get(resource.RLIMIT_NOFILE)
    better = raised(limits, config.connections.max_total + reserve(config))
    if better != limits:
        set_limits(resource.RLIMIT_NOFILE, better)
    most = affordable_connections(config, better[0])
    return replace(config, connections=replace(config.connections, max_total=most))
