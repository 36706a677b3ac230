"""Stamps byte for byte: the vectors of draft-denis-dns-stamps-02, right and wrong, of public lists, and our own."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.doh.stamp import PARTS, BadStamp, Part, Properties, Protocol, Stamp, refusal
from dohproxy.doh.stamp_codec import MAX_CHARACTERS, SCHEME, decode, decode_route, encode
from tests.fakes.go_dnsstamps import fault_seen_by_go_dnsstamps

DNSSEC, NO_LOGS, NO_FILTER = Properties.DNSSEC, Properties.NO_LOGS, Properties.NO_FILTER
ALL = DNSSEC | NO_LOGS | NO_FILTER
H = bytes.fromhex("c3846bf24b9e93ca64274c0ec67c1ecc5e024ffcacd2d74019350e81fe546ae4")
X3 = bytes.fromhex("3e1a1a0f6c53f3e97a492d57084b5b9807059ee057ab1505876fd83fda3db838")
BOOTSTRAP = ("198.51.100.1", "203.0.113.1")


def doh(
    properties: Properties,
    address: str,
    hashes: tuple[bytes, ...],
    host: str,
    *bootstrap: str,
    path: str = "/dns-query",
) -> Stamp:
    return Stamp(Protocol.DOH, properties, address, hashes=hashes, host=host, path=path, bootstrap=bootstrap)


VECTORS = [
    pytest.param("sdns://AAEAAAAAAAAACjE5Mi4wLjIuNTM", Stamp(Protocol.PLAIN, DNSSEC, "192.0.2.53"), id="plain DNS"),
    pytest.param(
        "sdns://AAcAAAAAAAAADDguOC44Ljg6ODA1Mw", Stamp(Protocol.PLAIN, ALL, "8.8.8.8:8053"), id="plain DNS with a port"
    ),
    pytest.param(
        "sdns://AQcAAAAAAAAACTEyNy4wLjAuMSDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5BkyLmRuc2NyeXB0LWNlcnQubG9jYWxob3N0",
        Stamp(Protocol.DNSCRYPT, ALL, "127.0.0.1", public_key=H, provider="2.dnscrypt-cert.localhost"),
        id="DNSCrypt",
    ),
    pytest.param(
        "sdns://AgcAAAAAAAAACTEyNy4wLjAuMSDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5AtleGFtcGxlLmNvbQovZG5zLXF1ZXJ5",
        doh(ALL, "127.0.0.1", (H,), "example.com"),
        id="DoH with an address and one hash",
    ),
    pytest.param(
        "sdns://AgYAAAAAAAAACDkuOS45LjEwABJkbnM5LnF1YWQ5Lm5ldDo0NDMKL2Rucy1xdWVyeQ",
        doh(NO_LOGS | NO_FILTER, "9.9.9.10", (), "dns9.quad9.net:443"),
        id="DoH without hash, a port with the host",
    ),
    pytest.param(
        "sdns://AgcAAAAAAAAAEFsyMDAxOjhiMDo6MjAyMl0ADWRucy5hYS5uZXQudWsKL2Rucy1xdWVyeQ",
        doh(ALL, "[2001:8b0::2022]", (), "dns.aa.net.uk"),
        id="DoH over IPv6",
    ),
    pytest.param(
        "sdns://AgEAAAAAAAAACTEyNy4wLjAuMSA-GhoPbFPz6XpJLVcIS1uYBwWe4FerFQWHb9g_2j24OA9kb2guZXhhbXBsZS5jb20KL2Rucy1xdWVyeQ",
        doh(DNSSEC, "127.0.0.1", (X3,), "doh.example.com"),
        id="DoH promising DNSSEC alone",
    ),
    pytest.param(
        "sdns://AgcAAAAAAAAADjE4NS4yMTYuMjcuMTQyID4aGg9sU_PpekktVwhLW5gHBZ7gV6sVBYdv2D_aPbg4CmRvaC40MmwuZnIKL2Rucy1xdWVyeQ",
        doh(ALL, "185.216.27.142", (X3,), "doh.42l.fr"),
        id="the stamp of 2019",
    ),
    pytest.param(
        "sdns://AgAAAAAAAAAAAKARERERERERERERERERERERERERERERERERERERERERESAiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIg9k"
        "bnMuZXhhbXBsZS5jb20KL2Rucy1xdWVyeQ",
        doh(Properties(0), "", (32 * b"\x11", 32 * b"\x22"), "dns.example.com"),
        id="DoH without address, two hashes, nothing promised",
    ),
    pytest.param(
        "sdns://AgcAAAAAAAAAAAAPZG5zLmV4YW1wbGUuY29tCi9kbnMtcXVlcnmMMTk4LjUxLjEwMC4xCzIwMy4wLjExMy4x",
        doh(ALL, "", (), "dns.example.com", *BOOTSTRAP),
        id="DoH with bootstrap resolvers",
    ),
    pytest.param(
        "sdns://AgMAAAAAAAAADVsyMDAxOmRiODo6MV0gqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqoUZG5zLmV4YW1wbGUuY29tOjg0NDMK"
        "L2Rucy1xdWVyeQ",
        doh(DNSSEC | NO_LOGS, "[2001:db8::1]", (32 * b"\xaa",), "dns.example.com:8443"),
        id="DoH on another port",
    ),
    pytest.param(
        "sdns://AwcAAAAAAAAACTEyNy4wLjAuMSDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5A9kbnMuZXhhbXBsZS5jb20",
        Stamp(Protocol.DOT, ALL, "127.0.0.1", hashes=(H,), host="dns.example.com"),
        id="DoT",
    ),
    pytest.param(
        "sdns://AwYAAAAAAAAACTE5Mi4wLjIuMQATZG90LmV4YW1wbGUuY29tOjg1M4wxOTguNTEuMTAwLjELMjAzLjAuMTEzLjE",
        Stamp(Protocol.DOT, NO_LOGS | NO_FILTER, "192.0.2.1", host="dot.example.com:853", bootstrap=BOOTSTRAP),
        id="DoT with bootstrap resolvers",
    ),
    pytest.param(
        "sdns://BAcAAAAAAAAACTEyNy4wLjAuMSDDhGvyS56TymQnTA7GfB7MXgJP_KzS10AZNQ6B_lRq5A9kbnMuZXhhbXBsZS5jb20",
        Stamp(Protocol.DOQ, ALL, "127.0.0.1", hashes=(H,), host="dns.example.com"),
        id="DoQ",
    ),
    pytest.param(
        "sdns://BQcAAAAAAAAAEG9kb2guZXhhbXBsZS5jb20HL3RhcmdldA",
        Stamp(Protocol.ODOH_TARGET, ALL, host="odoh.example.com", path="/target"),
        id="Oblivious DoH target",
    ),
    pytest.param(
        "sdns://hQcAAAAAAAAABVs6OjFdIMOEa_JLnpPKZCdMDsZ8HsxeAk_8rNLXQBk1DoH-VGrkEWRvaC5leGFtcGxlLmNvbToxBi9yZWxheQ",
        Stamp(Protocol.ODOH_RELAY, ALL, "[::1]", hashes=(H,), host="doh.example.com:1", path="/relay"),
        id="Oblivious DoH relay",
    ),
    pytest.param(
        "sdns://gRIyMTIuNDcuMjI4LjEzNjo0NDM", Stamp(Protocol.DNSCRYPT_RELAY, address="212.47.228.136:443"), id="relay"
    ),
]


@pytest.mark.parametrize(("uri", "stamp"), VECTORS)
def test_a_known_stamp_is_read_and_written(uri: str, stamp: Stamp) -> None:
    assert decode(uri) == stamp
    assert decode_route(uri) == (stamp,)
    assert encode(stamp) == uri


OUTDATED = [
    pytest.param(
        "sdns://AgMAAAAAAAAAElsyMDAxOmRiODo6MV06ODQ0MyCqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqhRkbnMuZXhhbXBsZS5jb206"
        "ODQ0MwovZG5zLXF1ZXJ5",
        doh(DNSSEC | NO_LOGS, "[2001:db8::1]:8443", (32 * b"\xaa",), "dns.example.com:8443"),
        id="DoH, the port with address and host",
    ),
    pytest.param(
        "sdns://hQcAAAAAAAAAB1s6OjFdOjEgw4Rr8kuek8pkJ0wOxnwezF4CT_ys0tdAGTUOgf5UauQPZG9oLmV4YW1wbGUuY29tBi9yZWxheQ",
        Stamp(Protocol.ODOH_RELAY, ALL, "[::1]:1", hashes=(H,), host="doh.example.com", path="/relay"),
        id="Oblivious DoH relay, as earlier releases of go-dnsstamps wrote it",
    ),
]


@pytest.mark.parametrize(("uri", "stamp"), OUTDATED)
def test_what_only_earlier_clients_read_is_read_and_never_written(uri: str, stamp: Stamp) -> None:
    assert decode(uri) == stamp
    with pytest.raises(BadStamp, match="its address names a port, which belongs to the host"):
        encode(stamp)


def uri_of(payload: bytes) -> str:
    return SCHEME + base64.urlsafe_b64encode(payload).decode().rstrip("=")


PLAIN = b"\x00" + bytes(8) + b"\x0a192.0.2.53"
DOH_HEAD = b"\x02" + bytes(8) + b"\x00"
DOH_TAIL = b"\x01h\x01/"


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        pytest.param(
            "sdns://AAEAAAAAAAAADlsyMDAxOmRiODo6MV0",
            "ends within its address",
            id="TV1 of the draft: a length too long",
        ),
        pytest.param(
            "sdns://AgIAAAAAAAAAAAAAD2Rucy5leGFtcGxlLmNvbQovZG5zLXF1ZXJ5",
            "The host is empty",
            id="Example 3 of the draft: a byte too many before the host",
        ),
        pytest.param(
            "sdns://AgAAAAAAAAAAACCRERERERERERERERERERERERERERERERERERERERERESAiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi"
            "D2Rucy5leGFtcGxlLmNvbQovZG5zLXF1ZXJ5",
            "ends within its path",
            id="TV2 of the draft: a set of hashes that does not say that it goes on",
        ),
        pytest.param(
            "sdns://AwYAAAAAAAAACTE5Mi4wLjIuMQAPZG90LmV4YW1wbGUuY29tCwwxOTguNTEuMTAwLjELMjAzLjAuMTEzLjE",
            "bootstrap address is no IP address|goes on for",
            id="TV3 of the draft: wrong lengths of the bootstrap resolvers",
        ),
        pytest.param("", "does not begin with", id="nothing"),
        pytest.param("https://doh.example.net/dns-query", "does not begin with", id="a URL"),
        pytest.param("SDNS://AAEAAAAAAAAACjE5Mi4wLjIuNTM", "does not begin with", id="another case"),
        pytest.param("sdns://", "is empty", id="no payload"),
        pytest.param("sdns://AAEAAAAAAAAACjE5Mi4wLjIuNTM=", "characters other than", id="padding"),
        pytest.param("sdns://AAEAAAAAAAAACjE5Mi4wLjIuNTM\n", "characters other than", id="a line end"),
        pytest.param("sdns://A+EAAAAAAAAACjE5Mi4wLjIuNTM", "characters other than", id="the other alphabet"),
        pytest.param("sdns://AAEAAAAAAAAACjE5Mi4wLjIuNT", "bits of no byte", id="a character cut off"),
        pytest.param("sdns://AAEAAAAAAAAACjE5Mi4wLjIuN", "length that base64 cannot have", id="two characters cut off"),
        pytest.param("sdns://AAEAAAAAAAAACjE5Mi4wLjIuNTN", "bits of no byte", id="trailing bits"),
        pytest.param(uri_of(b"\x06" + PLAIN[1:]), "protocol 0x06 is unknown", id="an unknown protocol"),
        pytest.param(uri_of(b"\x00" + bytes(7)), "ends within its properties", id="properties cut off"),
        pytest.param(uri_of(b"\x00" + bytes(8)), "ends within its address", id="no address at all"),
        pytest.param(uri_of(PLAIN + b"\x00"), "goes on for 1 bytes", id="a byte too many"),
        pytest.param(uri_of(DOH_HEAD + b"\x1f" + bytes(31) + DOH_TAIL), "31 bytes instead of 32", id="a short hash"),
        pytest.param(uri_of(DOH_HEAD + b"\x80\x00" + DOH_TAIL), "0 bytes instead of 32", id="empty hashes"),
        pytest.param(uri_of(DOH_HEAD + b"\x80"), "ends within its hashes", id="a set that does not end"),
        pytest.param(uri_of(DOH_HEAD + b"\x00\x00\x01/"), "The host is empty", id="an empty host"),
        pytest.param(uri_of(DOH_HEAD + b"\x00\x01h\x00"), "does not begin with", id="an empty path"),
        pytest.param(uri_of(DOH_HEAD + b"\x00\x01h\x01p"), "does not begin with", id="a path without slash"),
        pytest.param(uri_of(DOH_HEAD + b"\x00\x02h\xc3\x01/"), "visible ASCII", id="a byte outside ASCII"),
        pytest.param(uri_of(DOH_HEAD + b"\x00" + DOH_TAIL + b"\x00\x00"), "goes on for", id="bytes after the set"),
        pytest.param(uri_of(b"\x01" + bytes(8) + b"\x079.9.9.9\x00\x01p"), "0 bytes instead of 32", id="no public key"),
        pytest.param(SCHEME + "A" * MAX_CHARACTERS, "longer than", id="a text without end"),
        pytest.param("sdns://gRIyMTIuNDcuMjI4LjEzNjo0NDM/", "is empty", id="a relay to nowhere"),
    ],
)
def test_what_is_no_stamp_is_told_why(uri: str, sentence: str) -> None:
    with pytest.raises(BadStamp, match=sentence):
        decode_route(uri)
    with pytest.raises(BadStamp):
        decode(uri)


def test_an_explicit_empty_set_of_bootstrap_resolvers_is_one() -> None:
    assert decode(uri_of(DOH_HEAD + b"\x00" + DOH_TAIL + b"\x00")).bootstrap == ()


# --- Through a relay ---

DNSCRYPT = Stamp(Protocol.DNSCRYPT, address="192.0.2.1", public_key=H, provider="2.dnscrypt-cert.example.net")
RELAY = Stamp(Protocol.DNSCRYPT_RELAY, address="192.0.2.2")
TARGET = Stamp(Protocol.ODOH_TARGET, host="odoh.example.net", path="/dns-query")
ODOH_RELAY = Stamp(Protocol.ODOH_RELAY, host="relay.example.net", path="/proxy")


@pytest.mark.parametrize(("relay", "server"), [(RELAY, DNSCRYPT), (ODOH_RELAY, TARGET)], ids=["DNSCrypt", "ODoH"])
def test_relay_and_server_are_joined(relay: Stamp, server: Stamp) -> None:
    joined = encode(server, relay=relay)
    assert joined == f"{encode(relay)}/{encode(server).removeprefix(SCHEME)}"
    assert decode_route(joined) == (relay, server)
    with pytest.raises(BadStamp, match="characters other than"):
        decode(joined)


@pytest.mark.parametrize(
    ("relay", "server", "sentence"),
    [
        pytest.param(DNSCRYPT, RELAY, "must be a relay's; this one is for DNSCrypt", id="the wrong way round"),
        pytest.param(RELAY, TARGET, "DNSCrypt relay cannot lead to a server for Oblivious DoH target", id="mixed"),
        pytest.param(RELAY, RELAY, "cannot lead to a server for DNSCrypt relay", id="two relays"),
    ],
)
def test_a_relay_leads_only_to_its_own_kind(relay: Stamp, server: Stamp, sentence: str) -> None:
    with pytest.raises(BadStamp, match=sentence):
        encode(server, relay=relay)
    with pytest.raises(BadStamp, match=sentence):
        decode_route(f"{encode(relay)}/{encode(server).removeprefix(SCHEME)}")


def test_three_stamps_are_no_route() -> None:
    with pytest.raises(BadStamp, match="characters other than"):
        decode_route(f"{encode(DNSCRYPT, relay=RELAY)}/{encode(DNSCRYPT).removeprefix(SCHEME)}")


# --- Whatever can be said ---

ports = st.integers(1, 65_535).map(lambda port: f":{port}")
literals = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(lambda address: f"[{address}]"))
addresses = st.builds("".join, st.tuples(literals, st.just("") | ports))
labels = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
hosts = st.builds("".join, st.tuples(st.lists(labels, min_size=1, max_size=5).map(".".join), st.just("") | ports))
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=200)


@st.composite
def stamps(draw: st.DrawFn) -> Stamp:
    """Any stamp that can exist."""
    protocol = draw(st.sampled_from(Protocol))
    parts = PARTS[protocol]
    place = literals | st.just("") if Part.HOST in parts else addresses
    values: dict[Part, st.SearchStrategy[Any]] = {
        Part.PROPERTIES: st.integers(0, 2**64 - 1).map(Properties),
        Part.ADDRESS: place,
        Part.PUBLIC_KEY: st.binary(min_size=32, max_size=32),
        Part.PROVIDER: words.filter(bool),
        Part.HASHES: st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple),
        Part.HOST: hosts,
        Part.PATH: words.map(lambda word: f"/{word}"),
        Part.BOOTSTRAP: st.lists(addresses, max_size=3).map(tuple),
    }
    return Stamp(protocol, **{str(part): draw(values[part]) for part in parts})


@given(stamps())
def test_what_is_written_is_read(stamp: Stamp) -> None:
    assert decode(encode(stamp)) == stamp


# Of DNSCrypt it refuses what is shorter than any that there is, with a provider's name of one letter.
@given(stamps().filter(lambda stamp: bool(stamp.host)))
def test_what_is_written_is_read_by_the_newest_library(stamp: Stamp) -> None:
    assert fault_seen_by_go_dnsstamps(bytes_of(encode(stamp))) == ""


@given(addresses | ports | st.just(""), hosts)
def test_what_is_refused_by_the_newest_library_is_never_written(address: str, host: str) -> None:
    stamp = doh(Properties(0), address, (H,), host)
    payload = b"".join([b"\x02", bytes(8), *map(counted, [address.encode(), H, host.encode(), stamp.path.encode()])])
    assert decode(uri_of(payload)) == stamp
    assert bool(refusal(stamp)) is bool(fault_seen_by_go_dnsstamps(payload))


def counted(value: bytes) -> bytes:
    """Return bytes behind their count."""
    return bytes([len(value)]) + value


def bytes_of(uri: str) -> bytes:
    """Return what a text encodes."""
    text = uri.removeprefix(SCHEME)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read(uri: str) -> Stamp | str:
    """Return the stamp, or why it is none."""
    try:
        return decode(uri)
    except BadStamp as error:
        return str(error)


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused_in_a_sentence(payload: bytes) -> None:
    uri = uri_of(payload)
    found = read(uri)
    if isinstance(found, str):
        assert found.endswith(".")
    else:
        # One text for each stamp, but for an empty set that may be written or left out.
        assert refusal(found) or encode(found) in {uri, uri_of(payload.removesuffix(b"\0"))}


@given(stamps(), st.data())
def test_a_damaged_stamp_is_read_or_refused_in_a_sentence(stamp: Stamp, data: st.DataObject) -> None:
    uri = encode(stamp)
    at = data.draw(st.integers(0, len(uri) - 1))
    found = read(uri[:at] + data.draw(st.characters()) + uri[at + 1 :])
    assert isinstance(found, Stamp) or found.endswith(".")
