"""Members and limits by hand, as nodes tell each other of them: what `sharing/hand_words.py` is for what lies below.

That a member's row or a limit is gone does not say why: somebody has revoked it, the file was changed by hand, another
configuration has no such key. So these are taken back at the other nodes by command alone.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from dohproxy.config import ConfigError
from dohproxy.control.hand_limits import Agreed, HandLimit, HandLimits
from dohproxy.jobs.member_file import MemberFile, NotWritten
from dohproxy.policy.members import DIGEST_BYTES, BadMembers, Member, Members, is_member_name
from dohproxy.sharing.events import Event, Kind, is_moment
from dohproxy.sharing.hand_words import NotTaken, Word

TakeBack = Callable[[Kind, Any], None]
"""Says to the other nodes that a subject was taken back."""
_MOST_PATH: Final = 200
_MOST_VALUE: Final = 1e18
_MOST_ADDRESSES: Final = 64


class MemberWords:
    """Who is a member by a token: by its digest, as nobody has the token but the member."""

    kind = Kind.MEMBER
    is_taken_back_by_absence = False

    def __init__(self, file: MemberFile, take_back: TakeBack) -> None:
        self._file = file
        self._is_settling = False
        self._pending: dict[str, Member | None] = {}

        def revoked(name: str) -> None:
            if not self._is_settling:
                take_back(Kind.MEMBER, name)

        file.when_revoked = revoked

    def version(self) -> object:
        """Return the list as it is: each change makes another one."""
        return _Same(self._file.members)

    def held(self) -> Mapping[str, Member]:
        """Return all members."""
        return {member.name: member for member in self._file.members.all()}

    def subject(self, key: str) -> str:
        """Return a member's name."""
        return key

    def word(self, value: Member, now: float, wall: float) -> Word:
        """Return who it is."""
        said = {
            "digest": value.digest.hex(),
            "created": round(value.created),
            "expires": None if math.isinf(value.expires) else round(value.expires),
        }
        return Word(said, value.expires, value.expires)

    async def take(self, event: Event, now: float, wall: float) -> tuple[str, Member | None]:
        """Have a member added or revoked with all others of this turn."""
        if self._file.path is None:
            raise NotTaken("needs clients.member_file, and this node has none")
        member = None if event.said is None else _member(event.subject, event.said)
        self._pending[event.subject] = member
        return event.subject, member

    async def settle(self, wall: float) -> None:
        """Write the list, and hold to it."""
        pending, self._pending = self._pending, {}
        if all(self._file.members.find(name) == member for name, member in pending.items()):
            return
        self._is_settling = True
        try:
            await self._file.change(lambda members: _changed(members, pending), wall)
        except NotWritten as error:
            raise NotTaken(str(error)) from None
        finally:
            self._is_settling = False


class _Same:
    """Equal to what was made of the very same thing."""

    def __init__(self, of: object) -> None:
        self._of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._of is other._of

    def __hash__(self) -> int:
        return id(self._of)


def _member(name: str, said: Mapping[str, Any]) -> Member:
    created, expires, digest = said.get("created"), said.get("expires"), said.get("digest")
    try:
        packed = bytes.fromhex(digest) if isinstance(digest, str) else b""
    except ValueError:
        packed = b""
    is_fit = is_moment(created) and (expires is None or is_moment(expires)) and len(packed) == DIGEST_BYTES
    if not is_fit or not is_member_name(name):
        raise NotTaken("is no member that there could be")
    # Whole seconds, as the file has them: else the member would be another one once it is read again.
    return Member(name, packed, float(round(created or 0)), math.inf if expires is None else float(round(expires)))


def _changed(members: Members, pending: Mapping[str, Member | None]) -> Members:
    """Return the list with some added and some left out; who does not fit is not added."""
    for name, member in pending.items():
        without = members.without(name)
        try:
            members = without if member is None else without.with_one_more(member)
        except BadMembers:
            continue
    return members


class LimitWords:
    """Numbers of the configuration that are held by hand."""

    kind = Kind.LIMIT
    is_taken_back_by_absence = False

    def __init__(self, limits: HandLimits, take_back: TakeBack) -> None:
        self._limits = limits
        self._is_taking = False

        def released(path: str) -> None:
            if not self._is_taking:
                take_back(Kind.LIMIT, path)

        limits.when_released = released

    def version(self) -> object:
        """Return all of them."""
        return self._limits.current()

    def held(self) -> Mapping[str, HandLimit]:
        """Return all of them, by path."""
        return {one.path: one for one in self._limits.current()}

    def subject(self, key: str) -> str:
        """Return the path of a key."""
        return key

    def word(self, value: HandLimit, now: float, wall: float) -> Word:
        """Return what is held."""
        until = math.inf if math.isinf(value.until) else wall + value.until - now
        agreed = value.agreed
        said = {
            "value": value.value,
            "until": None if math.isinf(until) else round(until, 3),
            "group": value.group,
            "agreed": None if agreed is None else [agreed.value, sorted(agreed.addresses)],
        }
        return Word(said, until, until)

    async def take(self, event: Event, now: float, wall: float) -> tuple[str, HandLimit | None]:
        """Hold to a limit, or to what the file says."""
        limit = None if event.said is None else _limit(event.subject, event.said, now, wall)
        self._is_taking = True
        try:
            if limit is None:
                if event.subject in self.held():
                    await self._limits.release(event.subject)
            elif limit.until > now:
                await self._limits.hold(limit)
        except ConfigError as error:
            raise NotTaken(f"does not fit this node's file: {error.problems[0]}") from None
        finally:
            self._is_taking = False
        return event.subject, limit

    async def settle(self, wall: float) -> None:
        """Do nothing: each holds at once."""


def _limit(path: str, said: Mapping[str, Any], now: float, wall: float) -> HandLimit:
    value, until, group, agreed = said.get("value"), said.get("until"), said.get("group"), said.get("agreed")
    if (
        len(path) > _MOST_PATH
        or not _is_number(value)
        or not (until is None or is_moment(until))
        or not isinstance(group, str)
        or len(group) > _MOST_PATH
    ):
        raise NotTaken("is no limit that could be held")
    end = math.inf if until is None else now + until - wall
    return HandLimit(path, value, end, _agreed(agreed), group)


def _agreed(found: Any) -> Agreed | None:
    if found is None:
        return None
    if (
        not isinstance(found, list)
        or len(found) != 2
        or not _is_number(found[0])
        or not isinstance(found[1], list)
        or len(found[1]) > _MOST_ADDRESSES
        or not all(isinstance(one, str) for one in found[1])
    ):
        raise NotTaken("is no limit that could be held")
    return Agreed(found[0], frozenset(found[1]))


def _is_number(found: object) -> TypeGuard[float]:
    return isinstance(found, int | float) and not isinstance(found, bool) and abs(found) <= _MOST_VALUE
