"""The command `status`: the state in one sentence, then figures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dohproxy.control.command import Result
from dohproxy.control.service import Service
from dohproxy.observability.upstream_alerts import Alert

MEBIBYTE = 1_048_576


async def status(service: Service, _: Mapping[str, Any]) -> Result:
    """Tell how the service is."""
    snapshot = service.snapshot()
    told = troubles(snapshot, service.alerts())
    return Result(sentence(snapshot, told), snapshot, list(_lines(snapshot)), is_well=not told)


def troubles(snapshot: Mapping[str, Any], alerts: Sequence[Alert]) -> list[str]:
    """Return what is not as it should be, each in words that continue a sentence."""
    paused = {one["name"] for one in snapshot["upstreams"] if one["is_paused"]}
    # Nothing is heard of those that are paused, and whoever paused them knows why.
    found = [alert.words for alert in alerts if not alert.is_harmless and alert.upstream not in paused]
    if paused and len(paused) == len(snapshot["upstreams"]):
        found.append("every upstream is paused")
    if not snapshot["reload"]["last_succeeded"]:
        found.append("the configuration file was refused when it was last read, and what held before still holds")
    return found


def sentence(snapshot: Mapping[str, Any], told: Sequence[str]) -> str:
    """Return the state in one sentence."""
    if told:
        return f"Not well: {'; '.join(told)}."
    upstreams, cache = snapshot["upstreams"], snapshot["cache"]
    entries = cache["positive_entries"] + cache["negative_entries"]
    count = sum(not one["is_paused"] for one in upstreams)
    asked = "1 upstream is" if count == 1 else f"{count} upstreams are"
    paused = "" if count == len(upstreams) else f", {len(upstreams) - count} paused"
    return f"All is well: {asked} asked{paused}, {entries:,} answers are in the cache."


def _lines(snapshot: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a person on duty looks at first."""
    for one in snapshot["upstreams"]:
        state = "paused" if one["is_paused"] else f"breaker {one['breaker']}"
        answered = one["sends"].get("answered", 0)
        yield (
            f"upstream {one['name']}: {state}, {answered:,} answered, {one['in_flight']} of"
            f" {one['most_in_flight']} in flight, {one['budget_left']:.0f} of {one['burst']} left of the burst,"
            f" {one['score_seconds'] * 1000:.0f} ms"
        )
    cache, limits = snapshot["cache"], snapshot["limits"]
    used = (cache["positive_bytes"] + cache["negative_bytes"]) / MEBIBYTE
    most = (cache["positive_max_bytes"] + cache["negative_max_bytes"]) / MEBIBYTE
    yield (
        f"cache: {cache['positive_entries']:,} answers, {cache['negative_entries']:,} denials,"
        f" {used:.1f} of {most:.0f} MiB, {cache['failures']:,} failures remembered"
    )
    limited = sum(width["limited"] for width in limits["requests"]["widths"])
    yield (
        f"clients: {limits['requests']['admitted']:,} requests admitted, {limited:,} refused,"
        f" {limits['slots_taken']} of {limits['slots']} places for misses taken"
    )
    for word in snapshot["left_out"]:
        yield f"left out: {word}"
    if snapshot["log"]["seconds_left"]:
        yield f"log: level {snapshot['log']['level']} for {snapshot['log']['seconds_left']} s more"
    if snapshot["reload"]["waiting"]:
        yield f"waiting for a restart: {', '.join(snapshot['reload']['waiting'])}"
