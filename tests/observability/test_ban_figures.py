"""The figures of bans, each beside its bound."""

from ipaddress import ip_address

from dohproxy.config import BansConfig
from dohproxy.observability.ban_figures import BAN_FIGURES, PENALTY_FIGURES
from dohproxy.outcomes import Reason
from dohproxy.policy.identity import Identities
from dohproxy.policy.penalties import Offence
from dohproxy.policy.prefixes import parse_prefix
from tests.fakes.samples import samples_of
from tests.fakes.walk import penalties


def test_what_is_counted_and_what_may_be() -> None:
    identities = Identities(bytes(32))
    kept = penalties(BansConfig(points=10, max_bans=20), identities.prefix_hashes)
    client = identities.client(ip_address("192.0.2.7").packed)
    kept.note(client, Offence.HTTP2_FAULT, 0.0)
    kept.charge(client, kept.of_outcomes[Reason.BASE64], 0.0)
    kept.bans.ban(parse_prefix("10.0.0.0/8"), 60.0, "", 0.0, spares=True)
    found = samples_of(BAN_FIGURES, kept.bans.statistics()) | samples_of(PENALTY_FIGURES, kept.statistics(0.0))
    assert found["dohproxy_bans", ("rule",)] == 1
    assert found["dohproxy_max_bans", ("rule",)] == 20
    assert found["dohproxy_bans", ("command",)] == 1
    assert found["dohproxy_max_bans", ("command",)] == 1_024
    assert found["dohproxy_bans_begun_total", ("client",)] == 1
    assert found["dohproxy_bans_displaced_total", ()] == 0
    assert found["dohproxy_bans_shadow_total", ()] == 0
    assert found["dohproxy_penalty_points_total", ("http2_fault",)] == 5
    assert found["dohproxy_penalty_points_total", ("base64",)] == 8
    assert found["dohproxy_penalty_points_total", ("nxdomain",)] == 0
    assert ("dohproxy_penalty_points_total", ("cached",)) not in found
    assert found["dohproxy_penalty_table_fill_ratio", ("site",)] == 0
