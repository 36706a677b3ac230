"""The static table is that of every other HTTP/2 program."""

from hpack.table import HeaderTable

from dohproxy.http2.static_table import STATIC


def test_it_is_the_one_of_the_library() -> None:
    assert HeaderTable.STATIC_TABLE == STATIC


def test_it_has_61_entries() -> None:
    assert (len(STATIC), STATIC[0], STATIC[60]) == (61, (b":authority", b""), (b"www-authenticate", b""))
