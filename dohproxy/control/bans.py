"""The commands `ban`, `unban` and `bans`: who is kept out, by whom, and for how long.

Addresses are shown here and in the ban log alone. The audit log says that somebody was banned, and not who.
"""

import time
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

from dohproxy.config import Config
from dohproxy.config.addresses import Unusable
from dohproxy.config.keys import Text
from dohproxy.control.command import Argument, Refused, Result
from dohproxy.control.durations import duration
from dohproxy.durations import in_words
from dohproxy.jobs.turns import Turns, in_turns
from dohproxy.policy.ban_table import Ban, BanSource, ending_last
from dohproxy.policy.bans import MOST_COMMANDS, Bans, TooManyCommands
from dohproxy.policy.prefixes import Prefix, parse_prefix, show_prefix

DEFAULT_SECONDS: Final = 3_600
"""An incident's length; what is undone by itself need not be remembered."""
MOST_SHOWN: Final = 1_000
"""Bans in one list."""
MOST_REASON: Final = 80
"""Characters of a reason: a sentence."""


def parse_network(text: str, _: Path) -> Prefix:
    """Read what is to be banned."""
    try:
        return parse_prefix(text)
    except ValueError as error:
        raise Unusable(str(error)) from None


def parse_reason(text: str, _: Path) -> str:
    """Read why."""
    if len(text) > MOST_REASON or not text.isprintable():
        raise Unusable(f"is longer than {MOST_REASON} characters, or not of letters alone; write a short sentence.")
    return text


NETWORK: Final = Argument(
    "network",
    Text(
        parse_network,
        "an address or network",
        "192.0.2.0/24",
        "192.0.2.1, or 2001:db8::1 for the /64 of its host; or a network, 192.0.2.0/24.",
    ),
    is_required=True,
    is_private=True,
)
FOR: Final = Argument("for", duration("How long: 90s, 30m, 12h, 7d; an hour if it is not said."), is_option=True)
REASON: Final = Argument(
    "reason",
    Text(parse_reason, "a sentence", "scans us", "Why, for whoever looks at the list; gone with a restart."),
    is_option=True,
    is_private=True,
)


class HasBans(Protocol):
    """A service that keeps somebody out."""

    config: Config

    def bans(self) -> Bans:
        """Return all bans."""


async def ban(service: HasBans, values: Mapping[str, Any]) -> Result:
    """Keep a network out."""
    prefix, seconds = values["network"], float(values["for"] or DEFAULT_SECONDS)
    config, shown = service.config, show_prefix(prefix)
    if _lies_in(prefix, config.clients.trusted_networks):
        raise Refused(
            f"{shown} is a front proxy (clients.trusted_proxies): to ban it would ban all who come through it."
            " Ban the address of whom you mean, as your front proxy tells it."
        )
    own = (*config.clients.member_networks, *config.limits.exempt_networks)
    spares = not _lies_in(prefix, own)
    try:
        service.bans().ban(prefix, seconds, values["reason"] or "", time.monotonic(), spares=spares)
    except TooManyCommands:
        raise Refused(_TOO_MANY) from None
    sentence = f"{shown} is banned for {in_words(seconds)}; its open connections end now."
    spared = [network for network in own if spares and _prefix(network).lies_in(prefix)]
    lines = [f"{network} in it is a network of members or exempt, and is not banned" for network in spared]
    if not spares:
        lines.append("it is a network of members or exempt, and banned all the same, as you have named it")
    return Result(sentence, {"network": shown, "seconds": seconds}, lines)


async def unban(service: HasBans, values: Mapping[str, Any]) -> Result:
    """Let a network in."""
    prefix, seconds = values["network"], float(values["for"] or DEFAULT_SECONDS)
    shown = show_prefix(prefix)
    try:
        was_banned = service.bans().unban(prefix, seconds, time.monotonic())
    except TooManyCommands:
        raise Refused(_TOO_MANY) from None
    before = "let in again" if was_banned else "let in; it was not banned, or not as a whole"
    return Result(
        f"{shown} is {before}. It is not banned by rule for {in_words(seconds)}.",
        {"network": shown, "seconds": seconds, "was_banned": was_banned},
    )


async def list_bans(service: HasBans, _: Mapping[str, Any]) -> Result:
    """Tell who is kept out."""
    bans, now, turns = service.bans(), time.monotonic(), Turns()
    ruled = (("", ban) for _, ban in bans.by_rule())
    commands = [(f"a network of {bits} bits", ban) for _, (_, bits), ban in bans.by_command()]
    last, held, letting_in = await in_turns(ending_last(chain(ruled, commands), MOST_SHOWN, now))
    told, lines = [], []
    for what, ban in last:
        await turns.give_way()
        if not _is_overruled(bans, ban, now):
            told.append(_tell(ban, what, now))
            lines.append(_line(told[-1]))
    figures = {"count": held, "mode": bans.mode, "bans": told}
    return Result(_sentence(bans, held - letting_in, letting_in), figures, lines)


def _is_overruled(bans: Bans, ban: Ban, now: float) -> bool:
    """Tell whether a ban by rule does not hold, as its network is let in by command."""
    return ban.source is BanSource.RULE and ban.prefix is not None and bans.lets_in(ban.prefix, now)


def _sentence(bans: Bans, count: int, let_in: int) -> str:
    banned = {0: "Nobody is banned", 1: "1 network is banned"}.get(count, f"{count:,} networks are banned")
    also = f", and {let_in:,} let in by command" if let_in else ""
    tried = {
        "enforce": "",
        "shadow": "; those by rule are only counted (bans.mode is shadow)",
        "off": "; nobody is by rule (bans.mode is off)",
    }[bans.mode]
    return f"{banned}{also}{tried}."


def _tell(ban: Ban, what: str, now: float) -> dict[str, Any]:
    before = f"{what or 'a network'} from before the last restart"
    return {
        "network": before if ban.prefix is None else show_prefix(ban.prefix),
        "is_banned": not ban.lets_in,
        "reason": ban.reason,
        "seconds_left": round(ban.until - now),
        "level": ban.level,
        "source": ban.source.value,
    }


def _line(one: Mapping[str, Any]) -> str:
    what = "" if one["is_banned"] else "let in, "
    why = f", {one['reason']}" if one["reason"] else ""
    level = f", level {one['level']}" if one["level"] else ""
    return f"{one['network']}: {what}{in_words(one['seconds_left'])} more, by {one['source']}{level}{why}"


def _lies_in(prefix: Prefix, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(prefix.lies_in(_prefix(network)) for network in networks)


def _prefix(network: IPv4Network | IPv6Network) -> Prefix:
    return Prefix(network.network_address.packed, network.prefixlen)


_TOO_MANY: Final = (
    f"{MOST_COMMANDS} networks are banned or let in by command, and there may be no more: take some back, or write a"
    " wider network, or use a packet filter."
)
