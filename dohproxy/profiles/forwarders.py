"""Resolvers and forwarders on somebody's own machine or router that ask this service for everybody behind them."""

from collections.abc import Iterator

from dohproxy.config.addresses import bracketed
from dohproxy.profiles.offer import DOT_PORT, DotOffer, Offer, Wishes, of_version
from dohproxy.profiles.text_templates import fill


def unbound(offer: Offer, _: Wishes) -> bytes:
    """Return a forward zone for everything, over TLS with a verified name."""
    dot = offer.over_tls()
    servers = "\n".join(f"    forward-addr: {address}@{dot.port}#{dot.name}" for address in dot.addresses)
    return fill("unbound.conf", host=offer.host, servers=servers)


def stubby(offer: Offer, _: Wishes) -> bytes:
    """Return a whole configuration of stubby: strict, so that it never asks in the clear."""
    return fill("stubby.yml", host=offer.host, servers="\n".join(_stubby_servers(offer.over_tls(), offer.key_pin)))


def systemd_resolved(offer: Offer, _: Wishes) -> bytes:
    """Return a drop-in for resolved.conf."""
    dot = offer.over_tls()
    servers = " ".join(f"{_with_port(address, dot.port)}#{dot.name}" for address in dot.addresses)
    return fill("systemd-resolved.conf", host=offer.host, servers=servers)


def network_manager(offer: Offer, _: Wishes) -> bytes:
    """Return commands for one connection of NetworkManager."""
    dot = offer.over_tls()
    servers = {
        f"servers{version}": " ".join(_network_manager_server(one, dot) for one in of_version(dot.addresses, version))
        for version in (4, 6)
    }
    return fill("networkmanager.sh", host=offer.host, **servers)


def dnscrypt_proxy(offer: Offer, _: Wishes) -> bytes:
    """Return a whole configuration of dnscrypt-proxy that knows this service alone, by its stamps."""
    names = [offer.host if number == 0 else f"{offer.host}-{number + 1}" for number in range(len(offer.stamps))]
    static = "".join(
        f"\n[static.'{name}']\nstamp = '{stamp}'\n" for name, stamp in zip(names, offer.stamps, strict=True)
    )
    return fill(
        "dnscrypt-proxy.toml",
        host=offer.host,
        names=", ".join(f"'{name}'" for name in names),
        ipv6="ipv6_servers = true\n" if of_version(offer.addresses, 6) else "",
        static=static.strip("\n"),
    )


def dnsmasq(offer: Offer, _: Wishes) -> bytes:
    """Return a drop-in for dnsmasq before a dnscrypt-proxy on the same machine."""
    return fill("dnsmasq.conf", host=offer.host)


def openwrt(offer: Offer, _: Wishes) -> bytes:
    """Return the configuration of OpenWrt's package https-dns-proxy."""
    return fill("openwrt.config", host=offer.host, url=offer.url.replace("'", r"'\''"))


def curl(offer: Offer, _: Wishes) -> bytes:
    """Return what curl reads as its configuration."""
    return fill("curlrc", host=offer.host, url=offer.url)


def android(offer: Offer, _: Wishes) -> bytes:
    """Return the name that is typed into Private DNS; Android asks by TLS on port 853."""
    return f"{offer.over_tls().name}\n".encode()


def _stubby_servers(dot: DotOffer, key_pin: str) -> Iterator[str]:
    for address in dot.addresses:
        yield f"  - address_data: {_stubby_address(address)}"
        yield f'    tls_auth_name: "{dot.name}"'
        if dot.port != DOT_PORT:
            yield f"    tls_port: {dot.port}"
        if key_pin:
            yield "    tls_pubkey_pinset:"
            yield '      - digest: "sha256"'
            yield f"        value: {key_pin}"


def _stubby_address(address: str) -> str:
    # It cannot read an address that ends in "::" (stubby.yml.example).
    return f"{address}0" if address.endswith("::") else address


def _network_manager_server(address: str, dot: DotOffer) -> str:
    if dot.port == DOT_PORT:
        return f"{address}#{dot.name}"
    # A port can be told since NetworkManager 1.52.
    return f"dns+tls://{_with_port(address, dot.port)}#{dot.name}"


def _with_port(address: str, port: int) -> str:
    return address if port == DOT_PORT else f"{bracketed(address)}:{port}"
