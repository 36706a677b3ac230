"""The list of members: who is on it, until when, and how it is written."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.policy.members import (
    DIGEST_BYTES,
    MOST_BYTES,
    MOST_MEMBERS,
    BadMembers,
    Member,
    Members,
    decode,
    encode,
    is_member_name,
)

NOW = 1_800_000_000.0


def member(name: str = "alice", *, number: int = 1, expires: float = math.inf) -> Member:
    return Member(name, number.to_bytes(DIGEST_BYTES), NOW, expires)


ALICE = member("alice", number=1)
BOB = member("bob", number=2, expires=NOW + 60)


class TestList:
    def test_members_are_added_and_taken_away(self) -> None:
        both = Members().with_one_more(ALICE).with_one_more(BOB)
        assert (both.all(), len(both)) == ([ALICE, BOB], 2)
        assert both.find("bob") is BOB
        assert both.without("alice").all() == [BOB]
        assert both.without("nobody").all() == [ALICE, BOB]

    def test_a_token_is_valid_until_its_time_is_over(self) -> None:
        both = Members((ALICE, BOB))
        assert both.valid(NOW) == {ALICE.digest, BOB.digest}
        assert both.next_expiry(NOW) == BOB.expires
        assert both.valid(BOB.expires) == {ALICE.digest}
        assert both.next_expiry(BOB.expires) == math.inf

    def test_there_are_no_more_than_so_many(self) -> None:
        full = Members(member(f"m{number}", number=number) for number in range(MOST_MEMBERS))
        with pytest.raises(BadMembers, match="more than"):
            full.with_one_more(member("one-more", number=MOST_MEMBERS))

    def test_no_two_have_one_name_or_one_token(self) -> None:
        with pytest.raises(BadMembers, match="alice twice"):
            Members((ALICE, member("alice", number=3)))
        with pytest.raises(BadMembers, match="one token for two"):
            Members((ALICE, member("carol", number=1)))


@pytest.mark.parametrize("name", ["alice", "A.b_c@d+e-f", "7", "a" * 64])
def test_a_name_is_letters_digits_and_some_signs(name: str) -> None:
    assert is_member_name(name)


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "ä", "a\n", "a" * 65, "a\x1b[0m"])
def test_nothing_else_is_a_name(name: str) -> None:
    assert not is_member_name(name)


class TestWritten:
    @given(
        st.dictionaries(
            st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", fullmatch=True),
            st.tuples(st.integers(0, 2**40), st.none() | st.integers(0, 2**33)),
            max_size=20,
        )
    )
    def test_what_is_written_is_read_back(self, found: dict[str, tuple[int, int | None]]) -> None:
        members = Members(
            Member(
                name,
                (place << 64 | digest).to_bytes(DIGEST_BYTES),
                NOW,
                math.inf if expires is None else float(expires),
            )
            for place, (name, (digest, expires)) in enumerate(found.items())
        )
        assert decode(encode(members)).all() == members.all()

    def test_a_full_list_of_long_names_fits(self) -> None:
        full = Members(member(f"{number:064}", number=number) for number in range(MOST_MEMBERS))
        assert len(encode(full)) < MOST_BYTES / 2

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "no JSON"),
            (b"{" * 10_000, "no JSON"),
            (b"\xff", "no JSON"),
            (b"[]", "no list of members"),
            (b'{"version": 2, "members": []}', "of version 1"),
            (b'{"version": 1, "members": {}}', "no list of members"),
            (b" " * (MOST_BYTES + 1), "longer than"),
        ],
        ids=["nothing", "nested", "no text", "another shape", "a later version", "no list", "too long"],
    )
    def test_another_file_is_refused(self, content: bytes, why: str) -> None:
        with pytest.raises(BadMembers, match=why):
            decode(content)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": "a b"},
            {"name": 7},
            {"token_blake2b": "00"},
            {"token_blake2b": "zz" * DIGEST_BYTES},
            {"token_blake2b": None},
            {"created": None},
            {"created": True},
            {"expires": "tomorrow"},
            {"expires": -1},
            {"expires": float("nan")},
            {"expires": 1e300},
        ],
        ids=str,
    )
    def test_a_row_that_is_no_member_is_told_by_its_place(self, wrong: dict[str, Any]) -> None:
        rows = json.loads(encode(Members((ALICE, BOB))))
        rows["members"][1] |= wrong
        with pytest.raises(BadMembers, match="place 2"):
            decode(json.dumps(rows).encode())
