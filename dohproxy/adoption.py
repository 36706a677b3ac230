"""What another configuration changes: key by key, and which of it has to wait for a restart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final

from dohproxy.config import Config

FROM_START: Final = (
    "server.workers",
    "server.state_directory",
    "clients.member_ca_file",
    "limits.table_slots",
    "bans.kernel_socket",
    "cache.max_megabytes",
    "cache.negative_share_percent",
    "cache.snapshot_file",
    "metrics.listen",
    "metrics.pages_per_second",
    "admin.socket",
    "admin.listen",
    "nodes.store",
    "nodes.key_file",
    "nodes.name",
    "nodes.expected",
    "nodes.prefix",
    "nodes.user",
    "nodes.password_file",
    "nodes.ca_file",
    "log.format",
)
"""Keys that hold from the start of the process to its end: sizes of tables, where state is kept, the listeners of
metrics and admin, what is shared with other nodes and how, and how a line of the log is written. And the authorities of
members' certificates: none can be taken away from a TLS context, and that of the listeners is never replaced
(`jobs/certificate_watch.py`)."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done with another configuration."""

    config: Config
    """What will hold: the other one, but for the keys that have to wait."""
    changed: tuple[str, ...]
    """Keys that change, by their paths."""
    waiting: tuple[str, ...]
    """Keys that differ and will only after a restart."""


def compare(now: Config, wanted: Config, besides: Sequence[str] = ()) -> Changes:
    """Return what `wanted` changes of the configuration that holds now; `besides` are keys that wait for a restart of
    this process, and of others do not."""
    held, waiting = wanted, []
    for path in (*FROM_START, *besides):
        section, _, key = path.partition(".")
        before, after = getattr(now, section), getattr(wanted, section)
        if before is None or after is None:
            if before is not after and section not in waiting:
                waiting.append(section)
                held = replace(held, **{section: before})
        elif getattr(before, key) != getattr(after, key):
            waiting.append(path)
            kept = replace(getattr(held, section), **{key: getattr(before, key)})
            held = replace(held, **{section: kept})
    if (now.tls is None) is not (wanted.tls is None):
        waiting.append("tls")
        held = replace(held, tls=now.tls)
    return Changes(held, tuple(sorted(_differences(now, held))), tuple(sorted(waiting)))


def values_of(config: Config) -> dict[str, Any]:
    """Return each key's value by its path: `limits.waiting_misses`, `upstream.NAME.url`, `route.DOMAIN.upstreams`,
    `blocklist.NAME.file`."""
    found: dict[str, Any] = {}
    for upstream in config.upstreams:
        found |= _values(f"upstream.{upstream.name}", upstream)
    for route in config.routes:
        found |= _values(f"route.{route.domains[0]}", route)
    for blocklist in config.blocklists:
        found |= _values(f"blocklist.{blocklist.name}", blocklist)
    for section in fields(config):
        value = getattr(config, section.name)
        if is_dataclass(value):
            found |= _values(section.name, value)
    return found


def _values(prefix: str, section: Any) -> Mapping[str, Any]:
    return {f"{prefix}.{key.name}": getattr(section, key.name) for key in fields(section)}


def _differences(now: Config, then: Config) -> Iterator[str]:
    before, after = values_of(now), values_of(then)
    absent = object()
    for path in before.keys() | after.keys():
        if before.get(path, absent) != after.get(path, absent):
            yield path
