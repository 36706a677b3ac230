"""Addresses as the configuration writes them."""

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from dohproxy.config.addresses import (
    ListenAddress,
    Unusable,
    UpstreamAddress,
    cover_everything,
    parse_argument,
    parse_host_name,
    parse_listen,
    parse_loopback,
    parse_network,
    parse_path,
    parse_pin,
    parse_public_name,
    parse_route_domain,
    parse_socket,
    parse_trusted,
    parse_upstream,
    parse_url_path,
    parse_webhook,
)

HERE = Path("/etc/dohproxy")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8443", ListenAddress("tcp", host="127.0.0.1", port=8443)),
        ("[::]:443", ListenAddress("tcp", host="::", port=443)),
        ("[2001:DB8:0:0::1]:65535", ListenAddress("tcp", host="2001:db8::1", port=65535)),
        ("[fe80::1%eth0]:443", ListenAddress("tcp", host="fe80::1%eth0", port=443)),
        ("127.0.0.1:0", ListenAddress("tcp", host="127.0.0.1", port=0)),
        ("unix:/run/dohproxy/h1.sock", ListenAddress("unix", path="/run/dohproxy/h1.sock")),
        ("unix:h1.sock", ListenAddress("unix", path="/etc/dohproxy/h1.sock")),
    ],
    ids=[
        "an IPv4 address and port",
        "every address of the machine",
        "an IPv6 address in its short form",
        "a link-local address with its interface",
        "any free port",
        "a Unix socket",
        "a Unix socket beside the configuration file",
    ],
)
def test_a_listen_address_is_read(text: str, address: ListenAddress) -> None:
    assert parse_listen(text, HERE) == address


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("8443", "needs an address and a port"),
        (":8443", "[::]:443"),
        ("*:443", "[::]:443"),
        ("", "needs an address and a port"),
        ("localhost:8443", "not a host name"),
        ("2001:db8::1:443", "must have brackets around an IPv6 address"),
        ("[127.0.0.1]:443", "and only there"),
        ("127.0.0.1:65536", "port from 0 to 65535"),
        ("127.0.0.1:", "port from 0 to 65535"),
        ("127.0.0.1:-1", "port from 0 to 65535"),
        ("127.0.0.1:٤٤٣", "port from 0 to 65535"),
        ("127.0.0.1:000443", "port from 0 to 65535"),
        ("[fe80::1%a\nb]:443", "other characters"),
        ("/run/dohproxy/h1.sock", 'if so, write "unix:/run/dohproxy/h1.sock"'),
        ("[::ffff:192.0.2.1]:443", 'write "192.0.2.1:443"'),
        ("[fe80::1]:443", '"[fe80::1%eth0]:443"'),
        ("224.0.0.1:443", "address of many machines"),
        ("[ff02::1]:443", "address of many machines"),
        ("unix:@dohproxy", "abstract socket"),
        ("unix:", "is not a file name"),
        ("unix:/run/a\0b", "NUL"),
        (f"unix:/run/{'a' * 103}", "107 bytes"),
    ],
)
def test_a_listen_address_that_cannot_be_bound_is_explained(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_listen(text, HERE)
    assert hint in str(caught.value)


def test_the_longest_socket_path_that_can_be_bound_is_accepted() -> None:
    path = f"/run/{'a' * 102}"
    assert len(path) == 107
    assert parse_socket(path, HERE) == Path(path)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("127.0.0.1:9000", "looks like an address and a port"),
        ("[::1]:9000", "looks like an address and a port"),
        ("localhost:9000", "looks like an address and a port"),
        (":9000", "looks like an address and a port"),
        ("unix:/run/dohproxy/admin.sock", 'write "/run/dohproxy/admin.sock"'),
        ("@admin", "abstract socket"),
    ],
)
def test_what_is_not_the_file_of_a_socket_is_explained(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_socket(text, HERE)
    assert hint in str(caught.value)


@pytest.mark.parametrize("text", ["127.0.0.1:8054", "127.3.2.1:1", "[::1]:8054"])
def test_a_loopback_address_is_taken_where_no_other_may_be(text: str) -> None:
    assert parse_loopback(text, HERE) == parse_listen(text, HERE)


@pytest.mark.parametrize("text", ["0.0.0.0:8054", "[::]:8054", "192.0.2.1:8054", "unix:/run/dohproxy/page.sock"])
def test_where_only_loopback_may_be_nothing_else_is_taken_and_it_is_said_what_to_do(text: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_loopback(text, HERE)
    assert "never for other machines" in str(caught.value)
    assert "ssh -L 8054:127.0.0.1:8054 HOST" in str(caught.value)


@pytest.mark.parametrize(
    ("listen", "host", "port", "covers"),
    [
        ("127.0.0.1:1", "127.0.0.1", 1, True),
        ("127.0.0.1:1", "127.0.0.1", 2, False),
        ("127.0.0.1:1", "127.0.0.2", 1, False),
        ("0.0.0.0:1", "127.0.0.2", 1, True),
        ("0.0.0.0:1", "::1", 1, False),
        ("[::]:1", "::1", 1, True),
        ("[::]:1", "127.0.0.1", 1, False),
        ("unix:a.sock", "127.0.0.1", 0, False),
    ],
)
def test_a_wildcard_covers_its_family(listen: str, host: str, port: int, *, covers: bool) -> None:
    assert parse_listen(listen, HERE).covers(host, port) is covers


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("https://doh.example.net", 'write the name alone: "doh.example.net"'),
        ("https://doh.example.net/dns-query", 'write the name alone: "doh.example.net"'),
        ("doh.example.net/dns-query", 'write the name alone: "doh.example.net"'),
        ("doh.example.net:443", 'names a port, which comes from server.listen; write "doh.example.net"'),
        ("[2001:db8::1]", 'write it without: "2001:db8::1"'),
        ("[2001:db8::1]:443", 'write "2001:db8::1"'),
        ("doh.example.net.", 'ends with a dot, which clients leave out; write "doh.example.net"'),
    ],
)
def test_what_is_more_than_a_public_name_is_answered_with_the_name(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_public_name(text, HERE)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8443", "[::]:443", "unix:/run/dohproxy/h1.sock"], ids=["IPv4", "IPv6", "unix"]
)
def test_a_listen_address_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_listen(text, HERE)) == text


