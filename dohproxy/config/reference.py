"""The annotated reference, conf/dohproxy.toml, written from the schema so that the two cannot differ."""

from textwrap import fill
from typing import Final

from dohproxy.config.keys import Choice, show
from dohproxy.config.presets import PRESETS
from dohproxy.config.sections import SECTIONS, UPSTREAM, DeclaredKey, Section
from dohproxy.config.shares import share_of

WIDTH: Final = 100
"""Columns of the comments: fits a terminal beside a second one."""

_PREAMBLE: Final = (
    "dohproxy: every section and key, with its default, its unit and bounds, and its reason.",
    "Copy it and keep what you change; what is absent has the default written here. Only [[upstream]] has"
    " none. `dohproxy check --config FILE` names everything that is wrong with a file at once.",
    "Relative file names start from the directory of this file. Unknown keys are errors.",
)

_EXPLICIT_NUMBERS: Final = ("queries_per_second", "burst", "in_flight", "new_connections_per_second")


def reference() -> str:
    """Return the text of conf/dohproxy.toml: a usable file whose values are the defaults."""
    preamble = "\n#\n".join(_comment(paragraph) for paragraph in _PREAMBLE)
    return "\n\n".join([preamble, *(_write_section(section) for section in SECTIONS)]) + "\n"


def _write_section(section: Section) -> str:
    # Sections that are absent by default stand as comments, or the file would need certificates to load.
    mark = "#" if section.is_optional else ""
    summary = " ".join((section.made_into.__doc__ or "").split("\n\n")[0].split())
    blocks = [f"{_comment(summary)}\n{mark}{section.header()}"]
    blocks += [_write_key(section, key) for key in section.keys.values()]
    return "\n\n".join(blocks)


def _write_key(section: Section, declared: DeclaredKey) -> str:
    key = declared.key
    is_absent = declared.default is None and not declared.is_required
    share = share_of(section.name, declared.name)
    is_comment = (
        section.is_optional
        or is_absent
        or share is not None
        or (section is UPSTREAM and declared.name in _EXPLICIT_NUMBERS)
    )
    default = "required" if declared.is_required else "absent" if is_absent else f"default {show(declared.default)}"
    if section is UPSTREAM and declared.name in _EXPLICIT_NUMBERS:
        default = "default from the preset"
    if share is not None:
        default = f'default {share.words}, which is {show(declared.default)} with that of "associative"'
    bounds = f"one of {key.allowed()}" if isinstance(key, Choice) else key.allowed()
    lines = [_comment(key.why), _comment(f"({bounds}; {default})")]
    if declared.name == "preset":
        lines += [_comment(f"- {_describe_preset(word)}", hanging="  ") for word in PRESETS]
    value = declared.example() if declared.default is None else declared.default
    lines.append(f"{'#' if is_comment else ''}{declared.name} = {show(value)}")
    return "\n".join(lines)


def _describe_preset(word: str) -> str:
    preset = PRESETS[word]
    rate = show(preset.queries_per_second)
    return f"{word}: {rate} a second, burst {preset.burst}, {preset.in_flight} in flight; {preset.why}"


def _comment(text: str, hanging: str = "") -> str:
    return fill(
        text,
        WIDTH,
        initial_indent="# ",
        subsequent_indent=f"# {hanging}",
        break_long_words=False,
        break_on_hyphens=False,
    )
