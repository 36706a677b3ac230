"""Where a client stands at the bounds that all share."""

from dohproxy.policy.seniority import SLOT_BYTES, Seniority
from dohproxy.policy.standing import Standing, Standings
from tests.fakes.walk import CLIENT, MEMBER, NEIGHBOUR, client_of

NOW = 1_000_000.0
HOUR = 3_600.0


def test_members_and_exempt_clients_stand_before_the_settled_and_these_before_strangers() -> None:
    seniority = Seniority(memoryview(bytearray(1_024 * SLOT_BYTES)))
    standings = Standings(seniority)
    exempt = client_of(b"\xc0\x00\x02\x09", (21, 22), (23, 24), exempt=True)
    for instant in (NOW - 2 * HOUR, NOW):
        seniority.meet(CLIENT.prefixes, instant)
    found = [standings.of(client, NOW) for client in (MEMBER, exempt, CLIENT, NEIGHBOUR)]
    assert found == [Standing.MEMBER, Standing.MEMBER, Standing.SETTLED, Standing.STRANGER]
    assert found == sorted(found)


def test_to_ask_where_a_client_stands_makes_nobody_senior() -> None:
    standings = Standings(Seniority(memoryview(bytearray(1_024 * SLOT_BYTES))))
    standings.of(CLIENT, NOW - 2 * HOUR)
    assert standings.of(CLIENT, NOW) is Standing.STRANGER
