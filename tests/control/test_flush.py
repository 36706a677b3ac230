"""What is forgotten, and what is said of it."""

from typing import Any

import pytest

from dohproxy.cache import Cache
from dohproxy.config import CacheConfig
from dohproxy.control.command import WrongArguments
from dohproxy.control.flush import below_of, flush
from dohproxy.wire.name import from_text
from tests.cache.answers import ask, positive
from tests.control.command_samples import FakeService

NAMES = ("example.net", "www.example.net", "a.www.example.net", "xwww.example.net", "example.org")


def arguments(name: str | None = None, *, below: bool = False, everything: bool = False) -> dict[str, Any]:
    return {"name": name, "below": below, "all": everything}


def filled() -> FakeService:
    """Return a service with two caches that have all names."""
    service = FakeService()
    service.kept = [Cache(CacheConfig()), Cache(CacheConfig())]
    for cache in service.kept:
        for name in NAMES:
            query = ask(name)
            cache.store(query.key, positive(query), 0.0)
    return service


@pytest.mark.parametrize(
    ("given", "left", "sentence"),
    [
        (
            arguments("www.example.net"),
            {"example.net", "a.www.example.net", "xwww.example.net", "example.org"},
            "Forgotten: 2 answers and failures about www.example.net.",
        ),
        (
            arguments("www.example.net", below=True),
            {"example.net", "xwww.example.net", "example.org"},
            "Forgotten: 4 answers and failures about www.example.net and all names below it.",
        ),
        (arguments(everything=True), set(), "Forgotten: 10 answers and failures about everything."),
        (arguments(".", below=True), set(), "Forgotten: 10 answers and failures about . and all names below it."),
        (arguments("nowhere.net"), set(NAMES), "Nothing was known about nowhere.net."),
    ],
    ids=["a name", "all below too", "everything", "the root and all below", "nothing"],
)
async def test_what_is_meant_is_forgotten_in_every_cache(given: dict[str, Any], left: set[str], sentence: str) -> None:
    service = filled()
    result = await flush(service, given)
    assert result.sentence == sentence
    for cache in service.kept:
        assert {name for name in NAMES if cache.peek(ask(name).key) is not None} == left
    [is_meant] = service.flushed
    assert {name for name in NAMES if not is_meant(from_text(name))} == left


@pytest.mark.parametrize(
    "given",
    [arguments(), arguments(below=True), arguments("a", everything=True), arguments(below=True, everything=True)],
    ids=["nothing", "below nothing", "a name and everything", "below everything"],
)
async def test_what_means_nothing_or_two_things_is_refused(given: dict[str, Any]) -> None:
    service = filled()
    with pytest.raises(WrongArguments):
        await flush(service, given)
    assert all(cache.statistics().positive_entries == len(NAMES) for cache in service.kept)


def test_a_label_that_ends_with_the_bytes_of_a_name_is_not_below_it() -> None:
    is_meant = below_of(from_text("example.net"))
    assert is_meant(from_text("www.example.net"))
    assert not is_meant(bytes((10,)) + b"ab" + from_text("example.net"))
