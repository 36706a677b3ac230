"""In which lines of a file its sections, keys and items stand."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.config.keys import show_key
from dohproxy.config.lines import line_of, lines_of
from dohproxy.config.reference import reference

TEXT = (
    """\
top = 1  # [not.a.section]
# key = "in a comment"

[server]
listen = [ "a = b", # "no item"
  "[x]",

  "\\"c]",
]
path="/dns-query" # = 2
"quoted key" . b = 'it''s' """.replace("it''s", "its")
    + """
text = \"\"\"
[log]
level = "x\\"\"\"\"
literal = '''
[cache]
a = 1'''
inline = { a = 1, b = [ 2 ] }
nested = [[1, 2],
  [3]]
empty = []
[[upstream]] # first
name = "a"
[[ upstream ]]
name = "b"
[tls . x]
key = 2026-01-01T00:00:00Z
"""
)
LINES = {
    "top": 1,
    "server": 4,
    "server.listen": 5,
    "server.listen #1": 5,
    "server.listen #2": 6,
    "server.listen #3": 8,
    "server.path": 10,
    'server."quoted key".b': 11,
    "server.text": 12,
    "server.literal": 15,
    "server.inline": 18,
    "server.nested": 19,
    "server.nested #1": 19,
    "server.nested #2": 20,
    "server.empty": 21,
    "upstream": 22,
    "upstream #1": 22,
    "upstream #1.name": 23,
    "upstream #2": 24,
    "upstream #2.name": 25,
    "tls.x": 26,
    "tls.x.key": 27,
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["line ends of Unix", "line ends of Windows"])
def test_everything_that_is_written_out_has_its_line(end: str) -> None:
    text = TEXT.replace("\n", end)
    assert tomllib.loads(text)
    assert lines_of(text) == LINES


def test_a_single_section_that_should_be_a_list_counts_as_its_first() -> None:
    assert lines_of("\n[upstream]\nurl = 1\n") == {"upstream": 2, "upstream #1": 2, "upstream #1.url": 3}
    assert lines_of("\n[route]\nupstreams = 1\n") == {"route": 2, "route #1": 2, "route #1.upstreams": 3}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("server.path", 10),
        ("server.listen #2", 6),
        ("server.listen #9", 5),
        ("server.host", 4),
        ("upstream #2.url", 24),
        ("upstream #3.url", 22),
        ("cache.max_megabytes", None),
        ("the configuration", None),
        ("", None),
    ],
)
def test_what_is_not_written_is_looked_for_where_it_belongs(path: str, line: int | None) -> None:
    assert line_of(path, LINES) == line


def test_every_key_of_the_reference_is_found() -> None:
    text = reference()
    lines, rows = lines_of(text), text.split("\n")
    for section, keys in tomllib.loads(text).items():
        for key in keys if isinstance(keys, dict) else keys[0]:
            path = f"{section}.{key}" if isinstance(keys, dict) else f"{section} #1.{key}"
            assert rows[lines[path] - 1].startswith(f"{key} = ")


def test_every_shipped_file_is_read_to_its_end() -> None:
    for file in (Path(__file__).parents[2] / "conf").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        assert set(tomllib.loads(text)) <= set(lines_of(text))


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
strings = st.text(st.sampled_from("ab\"'\\[]{}=,#\n \t."), max_size=12)


def quoted(text: str) -> str:
    """Write as TOML, with escapes for whatever has a meaning."""
    return '"' + "".join(f"\\U{ord(character):08X}" for character in text) + '"'


@given(st.dictionaries(names, st.lists(strings, max_size=3), max_size=5), st.lists(st.sampled_from(["", "# [x] = 1"])))
def test_no_value_is_taken_for_a_key(table: dict[str, list[str]], between: list[str]) -> None:
    rows, expected = [], {}
    for number, (name, items) in enumerate(table.items()):
        rows += between if number % 2 else []
        expected[show_key(name)] = len(rows) + 1
        rows.append(f"{quoted(name)} = [")
        for place, item in enumerate(items, start=1):
            expected[f"{show_key(name)} #{place}"] = len(rows) + 1
            rows.append(f"{item!r}," if "'" not in item and "\\" not in repr(item) else f"{quoted(item)},")
        rows.append("]")
    text = "\n".join(rows)
    assert tomllib.loads(text) == table
    # Keys too long to show in full may share what is shown of them; these are short.
    assert lines_of(text) == expected


@given(st.text(max_size=100))
def test_any_text_that_is_toml_is_walked_to_an_end(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return
    assert len(lines_of(text)) >= len(document)
