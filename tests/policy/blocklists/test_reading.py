"""A list on its way from bytes into a set: chunks, numbers of lines, and bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.policy.blocklists import reading as module
from dohproxy.policy.blocklists.formats import Format
from dohproxy.policy.blocklists.name_set import BELOW, EXACT, NameSet, hash_name
from dohproxy.policy.blocklists.reading import (
    GUESSED_LINES,
    LONGEST_LINE,
    MOST_FAULTS_TOLD,
    MOST_HELD_LINES,
    STEP_LINES,
    LoadedNames,
    Reading,
)
from dohproxy.wire.name import from_text


def load(content: bytes, written: Format | None = None, size: int = 65_536) -> LoadedNames:
    reading = Reading(written, EXACT)
    for position in range(0, len(content), size):
        for _ in reading.feed(content[position : position + size]):
            pass
    for _ in reading.finish():
        pass
    return reading.loaded()


def has(names: NameSet, name: str) -> bool:
    return names.kind(hash_name(from_text(name))) != 0


@given(st.integers(1, 40), st.booleans())
def test_a_list_holds_the_same_however_it_is_cut_into_chunks(size: int, is_guessed: bool) -> None:
    content = b"\xef\xbb\xbf# names\none.example\n*.two.example\r\nnot a name\n\nthree.example"
    loaded = load(content, None if is_guessed else Format.NAMES, size)
    assert loaded.written is Format.NAMES
    assert loaded.names.names == 3
    assert loaded.names.kind(hash_name(from_text("two.example"))) == BELOW
    assert loaded.faults == ('line 4 has no name: "not a name"',)


def test_a_bad_line_is_told_with_its_number_and_the_rest_holds() -> None:
    lines = [b"n%d.example" % number for number in range(1_000)]
    lines[299] = b"what is this"
    loaded = load(b"\n".join(lines))
    assert (loaded.names.names, loaded.bad_lines) == (999, 1)
    assert loaded.faults == ('line 300 has no name: "what is this"',)


def test_no_more_than_some_bad_lines_are_told_and_all_counted() -> None:
    loaded = load(b"good.example\n" + b"bad line\n" * 100, Format.NAMES)
    assert (loaded.bad_lines, len(loaded.faults)) == (100, MOST_FAULTS_TOLD)
    assert loaded.faults[-1].startswith("line 6 ")


def test_rules_for_browsers_are_counted_and_no_fault() -> None:
    loaded = load(b"||ads.example^\nexample.net##.banner\n||example.net/path\n")
    assert (loaded.names.names, loaded.left_out, loaded.bad_lines) == (1, 2, 0)


def test_what_a_list_excepts_is_kept_apart() -> None:
    loaded = load(b"||ads.example^\n@@||good.ads.example^\n")
    assert has(loaded.names, "ads.example")
    assert not has(loaded.names, "good.ads.example")
    assert has(loaded.excepted, "good.ads.example")


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["at the end of the file", "within it"])
def test_a_line_without_end_is_one_fault_and_takes_no_memory(end: bytes) -> None:
    reading = Reading(Format.NAMES, EXACT)
    for _ in range(100):
        list(reading.feed(b"x" * 65_536))
        assert len(reading._rest) <= LONGEST_LINE + 1
    list(reading.feed(end + b"good.example" if end else end))
    list(reading.finish())
    loaded = reading.loaded()
    assert loaded.faults == (f"line 1 is longer than {LONGEST_LINE} bytes",)
    assert loaded.names.names == bool(end)


def test_a_long_comment_is_no_fault() -> None:
    assert load(b"# " + b"x" * 10_000 + b"\ngood.example\n", Format.NAMES).bad_lines == 0


def test_a_file_of_comments_holds_nothing_and_has_no_format() -> None:
    loaded = load(b"# nothing\n\n! here\n" * 10)
    assert (loaded.names.names, loaded.bad_lines) == (0, 0)
    assert load(b"").written is None


def test_comments_alone_do_not_keep_a_format_from_being_guessed() -> None:
    reading = Reading(None, EXACT)
    list(reading.feed(b"# x\n" * (MOST_HELD_LINES + 1)))
    assert not reading._held
    list(reading.feed(b"||a.example^\nfoo bar\n"))
    list(reading.finish())
    loaded = reading.loaded()
    assert loaded.written is Format.ADBLOCK
    assert loaded.faults[0].startswith(f"line {MOST_HELD_LINES + 3} ")


def test_it_is_guessed_by_the_first_lines_that_say_something() -> None:
    reading = Reading(None, EXACT)
    list(reading.feed(b"# x\n" * GUESSED_LINES + b"0.0.0.0 a.example\n" * (GUESSED_LINES - 1)))
    assert reading._held
    list(reading.feed(b"0.0.0.0 a.example\n"))
    assert not reading._held
    list(reading.finish())
    assert reading.loaded().written is Format.HOSTS


@pytest.mark.interpreted
def test_a_list_holds_no_more_names_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMES", 10)
    loaded = load(b"".join(b"n%d.example\n" % number for number in range(12)), Format.NAMES)
    assert (loaded.names.names, loaded.bad_lines) == (10, 2)
    assert loaded.faults[0] == "line 11 comes after 10 names, which is as many as a list may have"


@pytest.mark.interpreted
def test_a_list_holds_no_more_networks_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NETWORKS", 10)
    loaded = load(b"".join(b"192.0.2.%d\n" % number for number in range(12)))
    assert (loaded.written, loaded.networks.networks, loaded.bad_lines) == (Format.NETWORKS, 10, 2)
    assert loaded.faults[0].startswith("line 11 comes after 10 networks")
    assert (loaded.names.names, loaded.held_bytes) == (0, loaded.networks.held_bytes + 2 * 9)


def test_others_have_a_turn_after_some_lines_and_at_any_time_while_the_set_is_made() -> None:
    reading = Reading(Format.NAMES, EXACT)
    lines = 100 * STEP_LINES
    assert sum(1 for _ in reading.feed(b"a.example\n" * lines)) >= 100
    assert sum(1 for _ in reading.finish()) >= lines // 1_024


def test_others_have_a_turn_after_each_line_of_many_names_and_each_trial_of_a_format() -> None:
    chunk = b"".join(b"0.0.0.0 " + b"a " * 2_000 + b"\n" for _ in range(GUESSED_LINES))
    assert sum(1 for _ in Reading(Format.HOSTS, EXACT).feed(chunk)) >= GUESSED_LINES
    assert sum(1 for _ in Reading(None, EXACT).feed(chunk)) >= (1 + len(Format)) * GUESSED_LINES


@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_content_breaks_it(content: bytes, size: int) -> None:
    loaded = load(content, None, size)
    assert loaded.bad_lines + loaded.left_out <= content.count(b"\n") + 1


def test_most_of_a_large_list_is_read_whatever_stands_in_between() -> None:
    lines = [b"||n%d.example^" % number if number % 10 else b"##.x" for number in range(20_000)]
    loaded = load(b"\n".join(lines))
    assert loaded.names.names == sum(line.startswith(b"||") for line in lines)
    assert loaded.written is Format.ADBLOCK
