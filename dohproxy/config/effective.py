"""What holds, key by key, and where each value comes from: the file, a preset, a share of budgets, or the default."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dohproxy.config.presets import PRESETS
from dohproxy.config.schema import Config
from dohproxy.config.sections import BLOCKLIST, ROUTE, SECTIONS, UPSTREAM, Section
from dohproxy.config.shares import share_of

PRESET_KEYS: Final = ("queries_per_second", "burst", "in_flight", "new_connections_per_second")


@dataclass(frozen=True, slots=True)
class Effective:
    """One key."""

    path: str
    """As in the file: "limits.requests_burst", "upstream #2.url"."""
    value: Any
    """Ready for JSON."""
    origin: str
    """Where it comes from, in words: "line 12", "default"."""
    line: int | None = None
    """Of the file, if it stands there."""


def effective(config: Config, waiting: Sequence[str] = ()) -> list[Effective]:
    """Return every key of the sections that there are. `waiting` names those that keep until the next restart what the
    file said at the last."""
    found: list[Effective] = []
    for section in SECTIONS:
        for path, holder in _holders(config, section):
            found += _keys(config, section, path, holder, waiting)
    return found


def _holders(config: Config, section: Section) -> Iterator[tuple[str, Any]]:
    if section is UPSTREAM:
        yield from ((f"upstream #{number}", one) for number, one in enumerate(config.upstreams, start=1))
    elif section is ROUTE:
        yield from ((f"route #{number}", one) for number, one in enumerate(config.routes, start=1))
    elif section is BLOCKLIST:
        yield from ((f"blocklist #{number}", one) for number, one in enumerate(config.blocklists, start=1))
    elif getattr(config, section.name) is not None:
        yield section.name, getattr(config, section.name)


def _keys(config: Config, section: Section, path: str, holder: Any, waiting: Sequence[str]) -> Iterator[Effective]:
    # The dialects are one mapping, as their names are no names of Python's.
    values = getattr(holder, "actions", None)
    for name, declared in section.keys.items():
        value = values[name] if isinstance(values, Mapping) else getattr(holder, name)
        key, line = f"{path}.{name}", config.lines.get(f"{path}.{name}")
        if key in waiting or path in waiting:
            yield Effective(key, plain(value), "from the last start: the file says otherwise, until a restart")
        elif line is not None:
            yield Effective(key, plain(value), f"line {line}", line)
        else:
            yield Effective(key, plain(value), _unwritten(section, holder, name, value, declared.default))


def _unwritten(section: Section, holder: Any, name: str, value: Any, default: Any) -> str:
    """Return where the value of a key comes from that does not stand in the file."""
    if section is UPSTREAM and name in PRESET_KEYS and value == getattr(PRESETS[holder.preset], name):
        return f'preset "{holder.preset}"'
    share = share_of(section.name, name)
    if share is not None:
        return f"default: {share.words}"
    if value != default:
        return f"default {default}, held to what this process may have"
    return "default"


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return str(value)
