"""The command `status`: the state in one sentence, then figures."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dohproxy.control import nodes, rules
from dohproxy.control.blocks import counted
from dohproxy.control.command import Result
from dohproxy.control.service import Service
from dohproxy.observability.upstream_alerts import Alert
from dohproxy.policy.mode import Source

MEBIBYTE = 1_048_576


async def status(service: Service, _: Mapping[str, Any]) -> Result:
    """Tell how the service is."""
    snapshot = await service.snapshot()
    told = troubles(snapshot, service.alerts())
    return Result(sentence(snapshot, told), snapshot, list(lines(snapshot)), is_well=not told)


def troubles(snapshot: Mapping[str, Any], alerts: Sequence[Alert]) -> list[str]:
    """Return what is not as it should be, each in words that continue a sentence."""
    figures = snapshot["figures"]
    paused = {name for name, is_paused in figures["dohproxy_upstream_paused"].items() if is_paused}
    # Nothing is heard of those that are paused, and whoever paused them knows why.
    found = [alert.words for alert in alerts if not alert.is_harmless and alert.upstream not in paused]
    if paused and len(paused) == len(figures["dohproxy_upstream_paused"]):
        found.append("every upstream is paused")
    found += [
        f"the blocklist {one['name']} is not in use as it lies on the disk, since its file {one['problem']}"
        for one in snapshot["blocklists"]
        if one["problem"]
    ]
    if not figures["dohproxy_last_reload_success"]:
        found.append("the configuration file was refused when it was last read, and what held before still holds")
    if not figures.get("dohproxy_member_file_last_read_success", 1):
        found.append("the file of members is refused, and who was a member before still is")
    return found


def sentence(snapshot: Mapping[str, Any], told: Sequence[str]) -> str:
    """Return the state in one sentence."""
    return f"Not well: {'; '.join(told)}." if told else f"All is well: {what_is_there(snapshot)}."


def what_is_there(snapshot: Mapping[str, Any]) -> str:
    """Return what continues the sentence of a service that is well."""
    paused = list(snapshot["figures"]["dohproxy_upstream_paused"].values())
    entries = snapshot["figures"]["dohproxy_cache_entries"]
    count = sum(not is_paused for is_paused in paused)
    asked = "1 upstream is" if count == 1 else f"{count} upstreams are"
    rest = "" if count == len(paused) else f", {len(paused) - count} paused"
    return f"{asked} asked{rest}, {entries['positive'] + entries['negative']:,} answers are in the cache"


def lines(snapshot: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a person on duty looks at first."""
    figures = snapshot["figures"]
    for one in snapshot["upstreams"]:
        yield _upstream(one, figures)
    entries = figures["dohproxy_cache_entries"]
    used = sum(figures["dohproxy_cache_bytes"].values()) / MEBIBYTE
    most = sum(figures["dohproxy_cache_max_bytes"].values()) / MEBIBYTE
    yield (
        f"cache: {entries['positive']:,} answers, {entries['negative']:,} denials,"
        f" {used:.1f} of {most:.0f} MiB, {entries['failure']:,} failures remembered"
    )
    yield (
        f"clients: {figures['dohproxy_limit_admitted_total']['requests']:,} requests admitted,"
        f" {sum(figures['dohproxy_limited_total']['requests'].values()):,} refused,"
        f" {figures['dohproxy_miss_slots_taken']} of {figures['dohproxy_miss_slots']} places for misses taken"
    )
    for name, names in figures.get("dohproxy_blocklist_names", {}).items():
        hits = figures["dohproxy_blocklist_hits_total"][name]
        yield f"blocklist {name}: {counted(names, 'name')}, {counted(hits, 'hit')}"
    yield from _networks(figures)
    yield from nodes.lines(snapshot.get("nodes", ()))
    mode = snapshot["mode"]
    if mode["source"] == Source.LISTED:
        yield f"mode: {mode['mode']}, by {mode['source']}"
    bans = figures["dohproxy_bans"]
    if any(bans.values()):
        yield f"bans: {bans['rule']:,} by rule, {bans['command']:,} by command; `bans` lists them"
    yield from _kernel(figures)
    for word in snapshot["left_out"]:
        yield f"left out: {word}"
    yield from rules.lines(snapshot["rules"])
    for one in snapshot["by_hand"]:
        yield f"by hand: {one['words']}"
    if snapshot["reload"]["waiting"]:
        yield f"waiting for a restart: {', '.join(snapshot['reload']['waiting'])}"


def _networks(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many networks have asked here, and at all nodes where there are several."""
    networks = figures["dohproxy_networks"]
    yield f"networks: {networks['hour']:.0f} asked within an hour, {networks['day']:.0f} since the day began"
    if "dohproxy_all_networks_hour" in figures:
        hour, day = figures["dohproxy_all_networks_hour"], figures["dohproxy_all_networks_day"]
        yield f"networks at all nodes: {hour:.0f} asked within an hour, {day:.0f} today"


def _kernel(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield whether the kernel is told of bans, where it is to be."""
    is_connected = figures.get("dohproxy_kernel_bans_connected")
    if is_connected:
        yield f"kernel: dohproxy-nft is connected, and {counted(figures['dohproxy_kernel_bans'], 'network')} dropped"
    elif is_connected is not None:
        yield "kernel: dohproxy-nft is not connected, and the kernel is told of no ban; `systemctl status dohproxy-nft`"


def _upstream(one: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    name, since = one["name"], one["paused_since"]

    def of(figure: str) -> Any:
        return figures[f"dohproxy_upstream_{figure}"][name]

    state = f"breaker {one['breaker']}"
    if since is not None:
        state = f"paused by hand since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"upstream {name}: {state}, {of('sends_total').get('answered', 0):,} answered, {of('in_flight')} of"
        f" {of('max_in_flight')} in flight, {of('budget_left'):.0f} of {of('budget_burst')} left of the burst,"
        f" {of('score_seconds') * 1000:.0f} ms"
    )
