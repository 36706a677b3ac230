"""How the numbers of the registry are called."""

import pytest

from dohproxy.wire.numbers import rcode_name


@pytest.mark.parametrize(("rcode", "name"), [(0, "NOERROR"), (5, "REFUSED"), (23, "BADCOOKIE"), (11, "rcode 11")])
def test_an_rcode_has_its_name_or_its_number(rcode: int, name: str) -> None:
    assert rcode_name(rcode) == name
