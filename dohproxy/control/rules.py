"""What the rules that are only tried would have done, in words; and which are off."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from dohproxy.control.blocks import counted
from dohproxy.jobs.blocklist_watch import BlocklistStatistics
from dohproxy.policy.rule_switches import Rule, RuleSwitches, key_of

_WOULD_HAVE: Final[Mapping[Rule, tuple[str, str]]] = {
    Rule.CLIENT_LIMIT: ("refused", "request"),
    Rule.MISS_LIMIT: ("refused", "miss"),
    Rule.DOMAIN_LIMIT: ("refused", "miss"),
    Rule.SERVICE_LIMIT: ("refused", "miss"),
    Rule.TOO_MANY_PER_CLIENT: ("closed", "connection"),
    Rule.CLIENT_RATE: ("closed", "connection"),
    Rule.TOTAL_RATE: ("closed", "connection"),
    Rule.STRANGERS_RATE: ("closed", "connection"),
    Rule.UNDELEGATED: ("denied", "request"),
    Rule.PRIVATE_ADDRESSES: ("withheld", "answer"),
    Rule.LISTED_REACTION: ("turned away, or spared the upstreams,", "request"),
    Rule.LIST_STUB: ("refused", "request"),
    Rule.BANS: ("turned away", "connection or request"),
    Rule.MEMBERS_ONLY: ("refused", "request"),
}
"""What each does, to what."""
_PLURALS: Final = {"miss": "misses", "connection or request": "connections and requests"}


def rules_held(
    switches: RuleSwitches, blocklists: Sequence[BlocklistStatistics], now: float, wall: float
) -> list[dict[str, Any]]:
    """Return how all rules and lists are held, ready for JSON; `now` is monotonic and `wall` the same in Unix
    seconds."""
    found = [
        {
            "key": key_of(one.rule),
            "mode": one.mode,
            "since": wall - (now - one.since),
            "shadowed_since": one.shadowed_since,
            "would_have": _deed(one.rule, one.shadowed_since),
        }
        for one in switches.statistics()
    ]
    found += [
        {
            "key": f"blocklist.{one.name}.mode",
            "mode": one.mode,
            "since": one.since,
            "shadowed_since": one.shadowed_since,
            "would_have": f"decided otherwise about {counted(one.shadowed_since, 'question')}",
        }
        for one in blocklists
    ]
    return found


def _deed(rule: Rule, count: int) -> str:
    deed, what = _WOULD_HAVE[rule]
    return f"{deed} {count:,} {what if count == 1 else _PLURALS.get(what, what + 's')}"


def dialects_held(actions: Mapping[str, str], counts: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the same of dialects that are only counted; `counts`: requests of each, since the start."""
    return [
        {
            "key": f"dialects.{name}",
            "mode": "shadow",
            "since": None,
            "shadowed_since": int(counts.get(name, 0)),
            "would_have": f"refused {counted(int(counts.get(name, 0)), 'request')}",
        }
        for name, action in actions.items()
        if action == "count"
    ]


def lines(held: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each rule that does not act."""
    for one in held:
        moment = one["since"]
        at = "the start" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
        if one["mode"] == "shadow":
            yield f"in shadow: {one['key']} would have {one['would_have']} since {at}"
        elif one["mode"] == "off":
            yield f"off: {one['key']}, since {at}"
