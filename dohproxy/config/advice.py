"""What a configuration may say and its author probably did not mean."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from dohproxy.config.addresses import ListenAddress, cover_everything
from dohproxy.config.fit import fit_warnings
from dohproxy.config.keys import show
from dohproxy.config.problems import Problem
from dohproxy.config.schema import ClientsConfig, Config

LOOPBACK: Final = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}
"""Where the peers of a loopback listener are, by IP version (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3)."""


def check_warnings(config: Config) -> tuple[Problem, ...]:
    """Return what the configuration allows and its author may not have meant; the service can start."""
    return tuple(problem for rule in _WARNINGS for problem in rule(config))


def _warn_of_plain_http(config: Config) -> Iterator[Problem]:
    is_public = any(listener.is_public for listener in config.server.listen)
    if is_public and config.tls is None and config.clients.address_from == "connection":
        yield Problem(
            "server.listen",
            "is open to other machines without TLS: names cross the network in the clear, and clients refuse"
            " plain HTTP. Add [tls], or listen on 127.0.0.1 behind a front proxy and set address_from.",
        )


def _warn_of_one_client_for_all(config: Config) -> Iterator[Problem]:
    has_socket = any(listener.kind == "unix" for _, listener in config.public_listen)
    if has_socket and config.clients.address_from == "connection":
        source = "proxy-protocol" if config.dot.listen else "x-forwarded-for"
        yield Problem(
            "clients.address_from",
            'is "connection" while a Unix socket is listened on: all clients behind it share one limit. Write'
            f' address_from = "{source}" and trusted_proxies = ["unix"].',
        )


def _warn_of_a_field_that_dot_has_not(config: Config) -> Iterator[Problem]:
    source = config.clients.address_from
    is_behind_proxy = config.tls is None or any(listener.kind == "unix" for listener in config.dot.listen)
    if config.dot.listen and is_behind_proxy and source in ("x-forwarded-for", "forwarded"):
        yield Problem(
            "dot.listen",
            f'is for a front proxy, and address_from is "{source}", a field of HTTP: who comes over DoT is the front'
            ' proxy, under one limit with all others. Write address_from = "proxy-protocol" and have the front proxy'
            " send that (HAProxy: send-proxy-v2; nginx: proxy_protocol on), to every address here.",
        )


def _warn_of_unused_trust(config: Config) -> Iterator[Problem]:
    clients = config.clients
    has_socket = any(listener.kind == "unix" for _, listener in config.public_listen)
    if clients.trusted_proxies and clients.address_from == "connection":
        yield Problem(
            "clients.trusted_proxies",
            'is of no effect while address_from is "connection"; set address_from or remove it.',
        )
    elif clients.trusts_unix and not has_socket:
        yield Problem(
            "clients.trusted_proxies",
            'holds "unix" while no Unix socket is listened on; remove it or add one to server.listen.',
        )


def _warn_of_sockets_without_trust(config: Config) -> Iterator[Problem]:
    clients = config.clients
    has_socket = any(listener.kind == "unix" for _, listener in config.public_listen)
    # Without any trust there is no front proxy, or an error that says so.
    if has_socket and clients.address_from != "connection" and clients.trusted_proxies and not clients.trusts_unix:
        yield Problem(
            "clients.trusted_proxies",
            'lacks "unix" while a Unix socket is listened on: what a front proxy says there is ignored, and all'
            ' clients behind it share one limit. Add "unix", or remove the socket from server.listen.',
        )


def _warn_of_trust_out_of_reach(config: Config) -> Iterator[Problem]:
    clients = config.clients
    # Sockets without trust, and trust in sockets without one, are warned of above.
    has_socket = any(listener.kind == "unix" for _, listener in config.public_listen)
    if clients.address_from == "connection" or not clients.trusted_networks or has_socket:
        return
    if not any(_may_be_trusted(listener, clients) for listener in config.server.listen):
        yield Problem(
            "clients.trusted_proxies",
            "holds nobody who can connect to server.listen: the header is always ignored, and all clients behind"
            " a front proxy share one limit. One on this machine connects from 127.0.0.1 or ::1.",
        )


def _may_be_trusted(listener: ListenAddress, clients: ClientsConfig) -> bool:
    """Tell whether any peer of this TCP listener is believed. A listener on IPv6 takes no IPv4."""
    host = ip_address(listener.host)
    of_family = [network for network in clients.trusted_networks if network.version == host.version]
    return any(not host.is_loopback or network.overlaps(LOOPBACK[host.version]) for network in of_family)


def _warn_of_a_way_around_the_front_proxy(config: Config) -> Iterator[Problem]:
    clients = config.clients
    if clients.address_from == "connection" or not clients.trusted_proxies or config.tls is not None:
        return
    is_here = all(network.is_loopback for network in clients.trusted_networks)
    if is_here and any(listener.is_public for listener in config.server.listen):
        yield Problem(
            "server.listen",
            "is open to other machines without TLS, though the front proxy is on this one: who finds the port"
            " goes around it, in the clear. Listen on 127.0.0.1 or a Unix socket.",
        )


def _warn_of_a_kernel_that_meets_no_client(config: Config) -> Iterator[Problem]:
    if config.bans.kernel_socket is None:
        return
    if config.clients.address_from == "connection" and config.is_public:
        return
    yield Problem(
        "bans.kernel_socket",
        "is of no use behind a front proxy, and the kernel is told of no ban: it would shut clients out of every site"
        " that the front proxy serves, or see its address alone. Remove it; bans.log_file can tell the front proxy's"
        " machine of bans.",
    )


def _warn_of_ipv6_alone(config: Config) -> Iterator[Problem]:
    for section, listeners in (("server", config.server.listen), ("dot", config.dot.listen)):
        yield from _ipv6_alone(section, listeners)


def _ipv6_alone(section: str, listeners: tuple[ListenAddress, ...]) -> Iterator[Problem]:
    for number, listener in enumerate(listeners, start=1):
        is_every = listener.kind == "tcp" and listener.host == "::"
        families = {ip_address(other.host).version for other in listeners if other.kind == "tcp" and other.is_public}
        if is_every and 4 not in families:
            yield Problem(
                f"{section}.listen #{number}",
                f'is {show(listener)}, which is every IPv6 address and no IPv4 one: add "0.0.0.0:{listener.port}".',
            )


def _warn_of_members_everywhere(config: Config) -> Iterator[Problem]:
    if cover_everything(config.clients.member_networks):
        yield Problem(
            "clients.member_networks",
            "makes a member of every address there is: nobody goes first any more, and strangers get what is kept for"
            " members. Name the members' own networks, or leave the key out.",
        )


def _warn_of_private_names_for_everybody(config: Config) -> Iterator[Problem]:
    if not config.is_public:
        return
    for number, route in enumerate(config.routes, start=1):
        yield Problem(
            f"route #{number}.domains",
            f"holds {show(route.domains[0])}, and everybody who can connect may ask about it, not members alone: what"
            " your resolver says of it is public. Route only what may be.",
        )


def _warn_of_pages_that_read_private_names(config: Config) -> Iterator[Problem]:
    if config.server.cors and config.routes:
        domain = show(config.routes[0].domains[0])
        yield Problem(
            "server.cors",
            f"lets every web page ask about {domain} through the browser of whoever looks at it, from inside your"
            " network too, and read the answer. Leave it out, or route only what may be public.",
        )


def _warn_of_no_limits(config: Config) -> Iterator[Problem]:
    if cover_everything(config.limits.exempt_networks):
        yield Problem("limits.exempt_networks", "exempts every address there is: one client can use up everything.")


def _warn_of_public_metrics(config: Config) -> Iterator[Problem]:
    if config.metrics is not None and config.metrics.listen.is_public:
        yield Problem(
            "metrics.listen",
            "is open to other machines, without TLS or password; listen on 127.0.0.1, or see to a firewall.",
        )


def _warn_of_host_nobody_can_reach(config: Config) -> Iterator[Problem]:
    if config.server.host == "localhost" and config.is_public:
        yield Problem(
            "server.host",
            'is "localhost" on a service open to others: its stamp and URL lead nowhere. Write the public'
            ' name, for example: host = "doh.example.net"',
        )


def _warn_of_names_in_the_clear(config: Config) -> Iterator[Problem]:
    for number, upstream in enumerate(config.upstreams, start=1):
        if upstream.url.transport != "tls" and ip_address(upstream.url.host).is_global:
            yield Problem(
                f"upstream #{number}.url",
                f"is {show(upstream.url)}: names cross the Internet in the clear and answers can be forged."
                " Use tls:// if the resolver offers it.",
            )


def _warn_of_trust_on_an_open_path(config: Config) -> Iterator[Problem]:
    for number, upstream in enumerate(config.upstreams, start=1):
        if upstream.validates and upstream.url.is_open_path:
            yield Problem(
                f"upstream #{number}.validates",
                f"is of no effect with {show(upstream.url)}: anybody on the way could claim that an answer is"
                " authentic. Use tls://, or a resolver on this machine.",
            )


def _warn_of_rules_without_effect(config: Config) -> Iterator[Problem]:
    """Find rules that are to be tried while another key keeps them from finding anything."""
    kept_still = (
        ("undelegated", config.names.answer_undelegated, "names.answer_undelegated = true"),
        ("private_addresses", config.names.withhold_private_addresses, "names.withhold_private_addresses = true"),
        ("listed_reaction", config.listed.reaction != "nothing", 'listed.reaction = "members-first"'),
        ("list_stub", config.listed.stubs == "turn-away", 'listed.stubs = "turn-away"'),
    )
    for name, may_act, remedy in kept_still:
        if getattr(config.rules, name) == "shadow" and not may_act:
            yield Problem(f"rules.{name}", f"tries a rule that never acts; write {remedy} too, or remove it.")


def _warn_of_added_budgets(config: Config) -> Iterator[Problem]:
    for number, upstream in enumerate(config.upstreams, start=1):
        host, earlier = upstream.url.host, config.upstreams[: number - 1]
        is_shared = any(
            other.url.host == host and (not other.group or other.group != upstream.group) for other in earlier
        )
        if is_shared and not ip_address(host).is_loopback:
            yield Problem(
                f"upstream #{number}.url",
                f"leads to {host}, as an earlier upstream does: its operator sees both budgets added up. Give both the"
                f' same group, for example: group = "{upstream.name}"',
            )


def _warn_of_nodes(config: Config) -> Iterator[Problem]:
    nodes = config.nodes
    if nodes is None:
        return
    if nodes.store.is_open_path and nodes.password_file is not None:
        yield Problem(
            "nodes.store",
            f"is {show(str(nodes.store))}: the password crosses the network in the clear. Use valkeys://, or a tunnel"
            " such as WireGuard.",
        )
    if nodes.user is not None and nodes.password_file is None:
        yield Problem("nodes.user", "is of no effect without nodes.password_file.")
    if nodes.ca_file is not None and nodes.store.kind != "tls":
        yield Problem("nodes.ca_file", f"is of no effect with {show(str(nodes.store))}; use valkeys:// for TLS.")


def _warn_of_pages(config: Config) -> Iterator[Problem]:
    pages = config.pages
    if pages.enabled and config.about.name is None:
        yield Problem(
            "about.name",
            "is absent while pages.enabled is true: people trust a service when they know who runs it. Write"
            ' name = "...", and where you can be reached (contact).',
        )
    if pages.folder is not None and not pages.enabled:
        yield Problem("pages.folder", "is of no effect while pages.enabled is false; write enabled = true beside it.")


def _warn_of_proof(config: Config) -> Iterator[Problem]:
    domain = config.pages.proof_domain
    if domain is not None and not config.pages.enabled:
        yield Problem(
            "pages.proof_domain", "is of no effect while pages.enabled is false; write enabled = true beside it."
        )
    # A wildcard is every address of the machine, and nobody but the operator knows which of them clients use.
    hosts = [ip_address(one.host.partition("%")[0]) for one in config.server.listen if one.kind == "tcp"]
    is_direct = config.clients.address_from == "connection"
    if domain is not None and not config.discovery.addresses and not (is_direct and any(map(_is_global, hosts))):
        yield Problem(
            "pages.proof_domain",
            "is of no effect while it is not known here where clients connect: write that in [discovery], for example:"
            ' addresses = ["192.0.2.1", "2001:db8::1"]',
        )
    if domain == config.dot_host and config.dot.listen and config.clients.member_file is not None:
        yield Problem(
            "pages.proof_domain",
            "is also where members have names for DNS over TLS: if the public DNS has one record for all of them"
            f" (*.{domain}), every browser finds the picture, and the page tells everybody that it works. Give each"
            " member's name a record of its own there, or write another domain here.",
        )


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global


def _warn_of_discovery(config: Config) -> Iterator[Problem]:
    if config.discovery.qname_minimisation and not config.discovery.enabled:
        yield Problem(
            "discovery.qname_minimisation",
            "is of no effect while discovery.enabled is false; write enabled = true beside it.",
        )


_WARNINGS: Final[tuple[Callable[[Config], Iterator[Problem]], ...]] = (
    _warn_of_plain_http,
    _warn_of_one_client_for_all,
    _warn_of_unused_trust,
    _warn_of_a_field_that_dot_has_not,
    _warn_of_sockets_without_trust,
    _warn_of_trust_out_of_reach,
    _warn_of_a_way_around_the_front_proxy,
    _warn_of_a_kernel_that_meets_no_client,
    _warn_of_ipv6_alone,
    _warn_of_members_everywhere,
    _warn_of_private_names_for_everybody,
    _warn_of_pages_that_read_private_names,
    _warn_of_no_limits,
    fit_warnings,
    _warn_of_public_metrics,
    _warn_of_host_nobody_can_reach,
    _warn_of_names_in_the_clear,
    _warn_of_trust_on_an_open_path,
    _warn_of_rules_without_effect,
    _warn_of_added_budgets,
    _warn_of_nodes,
    _warn_of_pages,
    _warn_of_proof,
    _warn_of_discovery,
)
