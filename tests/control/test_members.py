"""Members added, listed and revoked by command, and what is told of a token."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.control.command import Refused, WrongArguments
from dohproxy.control.members import add, expiry_of, list_all, parse_expiry, parse_member_name, revoke
from dohproxy.jobs.member_file import NotWritten
from dohproxy.member_token import digest_of
from dohproxy.policy.members import DIGEST_BYTES, MOST_MEMBERS, Member, Members
from tests.control.command_samples import FakeService

NOW = 1_800_000_000.0
ROOT = Path("/")


class Book:
    """A list in memory."""

    def __init__(self, *members: Member) -> None:
        self.refusal = ""
        self.members = Members(members)
        self.is_broken = False

    async def poll(self, now: float) -> None:
        if self.is_broken:
            raise NotWritten("The file is no good.")

    async def change(self, make: Callable[[Members], Members], now: float) -> None:
        await self.poll(now)
        self.members = make(self.members)


@pytest.fixture
def book() -> Book:
    return Book(Member("bob", bytes(DIGEST_BYTES), NOW, NOW + 1))


@pytest.fixture
async def service(book: Book) -> FakeService:
    service = FakeService()
    service.book = book
    return service


def wanted(name: str, expires: str | None = None) -> dict[str, Any]:
    return {"name": name, "expires": expires}


async def test_a_member_gets_a_url_whose_token_is_kept_as_its_digest_alone(service: FakeService, book: Book) -> None:
    result = await add(service, wanted("alice"))
    token = result.figures["url"].rpartition("/")[2]
    found = book.members.find("alice")
    assert found is not None
    assert (found.digest, found.expires) == (digest_of(token), math.inf)
    assert result.lines[:2] == [f"https://doh.example.net/dns-query/{token}", f"sdns://{token}"]
    assert token not in result.sentence
    assert result.figures["expires"] is None


async def test_no_two_members_get_the_same_url(service: FakeService) -> None:
    urls = {(await add(service, wanted(f"m{number}"))).figures["url"] for number in range(100)}
    assert len(urls) == 100


async def test_a_member_may_be_one_for_a_while(service: FakeService, book: Book) -> None:
    result = await add(service, wanted("alice", "90d"))
    found = book.members.find("alice")
    assert found is not None
    assert found.expires - found.created == 90 * 86_400
    assert re.search(r" until \d{4}-\d\d-\d\d \d\d:\d\d UTC ", result.sentence)
    assert result.figures["expires"] == found.expires


async def test_a_day_that_is_over_is_refused(service: FakeService, book: Book) -> None:
    with pytest.raises(WrongArguments, match="which is over"):
        await add(service, wanted("alice", "2020-01-01"))
    assert book.members.find("alice") is None


async def test_a_name_that_is_taken_is_refused(service: FakeService) -> None:
    with pytest.raises(Refused, match="There is a member bob already"):
        await add(service, wanted("bob"))


async def test_there_are_no_more_members_than_so_many(service: FakeService, book: Book) -> None:
    book.members = Members(Member(f"m{n}", n.to_bytes(DIGEST_BYTES), NOW) for n in range(MOST_MEMBERS))
    with pytest.raises(Refused, match="revoke some"):
        await add(service, wanted("alice"))


async def test_the_list_tells_who_since_when_and_until_when(service: FakeService, book: Book) -> None:
    book.members = book.members.with_one_more(Member("alice", b"a" * DIGEST_BYTES, NOW))
    result = await list_all(service, {})
    assert result.sentence == "2 members have a URL of their own."
    assert result.lines[1] == "alice: since 2027-01-15 08:00 UTC"
    assert result.lines[0].startswith("bob: since 2027-01-15 08:00 UTC, until 2027-01-15 08:00")
    assert all("digest" not in row for row in result.figures["members"])


async def test_a_list_whose_file_is_not_in_use_is_not_well(service: FakeService, book: Book) -> None:
    book.refusal = "The file of members is damaged."
    result = await list_all(service, {})
    assert result.sentence == "1 member has a URL of their own. The file of members is damaged."
    assert not result.is_well


async def test_who_is_revoked_is_on_the_list_no_more(service: FakeService, book: Book) -> None:
    result = await revoke(service, {"name": "bob"})
    assert len(book.members) == 0
    assert "404 over DoH, the end of the connection over DoT" in result.sentence


@pytest.mark.parametrize(("name", "advice"), [("bobb", "did you mean bob?"), ("zoe", "member list")])
async def test_who_is_no_member_cannot_be_revoked(service: FakeService, name: str, advice: str) -> None:
    with pytest.raises(Refused, match=re.escape(advice)):
        await revoke(service, {"name": name})


async def test_without_a_file_for_members_it_is_told_what_to_write(service: FakeService) -> None:
    service.book = None
    for command in (add, revoke, list_all):
        with pytest.raises(Refused, match="member_file = "):
            await command(service, wanted("alice"))


async def test_a_file_that_cannot_be_used_is_told(service: FakeService, book: Book) -> None:
    book.is_broken = True
    for command in (add, revoke, list_all):
        with pytest.raises(Refused, match="no good"):
            await command(service, wanted("bob2"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("12h", 43_200), ("90d", 7_776_000), ("8w", 4_838_400), ("3660d", 316_224_000)]
)
def test_a_time_counts_from_now(text: str, seconds: int) -> None:
    assert expiry_of(parse_expiry(text, ROOT), NOW) == NOW + seconds


def test_a_day_begins_at_midnight_of_utc() -> None:
    expected = datetime(2027, 7, 1, tzinfo=UTC).timestamp()
    assert expiry_of(parse_expiry("2027-07-01", ROOT), NOW) == expected


@pytest.mark.parametrize("text", ["", "0d", "90", "d", "3661d", "-1d", "1.5d", "2027-13-01", "2027-02-30", "tomorrow"])
def test_another_end_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Unusable, match="90d"):
        parse_expiry(text, ROOT)


def test_a_name_that_could_not_be_told_on_one_line_is_refused() -> None:
    assert parse_member_name("alice", ROOT) == "alice"
    with pytest.raises(Unusable, match="up to 64"):
        parse_member_name("a\nb", ROOT)