@pytest.mark.parametrize(
    ("text", "is_public"),
    [
        ("127.0.0.1:443", False),
        ("127.9.9.9:443", False),
        ("[::1]:443", False),
        ("unix:/run/x", False),
        ("0.0.0.0:443", True),
        ("[::]:443", True),
        ("10.0.0.1:443", True),
        ("[fe80::1%eth0]:443", True),
    ],
)
def test_only_loopback_and_sockets_are_out_of_reach_of_others(text: str, *, is_public: bool) -> None:
    assert parse_listen(text, HERE).is_public is is_public


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("udp://192.0.2.53", UpstreamAddress("udp", "192.0.2.53", 53)),
        ("tcp://192.0.2.53", UpstreamAddress("tcp", "192.0.2.53", 53)),
        ("tls://192.0.2.53", UpstreamAddress("tls", "192.0.2.53", 853)),
        ("udp://127.0.0.1:5353", UpstreamAddress("udp", "127.0.0.1", 5353)),
        ("tcp://[2001:db8::53]", UpstreamAddress("tcp", "2001:db8::53", 53)),
        ("tls://[2001:db8::53]:8853", UpstreamAddress("tls", "2001:db8::53", 8853)),
        ("udp://[fe80::53%eth0]", UpstreamAddress("udp", "fe80::53%eth0", 53)),
        (
            "tls://192.0.2.53#NS0.Example.net",
            UpstreamAddress("tls", "192.0.2.53", 853, "ns0.example.net"),
        ),
        (
            "tls://[2001:db8::53]:8853#ns0.example.net",
            UpstreamAddress("tls", "2001:db8::53", 8853, "ns0.example.net"),
        ),
    ],
)
def test_an_upstream_url_is_read(text: str, address: UpstreamAddress) -> None:
    assert parse_upstream(text, HERE) == address


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.0.2.53", "must begin with tls://"),
        ("", "must begin with tls://"),
        ("quic://192.0.2.53", "must begin with tls://"),
        ("https://192.0.2.53/dns-query", "write tls:// instead"),
        ("tls://ns0.example.net", "must not need DNS to start. Write the address, and the name"),
        ("tls://ns0.example.net:853#ns0.example.net", "must not need DNS to start"),
        ("tls://", "must have an IP address"),
        ("tls://[]", "must have an IP address"),
        ("tls://2001:db8::53", "must have brackets"),
        ("tls://[2001:db8::53", "must have an IP address"),
        ("tls://192.0.2.53:0", "port from 1 to 65535"),
        ("tls://192.0.2.53:", "port from 1 to 65535"),
        ("tls://192.0.2.53/", "more than an address"),
        ("tls://user@192.0.2.53", "more than an address"),
        ("tls://192.0.2.53?x=1", "more than an address"),
        ("tls://192.0.2.53#", "is not a host name"),
        ("tls://192.0.2.53#a b", "is not a host name"),
        ("udp://192.0.2.53#ns0.example.net", "no certificate to verify"),
        ("udp://0.0.0.0", "no single resolver answers"),
        ("udp://[::]", "no single resolver answers"),
        ("udp://224.0.0.251", "no single resolver answers"),
        ("udp://255.255.255.255", "no single resolver answers"),
        ("udp://[fe80::1%a\nb]", "other characters"),
        ("tcp://[fe80::1]", 'write the interface after it: "tcp://[fe80::1%eth0]"'),
    ],
)
def test_an_upstream_url_that_cannot_be_asked_is_explained(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_upstream(text, HERE)
    assert hint in str(caught.value)


PIN = "7HIpactkIAq2Y49orFOOQKurWxmmSFZhBCoQYcRhJ3Y="


@pytest.mark.parametrize("form", ["", "sha256/", "sha256//"], ids=["bare", "RFC 7469", "curl"])
@pytest.mark.parametrize("pin", [PIN, f"//{PIN[2:]}"], ids=["a letter first", "a slash first"])
def test_a_pin_is_read_in_each_of_its_forms(form: str, pin: str) -> None:
    assert parse_pin(form + pin, HERE) == pin


@pytest.mark.parametrize("text", ["", "A" * 64, PIN[:-1], f"{PIN}=", f"/{PIN}", "nonsense!", f"{PIN}\n", "Ä" * 44])
def test_what_is_no_pin_is_explained(text: str) -> None:
    with pytest.raises(Unusable, match="base64, which has 44 characters"):
        parse_pin(text, HERE)


@pytest.mark.parametrize(
    "text",
    ["udp://192.0.2.53", "tcp://127.0.0.1:5353", "tls://[2001:db8::53]#ns0.example.net", "tls://[::1]:1"],
)
def test_an_upstream_url_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_upstream(text, HERE)) == text


