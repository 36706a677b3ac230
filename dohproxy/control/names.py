"""Names as an operator types them."""

from pathlib import Path
from typing import Final

from dohproxy.config.addresses import Unusable, parse_host_name
from dohproxy.config.keys import Text


def parse_name(text: str, _: Path) -> str:
    """Read a name with or without its final dot, in lower case; "." is the root."""
    if text == ".":
        return text
    if text.startswith("*."):
        raise Unusable(f'is a wildcard; write "{text.removeprefix("*.")}", and --below for all names below it.')
    return parse_host_name(text.removesuffix("."))


NAME: Final = Text(parse_name, "a name", "www.example.net", "The name, with or without its final dot.")
