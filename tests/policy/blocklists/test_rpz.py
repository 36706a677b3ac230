"""Response policy zones: whose name is part of what. The rest is tried with the other formats."""

import pytest

from dohproxy.policy.blocklists.lines import BadLine
from dohproxy.policy.blocklists.name_set import EXACT
from dohproxy.policy.blocklists.rpz import RpzReader
from dohproxy.wire.name import from_text


def read_all(text: bytes) -> list[tuple[bytes, int]]:
    reader = RpzReader()
    return [meant for line in text.split(b"\n") for meant in reader.read(line)]


def exact(*names: str) -> list[tuple[bytes, int]]:
    return [(from_text(name), EXACT) for name in names]


@pytest.mark.parametrize(
    "head",
    [
        b"$ORIGIN rpz.example.\n@ SOA a. b. 1 2 3 4 5",
        b"rpz.example. 300 IN SOA a. b. 1 2 3 4 5\nrpz.example. NS localhost.",
    ],
    ids=["said by $ORIGIN", "said by the SOA"],
)
def test_the_name_of_a_zone_is_no_part_of_the_names_that_it_lists(head: bytes) -> None:
    text = head + b"\nads.example.net.rpz.example. CNAME .\ntrack.example.org CNAME .\n"
    assert read_all(text) == exact("ads.example.net", "track.example.org")


def test_a_name_outside_of_its_zone_is_no_rule() -> None:
    with pytest.raises(BadLine, match="outside of the zone"):
        read_all(b"$ORIGIN rpz.example.\nads.example.net. CNAME .")


def test_an_origin_within_the_zone_is_part_of_the_names() -> None:
    text = b"$ORIGIN rpz.example.\n@ SOA a. b. 1 2 3 4 5\n$ORIGIN net.rpz.example.\nads.example CNAME .\n"
    assert read_all(text) == exact("ads.example.net")