@pytest.mark.parametrize("text", ["example.net", "a", "xn--bcher-kva.example", "_dns.example.net", "a" * 63])
def test_a_host_name_is_accepted(text: str) -> None:
    assert parse_host_name(text) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("bücher.example", "xn--"),
        ("", "is not a host name"),
        ("example.net.", "final dot"),
        ("example..net", "is not a host name"),
        ("-a.example", "is not a host name"),
        ("a-.example", "is not a host name"),
        ("example.net:443", "without port"),
        ("a" * 64, "is not a host name"),
        (".".join(["a" * 63] * 4), "is not a host name"),
        ("example.net\n", "is not a host name"),
    ],
)
def test_what_is_not_a_host_name_is_explained(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_host_name(text)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [("DoH.Example.net", "doh.example.net"), ("192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1")],
)
def test_the_service_may_be_known_by_name_or_address(text: str, name: str) -> None:
    assert parse_public_name(text, HERE) == name


def test_an_interface_has_no_place_in_a_public_name() -> None:
    with pytest.raises(Unusable):
        parse_public_name("fe80::1%eth0", HERE)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
    ],
)
def test_a_network_is_read(text: str, network: str) -> None:
    assert parse_network(text, HERE) == ip_network(network)
    assert parse_trusted(text, HERE) == ip_network(network)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("192.0.2.1/24", 'write "192.0.2.0/24"'),
        ("192.0.2.0/33", "is not a network"),
        ("192.0.2.0/255.255.255.0", "is not a network"),
        ("192.0.2.0/", "is not a network"),
        ("fe80::%eth0/10", "is not a network"),
        ("example.net", "is not a network"),
        ("", "is not a network"),
    ],
)
def test_what_is_not_a_network_is_explained(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_network(text, HERE)
    assert hint in str(caught.value)


def test_the_word_unix_stands_for_peers_on_sockets() -> None:
    assert parse_trusted("unix", HERE) == "unix"


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (["0.0.0.0/0"], True),
        (["::/0"], True),
        (["0.0.0.0/1", "128.0.0.0/1"], True),
        (["10.0.0.0/8", "::/1", "8000::/1"], True),
        (["0.0.0.0/1", "::/1"], False),
        ([], False),
    ],
    ids=[
        "all of IPv4",
        "all of IPv6",
        "all of IPv4 in halves",
        "all of IPv6 in halves",
        "half of each",
        "nothing",
    ],
)
def test_everybody_is_recognised_even_in_pieces(networks: list[str], *, expected: bool) -> None:
    assert cover_everything([ip_network(network) for network in networks]) is expected


