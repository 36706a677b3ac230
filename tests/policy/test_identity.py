from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.policy import identity
from dohproxy.policy.identity import MAXIMUM_NETWORKS, MEMO_CLIENTS, Identities, Networks, unmapped

SECRET = b"secret of tests!"


def packed(text: str) -> bytes:
    return ip_address(text).packed


def hashes(text: str, secret: bytes = SECRET) -> tuple[tuple[int, int], ...]:
    return Identities(secret).client(packed(text)).hashes


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("192.0.2.1", "192.0.2.1", [True, True]),
        ("192.0.2.1", "192.0.2.2", [False, True]),
        ("192.0.2.1", "192.0.3.1", [False, False]),
        ("2001:db8::1", "2001:db8::ffff:1", [True, True, True]),
        ("2001:db8::1", "2001:db8:0:1::1", [False, True, True]),
        ("2001:db8::1", "2001:db8:0:100::1", [False, False, True]),
        ("2001:db8::1", "2001:db8:1::1", [False, False, False]),
    ],
    ids=["same address", "same /24", "other /24", "same /64", "same /56", "same /48", "other /48"],
)
def test_addresses_share_the_hashes_of_the_prefixes_they_share(one: str, other: str, shared: list[bool]) -> None:
    assert [a == b for a, b in zip(hashes(one), hashes(other), strict=True)] == shared


def test_no_two_prefixes_of_any_width_or_family_share_a_hash() -> None:
    clients = ["0.0.0.0", "::", "192.0.2.0", "c000:200::"]  # noqa: S104 - an address, nothing is bound
    pairs = [pair for text in clients for pair in hashes(text)]
    pairs += Identities(SECRET).client(b"").hashes
    halves = [half for pair in pairs for half in pair]
    assert len(set(halves)) == len(halves) == 2 * (2 + 3 + 2 + 3 + 1)
    assert all(0 <= half < 2**56 for half in halves)


def test_the_secret_decides_the_hashes() -> None:
    assert hashes("192.0.2.1") != hashes("192.0.2.1", b"another secret!!")


def test_an_ipv4_mapped_address_is_the_ipv4_client() -> None:
    identities = Identities(SECRET, exempt=(ip_network("192.0.2.0/24"),))
    mapped = identities.client(IPv6Address("::ffff:192.0.2.1").packed)
    assert mapped == identities.client(packed("192.0.2.1"))
    assert mapped.exempt


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2002:c000:201::1", "2002:c000:201:ffff::5"),
        ("2002:c000:201::1", "192.0.2.1"),
        # Of 192.0.2.45 behind port 40000, by two servers (RFC 4380 section 4), and of the same behind another port.
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:5ef5:79fd:0:63bf:3fff:fdd2"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:4136:e378:8000:1234:3fff:fdd2"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
    ],
    ids=["6to4 and itself", "6to4 and its owner", "Teredo servers", "Teredo ports", "Teredo and its owner"],
)
def test_a_tunnel_shares_the_limits_of_the_ipv4_address_that_it_comes_from(one: str, other: str) -> None:
    assert hashes(one) == hashes(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2002:c000:201::1", "2002:c000:301::1"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:4136:e378:8000:63bf:3fff:fed2"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "63.255.253.210"),
        ("2001:1:c000:201::1", "192.0.2.1"),
    ],
)
def test_tunnels_of_others_share_nothing(one: str, other: str) -> None:
    assert not set(hashes(one)) & set(hashes(other))


@pytest.mark.parametrize("text", ["2002:c000:201::1", "2001:0:4136:e378:8000:63bf:3fff:fdfe"])
def test_nobody_is_exempt_or_a_member_by_way_of_a_tunnel(text: str) -> None:
    network = (ip_network("192.0.2.0/24"),)
    client = Identities(SECRET, exempt=network, members=network).client(packed(text))
    assert (client.exempt, client.member, client.address) == (False, False, packed(text))


@pytest.mark.parametrize("text", ["64:ff9b::192.0.2.1", "2002:c000:201::1", "::192.0.2.1"])
def test_other_addresses_that_carry_ipv4_are_left_alone(text: str) -> None:
    assert unmapped(packed(text)) == packed(text)
    assert Identities(SECRET).client(packed(text)).address == packed(text)


def test_members_are_known_by_their_network() -> None:
    identities = Identities(SECRET, members=(ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/48")))
    members = [identities.client(packed(text)).member for text in ("192.0.2.7", "192.0.3.7", "2001:db8:1::7", "::7")]
    assert members == [True, False, True, False]


def test_a_peer_without_address_has_one_hash_pair_and_is_not_exempt() -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    nobody = Identities(SECRET, everything).client(b"")
    assert (nobody.address, len(nobody.hashes), nobody.exempt) == (b"", 1, False)


@pytest.mark.parametrize("length", [1, 3, 5, 15, 17], ids=str)
def test_bytes_that_are_no_address_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="4 or 16 bytes"):
        Identities(SECRET).client(bytes(length))


@pytest.mark.parametrize("secret", [b"", bytes(15), bytes(65)], ids=["empty", "short", "long"])
def test_a_secret_of_the_wrong_length_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="secret"):
        Identities(secret)


