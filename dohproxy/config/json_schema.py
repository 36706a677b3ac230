"""The JSON schema of the configuration, for editors that know TOML: written from the same declarations as the annotated
reference, so that the two cannot differ."""

from typing import Any, Final

from dohproxy.config.effective import PRESET_KEYS, plain
from dohproxy.config.keys import Choice, Duration, Integer, IntegerOrWord, Key, Number, Switch, Text, TextList
from dohproxy.config.schema import MAX_BLOCKLISTS, MAX_ROUTES, MAX_UPSTREAMS
from dohproxy.config.sections import BLOCKLIST, ROUTE, SECTIONS, UPSTREAM, DeclaredKey, Section
from dohproxy.config.shares import share_of
from dohproxy.durations import PATTERN

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of a whole file. What several keys must have in common only `check` knows."""
    return {
        "$schema": DIALECT,
        "title": "The configuration of dohproxy",
        "type": "object",
        "properties": {section.name: _place(section) for section in SECTIONS},
        "required": [UPSTREAM.name],
        "additionalProperties": False,
    }


def _place(section: Section) -> dict[str, Any]:
    """Return the schema of a section, or of all that bear its name where there can be several."""
    if section is UPSTREAM:
        return {"type": "array", "items": _section(section), "minItems": 1, "maxItems": MAX_UPSTREAMS}
    if section in (ROUTE, BLOCKLIST):
        most = MAX_ROUTES if section is ROUTE else MAX_BLOCKLISTS
        return {"type": "array", "items": _section(section), "maxItems": most}
    return _section(section)


def _section(section: Section) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "object",
        "description": " ".join((section.made_into.__doc__ or "").split("\n\n")[0].split()),
        "properties": {name: _key(section, key) for name, key in section.keys.items()},
        "additionalProperties": False,
    }
    required = [name for name, key in section.keys.items() if key.is_required]
    return found | ({"required": required} if required else {})


def _key(section: Section, declared: DeclaredKey) -> dict[str, Any]:
    found = _type(declared.key) | {"description": f"{declared.key.why} ({declared.key.allowed()})"}
    share = share_of(section.name, declared.name)
    if share is not None:
        return found | {"description": f"{found['description']} By default {share.words}."}
    follows_preset = section is UPSTREAM and declared.name in PRESET_KEYS
    if declared.is_required or declared.default is None or follows_preset:
        return found
    return found | {"default": plain(declared.default)}


def _type(key: Key) -> dict[str, Any]:  # noqa: C901 - one line a type
    match key:
        case Integer():
            return {"type": "integer", "minimum": key.minimum, "maximum": key.maximum}
        case IntegerOrWord():
            return {"anyOf": [_type(key.number), {"const": key.word}]}
        case Number():
            return {"type": "number", "minimum": key.minimum, "maximum": key.maximum}
        case Duration():
            return {"type": "string", "pattern": f"^{PATTERN}$"}
        case Choice():
            return {"type": "string", "enum": list(key.choices)}
        case Switch():
            return {"type": "boolean"}
        case Text():
            return {"type": "string", "examples": [key.example]}
        case TextList():
            return {"type": "array", "items": _type(key.item), "minItems": key.minimum, "maxItems": key.maximum}
