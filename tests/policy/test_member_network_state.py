"""Where members have come from, handed over: by hashes, and to those who are members still."""

import json
from typing import Any

import pytest

from dohproxy.outcomes import Client
from dohproxy.policy.identity import Identities
from dohproxy.policy.member_network_state import KEY, MOST_KEPT, export_member_networks, restore_member_networks
from dohproxy.policy.member_networks import MemberNetworks
from dohproxy.saved import Interruption, Saved

NOW, LATER = 1_000.0, 5.0
HOUR = 3_600.0
IDENTITIES = Identities(bytes(16))
TOKEN, CERTIFICATE, GONE = b"t" * 32, b"c" * 32, b"g" * 32


def client(number: int) -> Client:
    return IDENTITIES.look_at(number.to_bytes(4))


def exported(*noted: tuple[int, bytes]) -> Saved:
    networks = MemberNetworks(HOUR)
    for number, digest in noted:
        networks.note(client(number), digest, NOW)
    saved: Saved = json.loads(json.dumps(export_member_networks(networks, frozenset({TOKEN, GONE}), NOW + 60)))
    return saved


def restored(saved: Saved, passed: float = 0.0) -> MemberNetworks:
    """Restore on a clock on which it was saved `passed` seconds ago."""
    networks = MemberNetworks(HOUR)
    restore_member_networks(
        networks, saved, lambda digest, is_token: digest == TOKEN or not is_token, Interruption(LATER - passed), LATER
    )
    return networks


def test_an_address_counts_for_as_long_as_it_would_have() -> None:
    saved = exported((1, TOKEN))
    assert restored(saved).knows(client(1), LATER + HOUR - 61)
    assert not restored(saved).knows(client(1), LATER + HOUR - 60)
    assert not restored(saved, passed=HOUR).knows(client(1), LATER)
    assert restored(saved).around(LATER) == frozenset(client(1).prefixes[:3])


def test_whoever_is_no_member_any_more_is_left_out() -> None:
    found = restored(exported((1, TOKEN), (2, GONE), (3, CERTIFICATE)))
    assert [found.knows(client(number), LATER) for number in (1, 2, 3)] == [True, False, True]


def test_no_more_is_handed_over_than_is_taken_at_once() -> None:
    saved = exported(*((number, number.to_bytes(32)) for number in range(MOST_KEPT + 10)))
    assert len(saved[KEY]) == MOST_KEPT


ONE = exported((1, TOKEN))[KEY][0]


UNFIT: tuple[Any, ...] = (
    7,
    {},
    ONE | {"digest": 7},
    ONE | {"digest": "xy"},
    ONE | {"digest": "00" * 65},
    ONE | {"left": -1.0},
    ONE | {"hashes": []},
    ONE | {"hashes": [1]},
    ONE | {"hashes": [1, -1]},
    ONE | {"hashes": [1, 1 << 56]},
    ONE | {"hashes": [1] * 8},
)


@pytest.mark.parametrize("saved", [{}, {KEY: 7}, *({KEY: [one]} for one in UNFIT)])
def test_what_is_unfit_is_left_out(saved: Saved) -> None:
    assert len(restored(saved)) == 0
