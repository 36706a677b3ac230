"""What several keys must agree on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from dohproxy.config.addresses import ListenAddress, UpstreamAddress, cover_everything
from dohproxy.config.discovery_values import why_untold
from dohproxy.config.keys import show
from dohproxy.config.problems import Problem
from dohproxy.config.schema import Config
from dohproxy.config.schema.pages import PAGE_PATHS

DIVIDED_WHOLE: Final = ("burst", "in_flight", "connections")
"""What of an upstream's budget is divided among workers, or nodes, in whole numbers."""
_GROUP_KEYS: Final = ("queries_per_second", "burst", "in_flight", "connections", "new_connections_per_second")

Rule = Callable[[Config], Iterator[Problem]]

IN_ORDER: Final = (
    (
        "cache.minimum_ttl_seconds",
        "cache.minimum_ttl_under_pressure_seconds",
        "pressure may only raise the minimum",
    ),
    (
        "cache.minimum_ttl_under_pressure_seconds",
        "cache.maximum_ttl_seconds",
        "no TTL can be above the maximum and below the minimum",
    ),
    (
        "cache.failure_ttl_seconds",
        "cache.failure_ttl_max_seconds",
        "the first failure is remembered no longer than the last",
    ),
    (
        "cache.stale_wait_seconds",
        "resolver.deadline_seconds",
        "a stale answer is only of use before the question is given up",
    ),
    (
        "resolver.attempt_seconds",
        "resolver.deadline_seconds",
        "an attempt cannot outlast the question it is for",
    ),
    (
        "connections.max_per_client",
        "connections.max_per_network",
        "a network holds at least what one of its clients may",
    ),
    (
        "connections.max_queued_bytes",
        "connections.max_held_bytes",
        "all connections together hold at least what one may",
    ),
    (
        "names.domain_failures_per_second",
        "names.domain_misses_per_second",
        "a failure is a miss too",
    ),
    (
        "names.domain_failures_burst",
        "names.domain_misses_burst",
        "a failure is a miss too",
    ),
    (
        "limits.network_factor",
        "limits.site_factor",
        "a wider prefix holds at least what a narrower one may ask",
    ),
    (
        "bans.network_factor",
        "bans.site_factor",
        "a wider prefix is banned for no less than a narrower one",
    ),
    (
        "bans.first_seconds",
        "bans.longest_seconds",
        "the first ban is no longer than the longest",
    ),
)
"""Pairs of keys of which the first may not be the greater, and why."""


