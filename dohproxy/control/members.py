"""The commands `member add`, `member list` and `member revoke`: who is a member by a URL of their own.

The URL is a secret. It is drawn here, told once, and kept by nobody: neither file, log nor audit line has it.
"""

import asyncio
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from dohproxy.config.addresses import Unusable
from dohproxy.config.keys import Text, find_nearest, show
from dohproxy.control.command import Argument, Refused, Result, WrongArguments
from dohproxy.doh.path_token import Invitation
from dohproxy.durations import parse_seconds
from dohproxy.jobs.member_file import NotWritten
from dohproxy.member_token import TOKEN_BYTES, digest_of, token_of
from dohproxy.outcomes import Reason, told_as
from dohproxy.policy.members import BadMembers, Member, Members, is_member_name

MOST_SECONDS: Final = 3_660 * 86_400
"""Ten years: what is meant for longer is meant for ever, and needs no end."""


def parse_member_name(text: str, _: Path) -> str:
    """Read what a member is called."""
    if not is_member_name(text):
        raise Unusable('is no name for a member; write up to 64 letters, digits and ". _ @ + -".')
    return text


def parse_expiry(text: str, _: Path) -> str:
    """Read how long a token is valid, "12h", "90d", "8w", or the day on which it no longer is, "2027-07-01"."""
    if 0 < (parse_seconds(text) or 0) <= MOST_SECONDS:
        return text
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            pass
        else:
            return text
    raise Unusable('is neither a time, "12h", "90d" or "8w" of up to ten years, nor a day such as "2027-07-01".')


def expiry_of(text: str, now: float) -> float:
    """Return when what `parse_expiry` has read is over, in Unix seconds; a day begins at midnight UTC."""
    if "-" in text:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    return now + (parse_seconds(text) or 0)


NAME: Final = Argument(
    "name", Text(parse_member_name, "a name", "alice", "What you call the member; the log has it."), is_required=True
)
EXPIRES: Final = Argument(
    "expires",
    Text(
        parse_expiry,
        "a time or a day",
        "90d",
        "Until when: a time such as 12h, 90d or 8w, or the day on which it is over, 2027-07-01. For ever if left out.",
    ),
    is_option=True,
)


class MemberBook(Protocol):
    """Where the list of members is kept."""

    members: Members
    """As it was read or written last."""

    @property
    def refusal(self) -> str:
        """Why the file as it lies on the disk is not in use, in a sentence; "" if it is."""

    async def poll(self, now: float) -> None:
        """Read it again if it has changed; `now` is Unix seconds."""

    async def change(self, make: Callable[[Members], Members], now: float) -> None:
        """Write what `make` makes of it, and hold to it. Raises NotWritten, and what `make` raises; then nothing has
        changed."""


class HasMembers(Protocol):
    """A service that may know members by URLs of their own."""

    def member_book(self) -> MemberBook | None:
        """Return the list, None if the configuration names no file for it."""

    def invitation(self, token: str) -> Invitation:
        """Return what a member with this token is given."""


async def add(service: HasMembers, values: Mapping[str, Any]) -> Result:
    """Make a URL for another member."""
    book, name, now = _book(service), values["name"], time.time()
    expires = math.inf if values["expires"] is None else expiry_of(values["expires"], now)
    if expires <= now:
        raise WrongArguments(f"expires is {show(values['expires'])}, which is over; write a day that is to come.")
    token = token_of(secrets.token_bytes(TOKEN_BYTES))
    member = Member(name, digest_of(token), now, expires)

    def with_one_more(members: Members) -> Members:
        if members.find(name) is not None:
            raise Refused(f"There is a member {name} already. Revoke him first, or take another name.")
        try:
            return members.with_one_more(member)
        except BadMembers as full:
            raise Refused(f"The list {full}: revoke some that are not needed any more.") from None

    await _change(book, with_one_more, now)
    # In a thread, because the first one imports what makes stamps.
    invitation = await asyncio.to_thread(service.invitation, token)
    until = "" if math.isinf(expires) else f" until {_moment(expires)}"
    return Result(
        f"{name} is a member{until} with this URL, which is secret and will not be shown again.",
        {
            "name": name,
            "url": invitation.url,
            "stamps": invitation.stamps,
            "dot_name": invitation.dot_name,
            "expires": _plain(expires),
        },
        [
            invitation.url,
            *invitation.stamps,
            *(() if invitation.dot_name is None else (invitation.dot_name,)),
            *(f"remark: {remark}" for remark in invitation.remarks),
        ],
    )


async def list_all(service: HasMembers, _: Mapping[str, Any]) -> Result:
    """Tell who is a member by a URL of their own."""
    book, now = _book(service), time.time()
    try:
        await book.poll(now)
    except NotWritten as error:
        raise Refused(str(error)) from None
    members = book.members.all()
    told = "1 member has" if len(members) == 1 else f"{len(members):,} members have"
    refusal = book.refusal
    return Result(
        f"{told} a URL of their own." + (f" {refusal}" if refusal else ""),
        {"members": [{"name": m.name, "created": m.created, "expires": _plain(m.expires)} for m in members]},
        await asyncio.to_thread(lambda: [_line(member, now) for member in members]),
        is_well=not refusal,
    )


async def revoke(service: HasMembers, values: Mapping[str, Any]) -> Result:
    """End a member's URL."""
    book, name, now = _book(service), values["name"], time.time()

    def without(members: Members) -> Members:
        if members.find(name) is None:
            nearest = find_nearest(name, [member.name for member in members.all()])
            advice = f"did you mean {nearest}?" if nearest is not None else "`dohproxy member list` tells who is."
            raise Refused(f"Nobody called {show(name)} is a member; {advice}")
        return members.without(name)

    await _change(book, without, now)
    refused = told_as(Reason.UNKNOWN_TOKEN)
    return Result(
        f"{name} is revoked. Their URL gets {refused}, from now on and on open connections too.", {"name": name}
    )


def _book(service: HasMembers) -> MemberBook:
    book = service.member_book()
    if book is None:
        raise Refused(
            'No file for members is configured: write member_file = "/var/lib/dohproxy/members.json" into [clients],'
            " and start the service again."
        )
    return book


async def _change(book: MemberBook, make: Callable[[Members], Members], now: float) -> None:
    try:
        await book.change(make, now)
    except NotWritten as error:
        raise Refused(str(error)) from None


def _line(member: Member, now: float) -> str:
    since = f"{member.name}: since {_moment(member.created)}"
    if math.isinf(member.expires):
        return since
    return f"{since}, {'until' if now < member.expires else 'was over'} {_moment(member.expires)}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _plain(expires: float) -> float | None:
    return None if math.isinf(expires) else expires
