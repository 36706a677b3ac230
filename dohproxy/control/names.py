"""Names as an operator types them."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from dohproxy.config.addresses import Unusable, parse_host_name
from dohproxy.config.keys import Text
from dohproxy.wire.numbers import Qtype


def parse_name(text: str, _: Path) -> str:
    """Read a name with or without its final dot, in lower case; "." is the root."""
    if text == ".":
        return text
    if text.startswith("*."):
        raise Unusable(f'is a wildcard; write "{text.removeprefix("*.")}", and --below for all names below it.')
    return parse_host_name(text.removesuffix("."))


def parse_type(text: str, _: Path) -> str:
    """Read a type of records: a name such as AAAA, or TYPE65280 (RFC 3597)."""
    name = text.upper()
    if name in Qtype.__members__:
        return name
    number = name.removeprefix("TYPE")
    if re.fullmatch(r"[0-9]{1,5}", number) and int(number) < 65_536:
        return f"TYPE{int(number)}"
    raise Unusable("is no type of records that is known here; write A, AAAA, HTTPS, ..., or its number as TYPE65280.")


def type_number(name: str) -> int:
    """Return the number of a type that `parse_type` has read."""
    return Qtype[name].value if name in Qtype.__members__ else int(name.removeprefix("TYPE"))


def parse_address(text: str, _: Path) -> str:
    """Read a client's address."""
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        raise Unusable("is no address; write 192.0.2.1 or 2001:db8::1, without port.") from None


NAME: Final = Text(parse_name, "a name", "www.example.net", "The name, with or without its final dot.")
