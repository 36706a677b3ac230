"""What the operator's page shows of the service: the same snapshot as `status`, put in order for people.

It has no address and no name that somebody asked for. Who is banned, which names are blocked and who asks most is shown
by the commands `bans`, `blocks` and `top`, which the page gives when somebody wants to see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from dohproxy.control.announce import plain as plain_announcement
from dohproxy.control.limit import held_limits
from dohproxy.control.limit import plain as plain_limit
from dohproxy.control.mode import sentence as mode_sentence
from dohproxy.control.service import Service
from dohproxy.control.status import troubles, what_is_there

WELL: Final = "well"
"""Nothing is wrong, and nothing is held by hand."""
MIND: Final = "mind"
"""Nothing is wrong, and there is something to know."""
BAD: Final = "bad"
_BREAKERS: Final = {
    "closed": "is asked",
    "half_open": "is tried again with one question",
    "open": "is left alone: it failed, and is tried again soon",
}


def view(service: Service, snapshot: Mapping[str, Any], now: float, wall: float) -> dict[str, Any]:
    """Return what is shown, ready for JSON; `now` is monotonic and `wall` the same in Unix seconds."""
    figures = snapshot["figures"]
    told = troubles(snapshot, service.alerts())
    by_hand = snapshot["by_hand"]
    return {
        "at": round(wall, 1),
        "state": state(told, by_hand, snapshot["alerts"]),
        "sentences": [as_sentence(one) for one in told or [what_is_there(snapshot)]],
        "more": more(by_hand, snapshot["reload"]["waiting"]),
        "alerts": snapshot["alerts"],
        "recent": [asdict(one) for one in service.recent_alerts()],
        "mode": snapshot["mode"] | {"sentence": mode_sentence(service.mode.now(now), now)},
        "upstreams": [upstream(one, figures) for one in snapshot["upstreams"]],
        "blocklists": [_blocklist(one, figures) for one in snapshot["blocklists"]],
        "bans": figures["dohproxy_bans"],
        "blocks": figures["dohproxy_blocks_by_hand"],
        "rules": [one for one in snapshot["rules"] if one["mode"] != "enforce"],
        "by_hand": by_hand,
        "limits": [plain_limit(one) | {"words": one.words} for one in held_limits(service)],
        "announcements": [plain_announcement(one) for one in service.announcements.current(wall)],
        "standing": standing(figures),
        "waiting": snapshot["reload"]["waiting"],
        "left_out": snapshot["left_out"],
        "version": next(iter(figures["dohproxy_build_info"])),
    }


def state(told: Sequence[str], by_hand: Sequence[Any], alerts: Sequence[str]) -> str:
    """Return how it is, in one word of three."""
    if told:
        return BAD
    return MIND if by_hand or alerts else WELL


def more(by_hand: Sequence[Any], waiting: Sequence[str]) -> str:
    """Return what else there is to know, "" if nothing."""
    parts = []
    if by_hand:
        parts.append("1 thing holds by hand" if len(by_hand) == 1 else f"{len(by_hand)} things hold by hand")
    if waiting:
        parts.append(f"a restart is waited for by {', '.join(waiting)}")
    return as_sentence("; ".join(parts)) if parts else ""


def as_sentence(words: str) -> str:
    """Return the words as a sentence of its own; the page says in a word before it how it is."""
    return f"{words[:1].upper()}{words[1:]}."


def upstream(one: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return one upstream's health in words and its budget in numbers."""
    name, is_paused = one["name"], one["paused_since"] is not None

    def of(figure: str) -> Any:
        return figures[f"dohproxy_upstream_{figure}"][name]

    share = of("budget_share")
    words = "is paused by hand: nothing is sent to it" if is_paused else _BREAKERS.get(one["breaker"], one["breaker"])
    if not is_paused and share < 1.0:
        words += f", with {share:.0%} of its budget for now, which grows as it answers"
    is_up = one["breaker"] == "closed" and share >= 1.0
    return {
        "name": name,
        "words": words,
        "state": MIND if is_paused or (one["breaker"] == "closed" and not is_up) else (WELL if is_up else BAD),
        "is_paused": is_paused,
        "left": of("budget_left"),
        "burst": of("budget_burst"),
        "per_second": of("budget_per_second"),
        "in_flight": of("in_flight"),
        "max_in_flight": of("max_in_flight"),
        "connections": of("connections"),
        "max_connections": of("max_connections"),
        "milliseconds": round((of("score_seconds") or 0.0) * 1_000, 1),
        "sends": sum(of("sends_total").values()),
    }


def _blocklist(one: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    name = one["name"]
    return {
        "name": name,
        "problem": one["problem"],
        "names": figures["dohproxy_blocklist_names"][name],
        "hits": figures["dohproxy_blocklist_hits_total"][name],
    }


def standing(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return how members fare beside strangers."""
    return {
        "slots": figures["dohproxy_slots_held"],
        "max_slots": figures["dohproxy_max_slots"],
        "member_questions": figures["dohproxy_member_questions_total"],
        "member_failures": figures["dohproxy_member_failures_total"],
    }
