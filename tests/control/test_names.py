"""Names as an operator types them."""

from pathlib import Path

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.control.names import parse_name


@pytest.mark.parametrize(
    ("typed", "name"), [("WWW.Example.net.", "www.example.net"), (".", "."), ("_dmarc.a", "_dmarc.a"), ("com", "com")]
)
def test_a_name_is_read_with_or_without_its_final_dot(typed: str, name: str) -> None:
    assert parse_name(typed, Path("/")) == name


@pytest.mark.parametrize("typed", ["", "..", "a..b", "*.a", "a b", "https://a", "b\xfccher.example", "a" * 64, "\x00"])
def test_what_is_no_name_is_told(typed: str) -> None:
    with pytest.raises(Unusable):
        parse_name(typed, Path("/"))
