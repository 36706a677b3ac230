"""Figures that stand in texts: each is the program's own, is measured here, or says when it was measured."""

import re
from pathlib import Path

import pytest

from dohproxy.cache import Cache
from dohproxy.cache.snapshot import SnapshotWriter
from dohproxy.config import (
    CacheConfig,
    Config,
    ConnectionsConfig,
    LimitsConfig,
    UpstreamConfig,
    default_config,
    read,
    reference,
)
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.policy.gcra import SLOT_BYTES
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import parse_query
from tests.wire import messages as m

ROOT = Path(__file__).parents[2]
WORDS = " ".join(reference().replace("#", " ").split())
NEAR = 0.3
"""How far a round figure may be from what is measured of an ordinary case."""


def config() -> Config:
    return default_config((UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 53)),))


def figure(pattern: str) -> float:
    """The only number that the reference has in this place, with its thousands."""
    [found] = re.findall(pattern, WORDS)
    return float(found.replace(",", ""))


def filled_cache() -> Cache:
    """A cache of one MiB, full of answers as people get them: one to four addresses of a name of some length."""
    cache = Cache(CacheConfig(max_megabytes=1))
    for number in range(6_000):
        qtype, size = (m.A, 4) if number % 3 else (28, 16)
        query = parse_query(m.query(m.question(m.name(f"www{number}.example-{number % 97}.net"), qtype), m.opt()))
        records = [m.record(qtype, bytes(size)) for _ in range((1, 1, 2, 4)[number % 4])]
        cache.store(query.key, parse_answer(m.answer(*records, asked=query.question), query), 0.0)
    return cache


CACHE = filled_cache()
ENTRIES = CACHE.statistics().positive_entries


def test_answers_that_fit_into_the_cache() -> None:
    assert ENTRIES * config().cache.max_megabytes == pytest.approx(
        figure(r"some ([\d,]+) of them, five times"), rel=NEAR
    )


def test_answers_that_fit_into_the_cache_of_a_route() -> None:
    assert pytest.approx(figure(r"some ([\d,]+) of them\. They are in no snapshot"), rel=NEAR) == ENTRIES


def test_size_of_a_snapshot() -> None:
    writer = SnapshotWriter(wall_now=1_700_000_000.0, now=0.0)
    for key in CACHE.by_recency(ENTRIES):
        entry = CACHE.peek(key)
        assert entry is not None
        writer.add(key, entry)
    entries, megabytes = figure(r"([\d,]+) entries are \d+ MB"), figure(r"entries are (\d+) MB")
    assert writer.size / writer.entries * entries / 1e6 == pytest.approx(megabytes, rel=NEAR)


def test_size_of_the_limiters_tables() -> None:
    slots = LimitsConfig().table_slots
    assert f"{slots:,} slots are {slots * SLOT_BYTES >> 20} MiB" in WORDS


def test_memory_of_all_connections_is_that_of_one_as_often_as_there_may_be() -> None:
    # That of one is measured in e2e/test_figures.py.
    each, all_ = figure(r"idle one with TLS holds (\d+) KiB"), figure(r"so the default may cost (\d+) MiB")
    assert all_ == round(each * ConnectionsConfig().max_total / 1024)


def test_answers_that_may_wait_for_one_client() -> None:
    largest = figure(r"four answers of the largest size DNS has \(([\d,]+)\)")
    assert ConnectionsConfig().max_queued_bytes // largest == 4


def test_the_reference_is_as_short_as_its_reader_supposes() -> None:
    assert len(reference().encode()) < 57_344  # Named in config/files.py.


def test_every_time_that_was_measured_says_when() -> None:
    measured = re.findall(r"[^.:;]*\bcosts? [\d.]+(?: to [\d.]+)? ms[^.:;]*", WORDS)
    measured += re.findall(r"[^.:;]*of a second of one core[^.:;]*", WORDS)
    assert len(measured) >= 3
    assert [text for text in measured if not re.search(r"\([A-Z][a-z]+ 20\d\d\)", text)] == []


def test_the_route_that_the_manual_shows_can_be_used() -> None:
    text = (ROOT / "docs" / "upstreams.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    general = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53"\n'
    assert read(general + example, directory=Path("/")).routes
