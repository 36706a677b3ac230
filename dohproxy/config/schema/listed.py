"""[listed]: what happens when a public list has found the service."""

from dataclasses import dataclass
from typing import Annotated, Literal

from dohproxy.config.keys import Choice, Integer


@dataclass(frozen=True, slots=True)
class ListedConfig:
    """What happens by itself when a public list has found the service, and what becomes of that list's stubs."""

    new_networks_per_minute: Annotated[
        int,
        Integer(
            1,
            100_000,
            "networks a minute",
            "Networks (an IPv4 /24, an IPv6 /56) not seen for a day, from which on it is looked at whether that is"
            " usual; over ten minutes a sixth of it. A list brought one association twenty a minute in 2019, and"
            " members bring a few a day.",
        ),
    ] = 12
    reaction: Annotated[
        Literal["members-first", "members", "nothing"],
        Choice(
            ("members-first", "members", "nothing"),
            "members-first: strangers are given answers up to cache.minimum_ttl_under_pressure_seconds old, and nothing"
            " is renewed for them; members notice nothing. members: only members and exempt networks are served, which"
            " needs clients.member_networks or clients.member_file. nothing: it is told. It lasts as long as the alert,"
            " and the command mode overrules it.",
        ),
    ] = "members-first"
    stubs: Annotated[
        Literal["serve", "turn-away"],
        Choice(
            ("serve", "turn-away"),
            "What becomes of stubs that ask whoever stands on a public list (User-Agent dnscrypt-proxy), at all times."
            " serve: their probes are answered from the cache. turn-away: 403, unless they are members; each then"
            " leaves this server out for some hours, at the price of two cheap requests.",
        ),
    ] = "serve"
