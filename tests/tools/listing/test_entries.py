"""Entries of public lists, as people and programs write them."""

import pytest

from dohproxy.doh.stamp import Protocol, Stamp
from dohproxy.doh.stamp_codec import encode
from dohproxy.tools.listing.entries import BadEntry, Entry, read_entries

STAMP = encode(Stamp(Protocol.DOH, host="doh.example.net", path="/dns-query"))
OTHER = encode(Stamp(Protocol.DOH, address="192.0.2.1", host="doh.example.net", path="/dns-query"))
LIST = f"""# public-resolvers

This is a list of resolvers.
See sdns stamps: https://dnscrypt.info/stamps

--


## first

Who and where.

Non-logging.

{STAMP}


## second-ipv6
A line.
{STAMP}
{OTHER}
"""


def test_a_list_has_its_entries_in_their_order_and_nothing_of_its_head() -> None:
    assert read_entries(LIST) == (
        Entry("first", "Who and where.\n\nNon-logging.", (STAMP,)),
        Entry("second-ipv6", "A line.", (STAMP, OTHER)),
    )


def test_an_entry_reads_back_as_it_is_written() -> None:
    for entry in read_entries(LIST):
        assert read_entries(str(entry)) == (entry,)
    assert str(read_entries(LIST)[0]) == f"## first\n\nWho and where.\n\nNon-logging.\n\n{STAMP}"


@pytest.mark.parametrize("text", [STAMP, f"  {STAMP}\n", f"{STAMP}\n\n"])
def test_one_stamp_is_an_entry_without_a_name(text: str) -> None:
    (entry,) = read_entries(text)
    assert (entry.name, entry.stamps, str(entry)) == ("", (STAMP,), STAMP)


def test_ends_of_lines_of_other_systems_are_as_good() -> None:
    assert read_entries(LIST.replace("\n", "\r\n")) == read_entries(LIST)


def test_what_is_no_whole_entry_is_left_out_of_a_list_that_has_some() -> None:
    assert [entry.name for entry in read_entries(f"## empty\n\nNothing.\n\n{LIST}")] == ["first", "second-ipv6"]


def test_a_bad_stamp_is_the_entrys_all_the_same() -> None:
    (entry,) = read_entries("## one\n\nA line.\n\nsdns:AgcAAAA\n")
    assert entry.stamps == ("sdns:AgcAAAA",)


def test_nothing_of_an_entry_steers_a_terminal() -> None:
    (entry,) = read_entries(f"## o\x1b[2Jne\n\nA \u202eline.\n\n{STAMP}\x07\n")
    assert entry == Entry("o?[2Jne", "A ?line.", (f"{STAMP}?",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "There is no entry in it. An entry begins with"),
        ("\n\n", "There is no entry in it."),
        ("a\nb", "There is no entry in it."),
        ("# public-resolvers\n\nA list.\n", "There is no entry in it."),
        ("## lonely\n\nA line.\n", 'The entry "lonely" has no stamp.'),
        (f"## \n\nA line.\n\n{STAMP}", "An entry has no name."),
        ("https://doh.example.net/", 'This does not begin with "sdns://".'),
    ],
    ids=["nothing", "empty lines", "text", "a head", "no stamp", "no name", "a URL"],
)
def test_what_is_no_entry_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadEntry) as bad:
        read_entries(text)
    assert str(bad.value).startswith(sentence)
    assert '"## NAME"' in str(bad.value)
    assert "\n" not in str(bad.value)
