"""A rule is tried, enforced and turned off under a running service, as an operator does it."""

from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests.e2e.answers import A
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.proxy import ProxySettings, Sections, running_proxy
from tests.e2e.test_commands import OnDuty
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

BURST = 10
RULES = """
[rules]
client_limit = "shadow"

[[blocklist]]
name = "ads"
names = ["ads.example.com"]
mode = "shadow"
"""


@pytest.fixture
def duty(authority: CertificateAuthority, tmp_path: Path) -> Iterator[OnDuty]:
    """A service with a limit of ten requests that is only tried, in front of an upstream that answers everything."""
    asked: list[bytes] = []

    def answer(packet: bytes) -> bytes:
        asked.append(packet)
        return make_reply(packet)

    sections: Sections = {
        "admin": {"socket": str(tmp_path / "a.sock")},
        "clients": {"member_networks": ["192.0.2.0/24"]},
        "limits": {"requests_per_second": 0.1, "requests_burst": BURST, "exempt_networks": []},
    }
    with answering(answer) as port:
        settings = ProxySettings(
            (f"udp://127.0.0.1:{port}",), authority, authority.issue(["localhost", "127.0.0.1"]), sections
        )
        with running_proxy(tmp_path, settings, RULES) as proxy:
            yield OnDuty(proxy, tmp_path, asked)


def statuses(duty: OnDuty, times: int, name: str = "www.example.com") -> list[int]:
    """Ask so often over one connection; return what was said."""
    wire = dns.message.make_query(name, A, id=0).to_wire()
    with duty.proxy.client() as client:
        return [client.get(wire).status for _ in range(times)]


def test_a_rule_is_tried_looked_at_and_then_trusted(duty: OnDuty) -> None:
    assert statuses(duty, 25) == [200] * 25
    assert statuses(duty, 4, "ads.example.com") == [200] * 4
    code, said = duty.type("status")
    assert code == 0
    would = int(duty.proxy.metric("dohproxy_shadowed_total", {"rule": "client_limit"}))
    assert 10 <= would <= 29 - BURST  # A slow machine earns a token now and then.
    assert f"in shadow: rules.client_limit would have refused {would} requests since 20" in said
    assert "in shadow: blocklist.ads.mode would have decided otherwise about 4 questions since 20" in said
    assert duty.proxy.metric("dohproxy_blocklist_shadowed_total", {"blocklist": "ads"}) == 4
    assert duty.proxy.metric("dohproxy_limited_total", {"limit": "requests", "prefix": "client"}) == 0

    duty.rewrite('client_limit = "shadow"', 'client_limit = "enforce"')
    duty.rewrite('mode = "shadow"', 'mode = "enforce"')
    assert duty.type("reload")[0] == 0
    assert 429 in [statuses(duty, 1)[0] for _ in range(BURST + 5)]
    assert "in shadow" not in duty.type("status")[1]
    assert duty.proxy.metric("dohproxy_shadowed_total", {"rule": "client_limit"}) == would

    duty.rewrite('client_limit = "enforce"', 'client_limit = "off"')
    assert duty.type("reload")[0] == 0
    assert statuses(duty, 25) == [200] * 25
    assert "off: rules.client_limit, since 20" in duty.type("status")[1]


def test_the_mode_for_members_is_tried_before_it_is_entered(duty: OnDuty) -> None:
    code, said = duty.type("mode", "members", "--for", "10m", "--shadow")
    assert (code, "whom `mode members` would turn away" in said) == (0, True)
    assert statuses(duty, 3) == [200] * 3
    assert "in shadow: mode members would have refused 3 requests since 20" in duty.type("status")[1]
    _, told = duty.type("explain", "www.example.com", "--client", "127.0.0.1")
    assert "but mode members is shadow, so that is only counted" in told
    assert duty.type("mode", "members")[0] == 0
    assert statuses(duty, 1) == [403]
    assert duty.proxy.metric("dohproxy_shadowed_total", {"rule": "members_only"}) == 3


def test_a_rule_that_does_not_exist_changes_nothing_and_is_told_by_its_key(duty: OnDuty) -> None:
    duty.rewrite('client_limit = "shadow"', 'client_limits = "shadow"')
    code, said = duty.type("reload")
    assert code != 0
    assert "rules.client_limits" in said
    assert "client_limit" in said
    assert statuses(duty, 25) == [200] * 25
