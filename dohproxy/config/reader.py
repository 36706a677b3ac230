"""TOML text into a `Config`, or every reason why not.

A key that cannot be used is reported and stands aside, the rest is read on: whoever repairs a file wants the
whole list at once. Rules about several keys are then asked, save those that touch a key already reported.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dohproxy.config.addresses import Unusable
from dohproxy.config.keys import Key, TextList, find_nearest, name_type, show, show_key
from dohproxy.config.lines import lines_of
from dohproxy.config.presets import PRESETS
from dohproxy.config.problems import ConfigError, Problem, located
from dohproxy.config.rules import check_rules, check_upstreams
from dohproxy.config.schema import MAX_BLOCKLISTS, MAX_ROUTES, MAX_UPSTREAMS, Config, Source, UpstreamConfig
from dohproxy.config.sections import BLOCKLIST, ROUTE, SECTIONS, UPSTREAM, DeclaredKey, Section
from dohproxy.config.shares import shared_defaults

EXAMPLE_UPSTREAM: Final = '[[upstream]] name = "ns0" url = "tls://192.0.2.53#ns0.example.net"'

EXAMPLE_ROUTE: Final = '[[route]] domains = ["home.arpa"] upstreams = ["home"]'
EXAMPLE_BLOCKLIST: Final = '[[blocklist]] name = "own" names = ["ads.example.net"]'

_SEVERAL: Final = (ROUTE, BLOCKLIST)
"""Sections of which there can be none or several, beside the upstreams; then how many, and what to do instead."""
_ROUTES: Final = (MAX_ROUTES, f"{MAX_ROUTES} are enough, each with several domains.", EXAMPLE_ROUTE)
_BLOCKLISTS: Final = (
    MAX_BLOCKLISTS,
    f"{MAX_BLOCKLISTS} are enough; join files that have the same reason.",
    EXAMPLE_BLOCKLIST,
)

_PRESET_KEYS: Final = ("queries_per_second", "burst", "in_flight", "new_connections_per_second")


def read(text: str, *, directory: Path) -> Config:
    """Read a configuration from TOML; relative file names in it start from `directory`.

    Raises `ConfigError` with every problem found, and nothing else. No file is opened.
    """
    # Some editors put a mark before everything that they save as UTF-8; it says nothing.
    text = text.removeprefix("\ufeff")
    document = _parse_toml(text)
    return read_document(Source(document, directory), lines_of(text))


def read_document(source: Source, lines: Mapping[str, int]) -> Config:
    """Read a configuration from TOML that is parsed already; `lines` says where its keys stand.

    Raises `ConfigError` as `read` does.
    """
    parsed = _Reading(source)
    config = parsed.read_document(source.document, lines)
    problems = (*parsed.problems, *check_rules(config, tuple(parsed.problems)))
    if problems:
        raise ConfigError(located(problems, lines))
    return config


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((_explain_syntax(text, str(error)),)) from None
    except (ValueError, RecursionError):
        # What tomllib lets through from Python: a number of thousands of digits, lists nested without end.
        sentence = "holds a number too long or lists nested too deeply to be read as TOML."
        raise ConfigError((Problem("the configuration", sentence),)) from None


def _explain_syntax(text: str, message: str) -> Problem:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    line = int(found[1]) if found else text.count("\n") + 1
    reason = re.sub(r" \(at [^()]*\)$", "", message)
    place = f"line {line}, column {found[2]}" if found else f"line {line} (the end)"
    lines = text.split("\n")
    written = lines[line - 1].strip() if line <= len(lines) else ""
    return Problem(
        place,
        f"is not TOML ({_cut(reason)}): {show(written)}."
        ' Sections look like [server], keys like path = "/dns-query", with text in quotes.',
    )


class _Reading:
    """One pass over a document, gathering problems on the way."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.directory = source.directory
        self.problems: list[Problem] = []

    def read_document(self, document: Mapping[str, object], lines: Mapping[str, int]) -> Config:
        """Read all sections; where one cannot be used its defaults stand in, so that the rest is judged."""
        parts: dict[str, Any] = {"lines": lines, "source": self.source}
        general: tuple[UpstreamConfig, ...] = ()
        for section in SECTIONS:
            if section is UPSTREAM:
                routed = _routed(document.get("route"))
                parts["upstreams"] = self._read_upstreams(document.get(section.name, []), routed)
                general = tuple(one for one in parts["upstreams"] if one.name not in routed)
            elif section in _SEVERAL:
                parts[f"{section.name}s"] = self._read_several(section, document)
            elif section.name in document:
                parts[section.name] = self._read_section(section, document[section.name], general)
            elif not section.is_optional:
                parts[section.name] = section.build(shared_defaults(section.name, {}, general))
        known = {section.name for section in SECTIONS}
        for name in document:
            if name not in known:
                self._report_unknown_section(name)
        return Config(**parts)

    def _read_section(self, section: Section, table: object, upstreams: Sequence[UpstreamConfig]) -> object | None:
        if not isinstance(table, dict):
            self._report(section.name, f"must be a section: write {section.header()} once, on its own line.")
            table = {}
        values = self._read_table(section, section.name, table)
        values |= shared_defaults(section.name, values, upstreams)
        is_complete = all(name in values for name, key in section.keys.items() if key.is_required)
        return section.build(values) if is_complete else None

    def _read_upstreams(self, tables: object, routed: Mapping[str, int]) -> tuple[UpstreamConfig, ...]:
        if isinstance(tables, dict):
            self._report("upstream", "must have two brackets, as there can be several: [[upstream]].")
            tables = [tables]
        if not isinstance(tables, list) or not tables:
            self._report("upstream", f"is missing: there is no resolver to ask. Write: {EXAMPLE_UPSTREAM}")
            return ()
        if len(tables) > MAX_UPSTREAMS:
            self._report("upstream", f"stands {len(tables)} times, {MAX_UPSTREAMS} are enough for anyone.")
        read_tables = [self._read_upstream(number, table) for number, table in enumerate(tables, start=1)]
        self.problems.extend(check_upstreams(read_tables, routed))
        return tuple(UpstreamConfig(**values) for values in read_tables if values.keys() >= {"name", "url"})

    def _read_upstream(self, number: int, table: object) -> dict[str, Any]:
        path = f"upstream #{number}"
        if not isinstance(table, dict):
            self._report(path, f"must be a section, not {name_type(table)}. Write: {EXAMPLE_UPSTREAM}")
            return {}
        values = self._read_table(UPSTREAM, path, table)
        preset = PRESETS[str(values.get("preset", "associative"))]
        return {name: getattr(preset, name) for name in _PRESET_KEYS} | values

    def _read_several(self, section: Section, document: Mapping[str, object]) -> tuple[Any, ...]:
        """Read the sections of one name, of which there can be none or several."""
        most, advice, example = _ROUTES if section is ROUTE else _BLOCKLISTS
        name, tables = section.name, document.get(section.name, [])
        if isinstance(tables, dict):
            self._report(name, f"must have two brackets, as there can be several: {section.header()}.")
            tables = [tables]
        if not isinstance(tables, list):
            self._report(name, f"must be sections, not {name_type(tables)}. Write: {example}")
            return ()
        if len(tables) > most:
            self._report(name, f"stands {len(tables)} times; {advice}")
        found = []
        for number, table in enumerate(tables, start=1):
            if not isinstance(table, dict):
                self._report(f"{name} #{number}", f"must be a section, not {name_type(table)}. Write: {example}")
                continue
            values = self._read_table(section, f"{name} #{number}", table)
            if all(key in values for key, declared in section.keys.items() if declared.is_required):
                found.append(section.build(values))
        return tuple(found)

    def _read_table(self, section: Section, path: str, table: Mapping[str, object]) -> dict[str, Any]:
        """Read the keys of one section; the result holds those that are present and usable."""
        for name in table:
            if name not in section.keys:
                self._report_unknown_key(section, path, name)
        values: dict[str, Any] = {}
        for name, declared in section.keys.items():
            if name in table:
                self._read_key(declared, f"{path}.{name}", table[name], values)
            elif declared.is_required:
                self._report(f"{path}.{name}", f"is missing. Write: {declared.example_line()}")
        return values

    def _read_key(self, declared: DeclaredKey, path: str, value: object, values: dict[str, Any]) -> None:
        before = len(self.problems)
        read_value = self._read_value(declared, declared.key, path, value)
        if len(self.problems) == before:
            values[declared.name] = read_value

    def _read_value(self, declared: DeclaredKey, key: Key, path: str, value: object) -> object:
        if isinstance(key, TextList):
            return self._read_list(declared, key, path, value)
        try:
            return key.read(value, self.directory)
        except Unusable as error:
            self._report(path, f"{error} For example: {declared.example_line()}")
            return None

    def _read_list(self, declared: DeclaredKey, key: TextList, path: str, value: object) -> object:
        example = f"For example: {declared.example_line()}"
        if not isinstance(value, list):
            self._report(path, f"must be a list in brackets, not {name_type(value)}. {example}")
            return ()
        if not key.minimum <= len(value) <= key.maximum:
            self._report(path, f"has {len(value)} items, not {key.minimum} to {key.maximum}. {example}")
            return ()
        return tuple(
            self._read_value(declared, key.item, f"{path} #{number}", item)
            for number, item in enumerate(value, start=1)
        )

    def _report_unknown_key(self, section: Section, path: str, name: str) -> None:
        homes = [other.header() for other in SECTIONS if name in other.keys]
        nearest = find_nearest(name, tuple(section.keys))
        own = next((other.header() for other in SECTIONS if name == other.name), None)
        if own is not None:
            advice = f"it is a section of its own; write {own}."
        elif homes:
            advice = f"it belongs to {' or '.join(homes)}."
        elif nearest is not None:
            advice = f"did you mean {nearest}? For example: {section.keys[nearest].example_line()}"
        else:
            advice = f"remove it; there are {', '.join(section.keys)}."
        self._report(f"{path}.{show_key(name)}", f"is not a key of {section.header()}: {advice}")

    def _report_unknown_section(self, name: str) -> None:
        homes = [other.header() for other in SECTIONS if name in other.keys]
        nearest = find_nearest(name, tuple(section.name for section in SECTIONS))
        headers = {section.name: section.header() for section in SECTIONS}
        singular = name.removesuffix("s")
        if singular in headers:
            advice = f"did you mean {headers[singular]}?"
        elif homes:
            advice = f"it is a key of {' or '.join(homes)}, to be written under that line."
        elif nearest is not None:
            advice = f"did you mean {headers[nearest]}?"
        else:
            advice = f"remove it; there are {', '.join(headers.values())}."
        self._report(show_key(name), f"is not a section: {advice}")

    def _report(self, path: str, sentence: str) -> None:
        self.problems.append(Problem(path, sentence))


def _routed(routes: object) -> dict[str, int]:
    """Return the names of upstreams that routes name, each with the number of the first such route, as they stand in
    the document: usable or not."""
    found: dict[str, int] = {}
    for number, route in enumerate(routes if isinstance(routes, list) else [], start=1):
        names = route.get("upstreams") if isinstance(route, dict) else None
        for name in names if isinstance(names, list) else []:
            if isinstance(name, str):
                found.setdefault(name, number)
    return found


def _cut(text: str) -> str:
    return show(text)[1:-1].replace('\\"', '"')