def check_rules(config: Config, known: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return what is wrong between keys, leaving out rules on keys that already have one of `known`.

    Such a key holds its default instead of what was meant: a complaint about that would only confuse.
    """
    return (
        *_check_order(config, known),
        *(
            problem
            for rule, paths in _RULES
            if not any(_is_touched(path, known) for path in paths)
            for problem in rule(config)
        ),
    )


def check_upstreams(
    tables: Sequence[Mapping[str, object]], routed: Mapping[str, int] | None = None
) -> Iterator[Problem]:
    """Find upstreams that share a name or an address, or a group without sharing its budget.

    `tables` holds the usable keys of each, in order; `routed` the numbers of the routes that name them.
    """
    routed = routed or {}
    for number, values in enumerate(tables, start=1):
        earlier = tables[: number - 1]
        name, url = values.get("name"), values.get("url")
        if isinstance(name, str) and any(_fold(other.get("name")) == name.casefold() for other in earlier):
            yield Problem(
                f"upstream #{number}.name",
                f"is {show(name)}, as an earlier upstream is called; metrics and commands need to tell them"
                f' apart. For example: name = "ns{number - 1}"',
            )
        if url is not None:
            alike = [other for other in earlier if _place(other.get("url")) == _place(url)]
            if any(_role(other, routed) == _role(values, routed) for other in alike):
                yield Problem(
                    f"upstream #{number}.url",
                    "is that of an earlier upstream, which would get both budgets; remove one of the two, or"
                    ' write another address. For example: url = "tls://192.0.2.54#ns1.example.net"',
                )
            elif any(not values.get("group") or other.get("group") != values.get("group") for other in alike):
                yield Problem(
                    f"upstream #{number}.url",
                    "is that of an earlier upstream, for other names, which would get both budgets. Give both the same"
                    f" group, for example: group = {show(name if isinstance(name, str) else 'ns0')}",
                )
        yield from _check_trust(number, values)
        yield from _check_group(number, values, earlier)


def _check_trust(number: int, values: Mapping[str, object]) -> Iterator[Problem]:
    """Find what is said of the certificate of an upstream that shows none."""
    url = values.get("url")
    for key in ("ca_file", "pins"):
        if values.get(key) and isinstance(url, UpstreamAddress) and url.transport != "tls":
            yield Problem(
                f"upstream #{number}.{key}",
                f"is about a certificate, and {url.transport}:// shows none; remove it, or write a url with tls://.",
            )


def _check_group(
    number: int, values: Mapping[str, object], earlier: Sequence[Mapping[str, object]]
) -> Iterator[Problem]:
    """Find what a member of a group says otherwise than the group's first: one budget has one set of numbers."""
    group = values.get("group")
    first = next((other for other in earlier if group and other.get("group") == group), None)
    for key in _GROUP_KEYS if first is not None else ():
        if first is not None and values.get(key) != first.get(key):
            yield Problem(
                f"upstream #{number}.{key}",
                f"is not what the first of the group {show(group)} has, and they share one budget. Give both the same"
                " preset and numbers, or different groups.",
            )


def _check_order(config: Config, known: tuple[Problem, ...]) -> Iterator[Problem]:
    for lesser, greater, why in IN_ORDER:
        if _is_touched(lesser, known) or _is_touched(greater, known):
            continue
        low, high = _look_up(config, lesser), _look_up(config, greater)
        if low > high:
            yield Problem(
                lesser,
                f"is {show(low)}, above {greater}, which is {show(high)}; {why}."
                f" For example: {lesser.partition('.')[2]} = {show(high)}",
            )


def _check_proxies_are_named(config: Config) -> Iterator[Problem]:
    clients = config.clients
    if clients.address_from != "connection" and not clients.trusted_proxies:
        yield Problem(
            "clients.trusted_proxies",
            f"is empty while address_from is {show(clients.address_from)}: nobody would be believed. Name"
            ' your front proxy, for example: trusted_proxies = ["127.0.0.1/32"], or ["unix"].',
        )


def _check_not_everyone_is_believed(config: Config) -> Iterator[Problem]:
    clients = config.clients
    if clients.address_from != "connection" and cover_everything(clients.trusted_networks):
        yield Problem(
            "clients.trusted_proxies",
            "trusts every address there is: any client could choose the address its limits are kept for."
            ' Name your front proxy alone, for example: trusted_proxies = ["127.0.0.1/32"]',
        )


def _check_listeners_differ(config: Config) -> Iterator[Problem]:
    seen: list[ListenAddress] = []
    for path, listener in _listeners(config):
        if (listener.kind, listener.port) == ("tcp", 0):
            continue
        covering = next((other for other in seen if _collide(other, listener)), None)
        if covering == listener:
            yield Problem(path, f"is {show(listener)}, which is already listened on; choose another.")
        elif covering is not None:
            whole, one = (covering, listener) if ip_address(covering.host).is_unspecified else (listener, covering)
            yield Problem(
                path,
                f"is {show(listener)} beside {show(covering)}: both cannot be had, as {show(whole)} is every address of"
                f" its family and {show(one)} one of them. Remove one of the two, or choose another port.",
            )
        seen.append(listener)


def _check_dot_has_a_certificate(config: Config) -> Iterator[Problem]:
    if config.tls is not None:
        return
    for number, listener in enumerate(config.dot.listen, start=1):
        if listener.is_public:
            yield Problem(
                f"dot.listen #{number}",
                f"is {show(listener)}, open to other machines, and without [tls] there is nothing but plain DNS to be"
                " had there, which anybody can use to flood others. Add [tls] with a certificate and its key, or listen"
                ' on 127.0.0.1 behind a front proxy that has them. For example: listen = ["127.0.0.1:8853"]',
            )


def _collide(one: ListenAddress, other: ListenAddress) -> bool:
    if one.kind != other.kind or one.kind == "unix":
        return one == other
    return one.covers(other.host, other.port) or other.covers(one.host, one.port)


def _check_upstream_is_not_this_service(config: Config) -> Iterator[Problem]:
    own = [listener for _, listener in _listeners(config)]
    for number, upstream in enumerate(config.upstreams, start=1):
        url = upstream.url
        # Of the addresses that a wildcard stands for, loopback's are known to be this machine's.
        is_near = ip_address(url.host).is_loopback or any(listener.host == url.host for listener in own)
        if url.transport != "udp" and is_near and any(listener.covers(url.host, url.port) for listener in own):
            yield Problem(
                f"upstream #{number}.url",
                f"is {show(upstream.url)}, where this service itself listens; write that of a resolver."
                ' For example: url = "tls://192.0.2.53#ns0.example.net"',
            )


def _check_routes(config: Config) -> Iterator[Problem]:
    known = [upstream.name for upstream in config.upstreams]
    upstreams: dict[str, int] = {}
    domains: dict[str, int] = {}
    for number, route in enumerate(config.routes, start=1):
        for name in route.upstreams:
            earlier = upstreams.setdefault(name, number)
            if name not in known:
                yield Problem(
                    f"route #{number}.upstreams",
                    f"names {show(name)}, and no [[upstream]] is called so; there are {', '.join(map(show, known))}.",
                )
            elif earlier != number:
                yield Problem(
                    f"route #{number}.upstreams",
                    f"names {show(name)}, as route #{earlier} does; write the domains of both into one [[route]].",
                )
        for domain in route.domains:
            earlier = domains.setdefault(domain, number)
            if earlier != number:
                yield Problem(
                    f"route #{number}.domains",
                    f"holds {show(domain)}, as route #{earlier} does; one of the two never counts: remove it.",
                )
    if config.routes and config.upstreams and not config.general_upstreams:
        yield Problem(
            "upstream",
            "is named by a route, each of them, so that nobody is there to ask about everything else. Add one; if it is"
            " the same resolver, under another name and both with the same group.",
        )


def _check_blocklists(config: Config) -> Iterator[Problem]:
    names: dict[str, int] = {}
    for number, one in enumerate(config.blocklists, start=1):
        path = f"blocklist #{number}"
        if names.setdefault(one.name.casefold(), number) != number:
            yield Problem(
                f"{path}.name", f"is {show(one.name)}, as an earlier list is called; commands need to tell them apart."
            )
        if one.file is None and not one.names and not one.networks:
            yield Problem(path, 'lists nothing; write file = "...", names = ["example.net"] or networks = [...].')
        if one.reason == "law" and one.reference is None:
            yield Problem(
                f"{path}.reference",
                'is missing where reason = "law": whoever is concerned must be able to find the order. Write its'
                ' number, or reason = "operator".',
            )
        if (one.action == "address") is not bool(one.addresses):
            yield Problem(
                f"{path}.addresses",
                'is empty while action = "address"; write addresses = ["192.0.2.80"].'
                if not one.addresses
                else f'is of no use with action = {show(one.action)}; remove it, or write action = "address".',
            )


def _check_members_are_named(config: Config) -> Iterator[Problem]:
    if config.listed.reaction == "members" and not config.clients.can_have_members:
        yield Problem(
            "listed.reaction",
            'is "members" while clients.member_networks is empty: nobody would be served. Name your members\' networks'
            ' there, or give them URLs (clients.member_file), or write reaction = "members-first".',
        )


def _check_alert_command(config: Config) -> Iterator[Problem]:
    command = config.alerts.command
    if command and not command[0].startswith("/"):
        yield Problem(
            "alerts.command",
            f"begins with {show(command[0])}, which no shell looks for: write the program's whole path, for example:"
            ' command = ["/etc/dohproxy/alerts/mail"]',
        )


def _check_certificates_of_members(config: Config) -> Iterator[Problem]:
    if config.clients.member_ca_file is not None and config.tls is None:
        yield Problem(
            "clients.member_ca_file",
            "is of no use without [tls], as nobody can show a certificate here: add [tls], or remove the line. Behind a"
            " front proxy a URL of one's own (clients.member_file) tells who is a member.",
        )


def _check_paths_of_pages(config: Config) -> Iterator[Problem]:
    if config.pages.enabled and config.server.path in PAGE_PATHS:
        yield Problem(
            "pages.enabled",
            f"is true while server.path is {show(config.server.path)}, where a page would be; write"
            ' path = "/dns-query", which clients assume, or leave the pages out.',
        )


def _check_discovery(config: Config) -> Iterator[Problem]:
    discovery, is_direct = config.discovery, config.clients.address_from == "connection"
    if discovery.enabled and (why := why_untold(config.server.host)) is not None:
        yield Problem(
            "discovery.enabled",
            f"is true while server.host is {show(config.server.host)}, which {why}; write the public name there, for"
            ' example: host = "doh.example.net"',
        )
    is_open = any(listener.is_public for listener in config.server.listen)
    if discovery.enabled and is_direct and is_open and config.tls is None:
        yield Problem(
            "discovery.enabled",
            "is true while clients connect without TLS: what they were told of would not be there. Add [tls], or set"
            " clients.address_from if a front proxy has it.",
        )
    if discovery.http3 and is_direct and is_open:
        yield Problem(
            "discovery.http3",
            "is true while clients connect to this service itself, which does not speak HTTP/3; remove it, or set"
            " clients.address_from if a front proxy does.",
        )


def _check_workers_can_share(config: Config) -> Iterator[Problem]:
    """Find budgets that cannot be divided: each worker needs at least one query and one connection of its own."""
    workers = config.server.workers
    if workers == "cores":
        return
    for number, upstream in enumerate(config.upstreams, start=1):
        for key in DIVIDED_WHOLE:
            most = getattr(upstream, key)
            if workers > most:
                yield Problem(
                    "server.workers",
                    f"is {workers}, and upstream #{number}.{key} is {most}: each worker needs one of its own. Write"
                    f" workers = {most}, or {key} = {workers} if whoever runs the upstream agrees.",
                )


def _check_workers_are_expected(config: Config) -> Iterator[Problem]:
    """Find a number of nodes that leaves no room for the workers of one machine: each of them is a node."""
    workers, nodes = config.server.workers, config.nodes
    if nodes is not None and workers != "cores" and workers > nodes.expected:
        yield Problem(
            "nodes.expected",
            f"is {nodes.expected} while server.workers is {workers}: each worker is a node. Write the workers of all"
            f" machines together, at least: expected = {workers}",
        )


def _check_nodes_can_share(config: Config) -> Iterator[Problem]:
    """Find budgets that cannot be divided among nodes: each needs at least one query and one connection of its own."""
    if config.nodes is None:
        return
    expected = config.nodes.expected
    for number, upstream in enumerate(config.upstreams, start=1):
        for key in DIVIDED_WHOLE:
            most = getattr(upstream, key)
            if expected > most:
                yield Problem(
                    f"upstream #{number}.{key}",
                    f"is {most}, and nodes.expected is {expected}: each node needs one of its own, or it can never ask."
                    f" Write {key} = {expected} if whoever runs the upstream agrees, or expect fewer nodes.",
                )


_RULES: Final[tuple[tuple[Rule, tuple[str, ...]], ...]] = (
    (_check_proxies_are_named, ("clients.address_from", "clients.trusted_proxies")),
    (_check_not_everyone_is_believed, ("clients.address_from", "clients.trusted_proxies")),
    (_check_listeners_differ, ("server.listen", "dot.listen", "metrics.listen", "admin.socket", "admin.listen")),
    (_check_dot_has_a_certificate, ("dot.listen", "tls")),
    (_check_certificates_of_members, ("clients.member_ca_file", "tls")),
    (_check_routes, ("upstream", "route")),
    (_check_blocklists, ("blocklist",)),
    (_check_members_are_named, ("listed.reaction", "clients.member_networks", "clients.member_file")),
    (_check_alert_command, ("alerts.command",)),
    (_check_paths_of_pages, ("pages.enabled", "server.path")),
    (
        _check_upstream_is_not_this_service,
        ("server.listen", "dot.listen", "metrics.listen", "admin.listen", "upstream"),
    ),
    (_check_discovery, ("discovery", "server.host", "server.listen", "clients.address_from", "tls")),
    (_check_workers_can_share, ("server.workers", "upstream")),
    (_check_workers_are_expected, ("server.workers", "nodes")),
    (_check_nodes_can_share, ("nodes", "upstream")),
)
"""Each rule beside the keys it reads."""


def _is_touched(path: str, problems: tuple[Problem, ...]) -> bool:
    """Whether a problem lies at `path`, inside of it, or in what holds it."""
    return any(
        problem.path == path
        or problem.path.startswith((f"{path}.", f"{path} #"))
        or path.startswith(f"{problem.path}.")
        for problem in problems
    )


def _look_up(config: Config, path: str) -> float:
    section, _, key = path.partition(".")
    return float(getattr(getattr(config, section), key))


def _listeners(config: Config) -> Iterator[tuple[str, ListenAddress]]:
    yield from config.public_listen
    if config.metrics is not None:
        yield "metrics.listen", config.metrics.listen
    if config.admin is not None:
        yield "admin.socket", ListenAddress("unix", path=str(config.admin.socket))
        if config.admin.listen is not None:
            yield "admin.listen", config.admin.listen


def _role(values: Mapping[str, object], routed: Mapping[str, int]) -> int:
    """Return the number of the route that an upstream is for, 0 for everything else."""
    name = values.get("name")
    return routed.get(name, 0) if isinstance(name, str) else 0


def _fold(name: object) -> str | None:
    return name.casefold() if isinstance(name, str) else None


def _place(url: object) -> tuple[str, str, int] | None:
    return (url.transport, url.host, url.port) if isinstance(url, UpstreamAddress) else None
