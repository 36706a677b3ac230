"""The members who have a token: their names, the digests of their tokens, and until when these are valid.

The list is a value: to add or revoke a member is to make another list. It is written as JSON, with times in Unix
seconds. A token is not in it, only its digest, of which nobody can make the token.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dohproxy.value import value

MOST_MEMBERS: Final = 1_000
"""In one list: small associations have some hundreds, and all of them are gone through in a millisecond."""
MOST_BYTES: Final = 524_288
"""Of the list as it is written: 1,000 members with the longest names take 240 KB."""
DIGEST_BYTES: Final = 32
_LATEST: Final = 253_402_300_799.0
"""The end of the year 9999, after which nobody can write a date."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
_DIGEST: Final = re.compile(rf"[0-9a-f]{{{2 * DIGEST_BYTES}}}", re.ASCII)
_VERSION: Final = 1


class BadMembers(ValueError):
    """A text is no list of members, or a list cannot be; the message is a predicate, for the operator."""


@value
class Member:
    """One member."""

    name: str
    """What the operator calls him."""
    digest: bytes
    """Of his token."""
    created: float
    """Unix seconds."""
    expires: float = math.inf
    """The same; infinity if never."""


def is_member_name(text: str) -> bool:
    """Tell whether a member can be called so: up to 64 letters, digits and ". _ @ + -", the first no sign."""
    return _NAME.fullmatch(text) is not None


class Members:
    """A list of members, each with a name and a token of his own."""

    __slots__ = ("_by_name",)

    def __init__(self, members: Iterable[Member] = ()) -> None:
        """BadMembers if there are more than MOST_MEMBERS, or two with one name or one token."""
        self._by_name: dict[str, Member] = {}
        for member in members:
            if member.name in self._by_name:
                raise BadMembers(f"names {member.name} twice")
            self._by_name[member.name] = member
        if len(self._by_name) > MOST_MEMBERS:
            raise BadMembers(f"has more than {MOST_MEMBERS} members")
        if len({member.digest for member in self._by_name.values()}) < len(self._by_name):
            raise BadMembers("has one token for two members")

    def __len__(self) -> int:
        return len(self._by_name)

    def all(self) -> list[Member]:
        """Return them, in the order in which they were added."""
        return list(self._by_name.values())

    def find(self, name: str) -> Member | None:
        """Return the member of this name."""
        return self._by_name.get(name)

    def with_one_more(self, member: Member) -> "Members":
        """Return the list with another member. Raises BadMembers if it has his name, or as many as it may."""
        return Members((*self._by_name.values(), member))

    def without(self, name: str) -> "Members":
        """Return the list without the member of this name."""
        return Members(member for member in self._by_name.values() if member.name != name)

    def valid(self, now: float) -> frozenset[bytes]:
        """Return the digests of the tokens that are valid; `now` is Unix seconds."""
        return frozenset(member.digest for member in self._by_name.values() if now < member.expires)

    def next_expiry(self, now: float) -> float:
        """Return when the next token ceases to be valid, in Unix seconds; infinity if none will."""
        return min((one.expires for one in self._by_name.values() if now < one.expires), default=math.inf)


def encode(members: Members) -> bytes:
    """Return a list as it is written."""
    rows = [
        {
            "name": member.name,
            "token_blake2b": member.digest.hex(),
            "created": round(member.created),
            "expires": None if math.isinf(member.expires) else round(member.expires),
        }
        for member in members.all()
    ]
    return (json.dumps({"version": _VERSION, "members": rows}, indent=1) + "\n").encode()


def decode(content: bytes) -> Members:
    """Return the list that was written so. Raises BadMembers."""
    if len(content) > MOST_BYTES:
        raise BadMembers(f"is longer than {MOST_BYTES} bytes, so it is another file")
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        raise BadMembers("is no JSON, so it is another file, or was cut off") from None
    rows = read.get("members") if isinstance(read, dict) and read.get("version") == _VERSION else None
    if not isinstance(rows, list):
        raise BadMembers(f"is no list of members of version {_VERSION}")
    return Members(_member(row, number) for number, row in enumerate(rows, 1))


def _member(row: Any, number: int) -> Member:
    found: Mapping[str, Any] = row if isinstance(row, dict) else {}
    name, digest = _text(found.get("name")), _text(found.get("token_blake2b"))
    created, expires = _moment(found.get("created")), _moment(found.get("expires"), math.inf)
    if is_member_name(name) and _DIGEST.fullmatch(digest) and created is not None and expires is not None:
        return Member(name, bytes.fromhex(digest), created, expires)
    raise BadMembers(f"has something that is no member at place {number}")


def _text(found: Any) -> str:
    return found if isinstance(found, str) else ""


def _moment(found: Any, absent: float | None = None) -> float | None:
    if found is None:
        return absent
    is_moment = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= _LATEST
    return float(found) if is_moment else None
