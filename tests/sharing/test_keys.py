"""How keys are called, and what cannot be read in their names."""

import pytest

from dohproxy.sharing.keys import FORMAT, Keys
from dohproxy.sharing.lease_keeper import lease_keys
from tests.fakes.store import SECRET


def test_nodes_with_one_secret_call_everything_the_same() -> None:
    one, other = Keys("dohproxy", SECRET), Keys("dohproxy", SECRET)
    assert one.of("lease") == other.of("lease")
    assert one.of_one("answer", b"example.net") == other.of_one("answer", b"example.net")


def test_with_another_secret_every_key_is_another() -> None:
    one, other = Keys("dohproxy", SECRET), Keys("dohproxy", SECRET[::-1])
    assert one.of("lease") != other.of("lease")
    assert one.digest("answer", b"example.net") != other.digest("answer", b"example.net")


def test_one_purpose_tells_nothing_of_another() -> None:
    keys = Keys("dohproxy", SECRET)
    assert keys.derive("seal answers 1") != keys.derive("seal answers 2")
    assert keys.digest("a", b"x") != keys.digest("b", b"x")


def test_a_name_begins_with_the_prefix_and_shows_nothing_of_what_it_stands_for() -> None:
    name = Keys("association", SECRET).of_one("answer", b"example.net")
    assert name.startswith("association:1:")
    assert "example" not in name


def test_another_format_has_other_keys_but_one_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys("dohproxy", SECRET)
    before = keys.of("events"), keys.of_one("answer", b"a"), *lease_keys(keys)
    monkeypatch.setattr("dohproxy.sharing.keys.FORMAT", FORMAT + 1)
    after = keys.of("events"), keys.of_one("answer", b"a"), *lease_keys(keys)
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True, True]


def test_what_one_script_touches_has_one_place_in_a_cluster() -> None:
    assert "{lease}" in Keys("dohproxy", SECRET).of("lease")
