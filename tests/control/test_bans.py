"""The person on duty keeps somebody out, lets somebody in, and sees who is out."""

import time
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import BansConfig, ClientsConfig
from dohproxy.config.addresses import Unusable
from dohproxy.control import bans as module
from dohproxy.control.bans import MOST_REASON, MOST_SHOWN, ban, list_bans, parse_network, parse_reason, unban
from dohproxy.control.command import Refused
from dohproxy.policy.ban_table import Ban, BanSource
from dohproxy.policy.bans import MOST_COMMANDS
from dohproxy.policy.prefixes import Prefix, parse_prefix
from tests.control.command_samples import FakeService
from tests.fakes.steps import turns_beside

MOST_BANS = BansConfig().max_bans


def service(**keys: Any) -> FakeService:
    found = FakeService()
    found.config = replace(found.config, clients=ClientsConfig(**keys))
    return found


def given(network: str, seconds: int | None = None, reason: str | None = None) -> dict[str, Any]:
    return {"network": parse_prefix(network), "for": seconds, "reason": reason}


def is_banned(one: FakeService, text: str) -> bool:
    return one.banned.is_banned(one.identities.client(ip_address(text).packed), time.monotonic())


async def test_somebody_is_kept_out_for_an_hour_and_listed() -> None:
    one = service()
    result = await ban(one, given("192.0.2.7", reason="scans us"))
    assert result.sentence == "192.0.2.7 is banned for 1 h; its open connections end now."
    assert is_banned(one, "192.0.2.7")
    listed = await list_bans(one, {})
    assert listed.sentence == "1 network is banned."
    assert list(listed.lines) == ["192.0.2.7: 1 h more, by command, scans us"]


async def test_for_as_long_as_it_is_said() -> None:
    one = service()
    result = await ban(one, given("2001:db8::1", 90))
    assert result.sentence.startswith("2001:db8::/64 is banned for 1 min 30 s;")
    [(_, _, held)] = one.banned.by_command()
    assert 88 < held.until - time.monotonic() <= 90


async def test_somebody_is_let_in_again() -> None:
    one = service()
    await ban(one, given("192.0.2.0/24"))
    result = await unban(one, given("192.0.2.7", 1_800))
    assert result.sentence == "192.0.2.7 is let in again. It is not banned by rule for 30 min."
    assert not is_banned(one, "192.0.2.7")
    assert is_banned(one, "192.0.2.8")
    listed = await list_bans(one, {})
    assert listed.sentence == "1 network is banned, and 1 let in by command."
    assert list(listed.lines) == [
        "192.0.2.0/24: 1 h more, by command",
        "192.0.2.7: let in, 30 min more, by command",
    ]


async def test_who_was_not_banned_is_let_in_all_the_same() -> None:
    one = service()
    result = await unban(one, given("192.0.2.7"))
    assert result.sentence.startswith("192.0.2.7 is let in; it was not banned, or not as a whole.")


@pytest.mark.parametrize("network", ["192.0.2.1", "127.0.0.0/24"], ids=["its address", "a part of its network"])
async def test_a_front_proxy_cannot_be_banned(network: str) -> None:
    one = service(
        address_from="x-forwarded-for", trusted_proxies=(ip_network("192.0.2.1/32"), ip_network("127.0.0.0/8"))
    )
    with pytest.raises(Refused, match="is a front proxy"):
        await ban(one, given(network))
    assert one.banned.by_command() == []


async def test_members_within_a_wide_network_are_spared_and_it_is_told() -> None:
    one = service(member_networks=(ip_network("192.0.2.0/25"),))
    result = await ban(one, given("192.0.2.0/24"))
    assert list(result.lines) == ["192.0.2.0/25 in it is a network of members or exempt, and is not banned"]
    result = await ban(one, given("192.0.2.7"))
    assert list(result.lines) == ["it is a network of members or exempt, and banned all the same, as you have named it"]
    assert [held.spares for _, _, held in one.banned.by_command()] == [True, False]


async def test_bans_by_rule_are_listed_with_reason_and_level() -> None:
    one = service()
    now = time.monotonic()
    one.banned.ban_by_rule(one.identities.client(ip_address("192.0.2.7").packed), 0, "client_limit", now)
    one.banned.ban_by_rule(one.identities.client(ip_address("192.0.2.9").packed), 0, "client_limit", now)
    await unban(one, given("192.0.2.8/31"))
    one.banned.restore_by_rule((1, 2), Ban(now + 30, "base64", 3, BanSource.RULE, None))
    listed = await list_bans(one, {})
    assert list(listed.lines)[1:] == [
        "192.0.2.7: 1 min more, by rule, level 1, client_limit",
        "a network from before the last restart: 30 s more, by rule, level 3, base64",
    ]
    assert listed.figures["bans"][1] == {
        "network": "192.0.2.7",
        "is_banned": True,
        "reason": "client_limit",
        "seconds_left": 60,
        "level": 1,
        "source": "rule",
    }


@pytest.mark.parametrize(("mode", "told"), [("shadow", "only counted"), ("off", "nobody is by rule")])
async def test_it_is_told_if_the_rule_does_not_hold(mode: Any, told: str) -> None:
    one = service()
    one.banned.adopt(BansConfig(mode=mode), 0.0)
    assert told in (await list_bans(one, {})).sentence


async def test_a_long_list_is_cut() -> None:
    one = service()
    for number in range(MOST_SHOWN + 10):
        client = one.identities.look_at(ip_address((10 << 24) + (number << 8)).packed)
        one.banned.ban_by_rule(client, 0, "client_limit", time.monotonic())
    listed = await list_bans(one, {})
    assert (listed.figures["count"], len(listed.lines)) == (MOST_SHOWN + 10, MOST_SHOWN)


async def test_others_have_their_turns_while_ten_thousand_are_looked_through() -> None:
    one = service()
    now = time.monotonic()
    for number in range(MOST_BANS):
        prefix = Prefix((number << 8).to_bytes(4), 24)
        one.banned.restore_by_rule((number, 1), Ban(now + 100 + number, "base64", 1, BanSource.RULE, prefix))
    listed, turns = await turns_beside(list_bans(one, {}))
    assert listed.figures["count"] == MOST_BANS
    assert [entry["network"] for entry in listed.figures["bans"][:2]] == ["0.39.15.0/24", "0.39.14.0/24"]
    assert turns > 3


async def test_no_more_commands_than_there_may_be() -> None:
    one = service()
    for number in range(MOST_COMMANDS):
        await ban(one, given(str(ip_address((10 << 24) + number))))
    for command in (ban, unban):
        with pytest.raises(Refused, match="there may be no more"):
            await command(one, given("192.0.2.7"))


def test_what_cannot_be_a_network_is_refused() -> None:
    with pytest.raises(Unusable, match="is no address and no network"):
        parse_network("printer", Path("/"))


@pytest.mark.parametrize("text", ["x" * (MOST_REASON + 1), "two\nlines"], ids=["long", "two lines"])
def test_a_reason_is_one_short_sentence(text: str) -> None:
    with pytest.raises(Unusable):
        parse_reason(text, Path("/"))


def test_neither_address_nor_reason_goes_into_the_audit_log() -> None:
    assert module.NETWORK.is_private
    assert module.REASON.is_private
