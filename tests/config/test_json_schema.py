"""The JSON schema: it holds for what holds, and for nothing else."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config.json_schema import json_schema
from dohproxy.config.sections import SECTIONS

REFERENCE = Path(__file__).parents[2] / "conf" / "dohproxy.toml"
UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://192.0.2.53"\n'
TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


def is_of_type(value: object, name: str) -> bool:
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def faults(value: Any, schema: dict[str, Any], path: str = "") -> list[str]:  # noqa: C901 - one line a rule
    """Return where a value breaks the rules that ours uses of JSON schema."""
    if "anyOf" in schema:
        return [] if any(not faults(value, one, path) for one in schema["anyOf"]) else [f"{path} is none of those"]
    if "const" in schema:
        return [] if value == schema["const"] else [f"{path} is another word"]
    if not is_of_type(value, schema["type"]):
        return [f"{path} is no {schema['type']}"]
    found: list[str] = []
    if isinstance(value, dict):
        found += [f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, item in value.items():
            inner = schema["properties"].get(name)
            found += [f"{path}.{name} is unknown"] if inner is None else faults(item, inner, f"{path}.{name}")
    elif isinstance(value, list):
        found += [f"{path} is too short"] * (len(value) < schema.get("minItems", 0))
        found += [f"{path} is too long"] * (len(value) > schema.get("maxItems", len(value)))
        for number, item in enumerate(value):
            found += faults(item, schema["items"], f"{path}[{number}]")
    elif not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{path} is out of bounds")
    elif value not in schema.get("enum", (value,)):
        found.append(f"{path} is no choice")
    return found


def test_the_reference_keeps_it() -> None:
    assert faults(tomllib.loads(REFERENCE.read_text(encoding="utf-8")), json_schema()) == []


def test_the_reference_with_all_that_it_leaves_out_keeps_it() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    lines = [line[1:] if line.startswith("#") and not line.startswith("# ") and len(line) > 1 else line
             for line in text.splitlines()]  # fmt: skip
    document = tomllib.loads("\n".join(lines))
    assert document.keys() == {section.name for section in SECTIONS}
    assert faults(document, json_schema()) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", ".upstream is missing"),
        (UPSTREAM + "[limits]\nrequests_burst = 0\n", ".limits.requests_burst is out of bounds"),
        (UPSTREAM + '[limits]\nrequests_burst = "1"\n', ".limits.requests_burst is no integer"),
        (UPSTREAM + "[limits]\nrequests_burts = 1\n", ".limits.requests_burts is unknown"),
        (UPSTREAM + '[log]\nlevel = "loud"\n', ".log.level is no choice"),
        (UPSTREAM + "[server]\nlisten = []\n", ".server.listen is too short"),
        ('[[upstream]]\nname = "ns0"\n', ".upstream[0].url is missing"),
        (UPSTREAM + '[server]\nworkers = "many"\n', ".server.workers is none of those"),
        ("[nonsense]\n" + UPSTREAM, ".nonsense is unknown"),
    ],
)
def test_what_check_refuses_by_itself_breaks_it(text: str, fault: str) -> None:
    assert faults(tomllib.loads(text), json_schema()) == [fault]


def test_every_key_is_explained_and_every_default_keeps_its_own_bounds() -> None:
    for section in SECTIONS:
        place = json_schema()["properties"][section.name]
        inner = place.get("items", place)
        assert inner["properties"].keys() == section.keys.keys()
        for name, key in inner["properties"].items():
            assert key["description"], name
            if "default" in key:
                assert faults(key["default"], key) == []


def test_it_is_json() -> None:
    assert json.loads(json.dumps(json_schema()))["type"] == "object"