@pytest.mark.parametrize("text", ["/", "/dns-query", "/a/b.c_d~e", "/@:!$&'()*+,;="])
def test_a_url_path_is_kept_as_it_is(text: str) -> None:
    assert parse_url_path(text, HERE) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("dns-query", 'begin with "/"'),
        ("", 'begin with "/"'),
        ("https://doh.example.net/dns-query", 'begin with "/"'),
        ("/dns-query{?dns}", "URI template"),
        ("/dns-query?dns=", "query or a fragment"),
        ("/dns-query#a", "query or a fragment"),
        ("/dns-query/", 'not end with "/"'),
        ("//", 'not end with "/"'),
        ("/a//b", "segment"),
        ("/a/../b", "segment"),
        ("/a b", "plain ASCII"),
        ("/a%20b", "plain ASCII"),
        ("/é", "plain ASCII"),
        ("/a\n", "plain ASCII"),
        ("/" + "a" * 255, "255"),
    ],
)
def test_a_url_path_clients_would_not_hit_is_explained(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_url_path(text, HERE)
    assert hint in str(caught.value)


@pytest.mark.parametrize("parse", [parse_path, parse_socket], ids=["file", "socket"])
def test_an_absolute_file_name_is_kept_and_a_relative_one_starts_from_the_directory(
    parse: Callable[[str, Path], Path],
) -> None:
    assert parse("/srv/key.pem", HERE) == Path("/srv/key.pem")
    assert parse("key.pem", HERE) == Path("/etc/dohproxy/key.pem")


@pytest.mark.parametrize(
    ("text", "domain"),
    [("home.arpa", "home.arpa"), ("LAN.", "lan"), ("168.192.in-addr.arpa", "168.192.in-addr.arpa"), ("test", "test")],
)
def test_a_domain_of_a_route_is_read(text: str, domain: str) -> None:
    assert parse_route_domain(text, HERE) == domain


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (".", "is every name there is"),
        ("", "is every name there is"),
        ("*.lan", 'write "lan"'),
        ("192.168.0.0/16", '"168.192.in-addr.arpa"'),
        ("localhost", "cannot be given to a resolver: localhost is this machine's name"),
        ("a.onion", "onion belongs to Tor"),
        ("_dns.resolver.arpa", "resolver.arpa is about this service itself"),
        ("in valid", "is not a host name"),
        ("http://nas.lan", "is no domain"),
    ],
)
def test_what_cannot_be_routed_is_explained(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_route_domain(text, HERE)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "text", ["https://alerts.example.net/dohproxy", "http://127.0.0.1:8080/x?topic=a", "https://[2001:db8::1]/"]
)
def test_a_webhook_is_kept_as_it_is(text: str) -> None:
    assert parse_webhook(text, HERE) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("alerts.example.net", "write https:// and a host"),
        ("file:///etc/passwd", "write https:// and a host"),
        ("https://", "write https:// and a host"),
        ("https://host:0/", "write https:// and a host"),
        ("https://host:99999/", "write https:// and a host"),
        ("https://[::1/", "write https:// and a host"),
        ("https://user:secret@host/", "use a path that only you know"),
        ("https://host/#part", "leave it out"),
        ("https://host/a b", "write them as %XX"),
        ("https://host/é", "write them as %XX"),
        ("https://host/\n", "write them as %XX"),
    ],
)
def test_what_is_no_webhook_is_explained(text: str, hint: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse_webhook(text, HERE)
    assert hint in str(caught.value)


@pytest.mark.parametrize("text", ["", "a\0b"], ids=["empty", "NUL"])
def test_what_no_program_can_be_given_is_refused(text: str) -> None:
    assert parse_argument("$(rm) *", HERE) == "$(rm) *"
    with pytest.raises(Unusable):
        parse_argument(text, HERE)