def test_a_recent_client_is_remembered_not_made_again() -> None:
    identities = Identities(SECRET)
    assert identities.client(packed("192.0.2.1")) is identities.client(packed("192.0.2.1"))


def test_the_memo_forgets_the_client_unused_for_longest_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MEMO_CLIENTS == 4096
    monkeypatch.setattr(identity, "MEMO_CLIENTS", 2)
    identities = Identities(SECRET)
    one, two, three = (packed(f"192.0.2.{host}") for host in (1, 2, 3))
    first, second = identities.client(one), identities.client(two)
    assert identities.client(one) is first
    identities.client(three)
    assert identities.client(one) is first
    assert identities.client(two) is not second


NETWORKS = [
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "192.0.2.128/25",
        "198.51.100.7/32",
        "2001:db8::/32",
        "fd00::1/128",
        "::ffff:203.0.113.0/120",
    )
]


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("192.0.2.127", False),
        ("192.0.2.128", True),
        ("198.51.100.7", True),
        ("198.51.100.6", False),
        ("203.0.113.9", True),
        ("203.0.114.9", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::", False),
        ("fd00::1", True),
        ("fd00::2", False),
        ("a00::", False),
    ],
)
def test_an_address_is_in_the_networks_that_hold_it(text: str, inside: bool) -> None:
    assert (packed(text) in Networks(NETWORKS)) is inside


@settings(deadline=None)
@given(address=st.ip_addresses().map(lambda address: address.packed))
def test_membership_agrees_with_ipaddress(address: bytes) -> None:
    text = ip_address(unmapped(address))
    plain = [network for network in NETWORKS if network.prefixlen != 120]
    expected = any(text in network for network in plain)
    assert (unmapped(address) in Networks(plain)) is expected


def test_no_network_holds_anything() -> None:
    assert packed("192.0.2.1") not in Networks([])
    assert b"" not in Networks([ip_network("0.0.0.0/0")])


def test_a_whole_family_can_be_one_network() -> None:
    assert packed("192.0.2.1") in Networks([ip_network("0.0.0.0/0")])
    assert packed("2001:db8::1") not in Networks([ip_network("0.0.0.0/0")])


def test_too_many_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="networks"):
        Networks(ip_network((index << 8, 24)) for index in range(MAXIMUM_NETWORKS + 1))


def test_who_is_not_remembered_is_noted_and_who_is_forgotten_is_noted_again() -> None:
    noted: list[bytes] = []
    identities = Identities(SECRET, note=lambda client: noted.append(client.address))
    one, two = packed("192.0.2.1"), packed("2001:db8::1")
    for address in (one, two, one, one):
        identities.client(address)
    assert noted == [one, two]
    identities.look_at(one)
    assert noted == [one, two]
    identities.forget()
    identities.client(one)
    assert noted == [one, two, one]


class TestMembers:
    def test_who_has_shown_a_token_has_limits_of_his_own_wherever_he_is(self) -> None:
        identities = Identities(SECRET)
        here, there = (identities.client(packed(text)) for text in ("192.0.2.1", "2001:db8::1"))
        members = [identities.member(client, b"t" * 32) for client in (here, there)]
        assert [one.member for one in members] == [True, True]
        assert members[0].hashes == members[1].hashes
        assert len(members[0].hashes) == 1
        assert members[0].hashes[0] not in (*here.hashes, *there.hashes)
        assert [(one.address, one.path) for one in members] == [(one.address, one.path) for one in (here, there)]

    def test_two_tokens_at_one_address_are_two_members(self) -> None:
        identities = Identities(SECRET)
        client = identities.client(packed("192.0.2.1"))
        assert identities.member(client, b"t" * 32).hashes != identities.member(client, b"u" * 32).hashes
        assert not client.member

    def test_an_exempt_client_stays_exempt(self) -> None:
        identities = Identities(SECRET, (ip_network("192.0.2.0/24"),))
        assert identities.member(identities.client(packed("192.0.2.1")), b"t" * 32).exempt

    def test_members_are_remembered_among_the_others_and_no_more_of_them(self) -> None:
        identities = Identities(SECRET)
        client = identities.client(packed("192.0.2.1"))
        assert identities.member(client, b"t" * 32) is identities.member(client, b"t" * 32)
        for number in range(2 * MEMO_CLIENTS):
            identities.member(client, number.to_bytes(32))
        assert len(identities._memo) == MEMO_CLIENTS
