"""The figures of a whole service: all that are declared are there, and no traffic adds a label or breaks them."""

import asyncio
import contextlib
import hashlib
import random
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

import dohproxy
from dohproxy.control.figure_list import GROUPS as ALL_GROUPS
from dohproxy.control.figure_list import figures as all_figures
from dohproxy.control.metrics_page import One
from dohproxy.observability.exposition import Exposition
from dohproxy.observability.figures import Figure, Kind
from dohproxy.observability.tallies import LATENCY_BOUNDS
from dohproxy.observability.worker_figures import WORKER_FIGURES
from dohproxy.outcomes import OUTCOMES
from dohproxy.runtime import Runtime
from dohproxy.tls.throwaway import write_throwaway_certificate
from fuzz import seeds
from fuzz.http2_traffic import Traffic
from tests.conftest import FindProgram
from tests.fakes import upstream as fake
from tests.fakes.full_service import crowd, fill, five_milliseconds, serving
from tests.fakes.store import SECRET
from tests.fakes.upstream import Act, FakeUpstream
from tests.frontends.client import RawClient, get, post_head, query
from tests.frontends.served import until

# The others are those of who supervises several processes.
GROUPS = [group for group in ALL_GROUPS if group is not WORKER_FIGURES]


def figures() -> Iterator[Figure[Any]]:
    """Yield every figure that a process by itself can have."""
    return (figure for figure in all_figures() if figure not in WORKER_FIGURES.figures)


MARK = "mark-7f3"
ODD_NAMES = (f'quo"te.{MARK}.example', f"back\\slash.{MARK}.example", f"new\nline.{MARK}.example", "\x00\xff.{}")


def says(rcode: int) -> Act:
    """Reply with an rcode, be it one that nobody has defined."""
    return Act(lambda wire: [fake.make_reply(wire, rcode=rcode)])


ACTS = (
    *(fake.ANSWER, fake.SERVFAIL, fake.REFUSED, fake.BAD_VERSION, fake.TRUNCATED, fake.WRONG_ID, fake.WRONG_QUESTION),
    *(fake.GARBAGE, fake.UNREADABLE, fake.ECHO, fake.LOWER_CASE, fake.WRONG_COOKIE, fake.SILENTLY_CUT),
    *(says(rcode) for rcode in (6, 9, 10, 12, 255, 4_000)),
)
ADDRESSES = {
    "connection": "",
    "x-forwarded-for": "X-Forwarded-For: ",
    "forwarded": "Forwarded: for=",
}

PROXY_HEADER = b"PROXY TCP4 192.0.2.7 127.0.0.1 50000 443\r\n"


def everything(directory: Path) -> str:
    """The sections of a configuration that leaves nothing out."""
    certificate, key = write_throwaway_certificate(directory, "localhost")
    (directory / "state").mkdir(mode=0o700)
    (directory / "nodes.key").write_bytes(SECRET)
    (directory / "nodes.key").chmod(0o600)
    return f"""
        [server]
        listen = ["127.0.0.1:0"]
        host = "localhost"
        state_directory = "{directory}/state"
        [tls]
        certificate = "{certificate}"
        key = "{key}"
        [clients]
        member_file = "{directory}/members.json"
        [cache]
        snapshot_file = "{directory}/snapshot"
        [names]
        withhold_private_addresses = true
        [metrics]
        listen = "unix:{directory}/metrics"
        [admin]
        socket = "{directory}/admin"
        [bans]
        log_file = "{directory}/bans.log"
        kernel_socket = "{directory}/nft"
        [nodes]
        store = "unix:{directory}/store"
        key_file = "{directory}/nodes.key"
        [[route]]
        domains = ["home.arpa"]
        upstreams = ["inner"]
        [[blocklist]]
        name = "ads"
        names = ["ads.example.net"]
        [[upstream]]
        name = "inner"
        url = "udp://127.0.0.1:9"
        """


async def test_a_service_that_leaves_nothing_out_has_every_figure_of_the_list_and_no_other(tmp_path: Path) -> None:
    upstream = FakeUpstream()
    async with upstream.running(), serving(tmp_path, everything(tmp_path), upstream) as (runtime, _):
        await until(lambda: len(runtime.core.figures.groups) == len(GROUPS), "the last group")
        assert sorted(group.title for group in runtime.core.figures.groups) == sorted(group.title for group in GROUPS)
        read = [reading.figure for reading in runtime.core.figures.read()]
        assert sorted(figure.sample_name for figure in read) == sorted(figure.sample_name for figure in figures())
        told = (await runtime.snapshot())["figures"]
        assert told.keys() == {figure.sample_name for figure in figures()}
        file_hash = hashlib.sha256((tmp_path / "dohproxy.toml").read_bytes()).hexdigest()[:12]
        assert told["dohproxy_config_hash"] == int(file_hash, 16)
        assert told["dohproxy_upstream_up"] == {"first": True, "inner": True}


# --- Hostile traffic ---


def hostile(header: str) -> Iterator[bytes]:
    """Yield what connections carry: malformed HTTP of both versions, odd names and addresses, requests of dialects."""
    yield from seeds.http1()
    for seed in range(12):
        yield Traffic(random.Random(seed), seed / 12).wire(9)  # noqa: S311  # no secret
    for spelling in (*seeds.forwarded(), f'"{MARK}"\\'.encode(), b"\xff" * 300):
        line = b" ".join(spelling.splitlines())
        yield get("localhost").replace(b"\r\n\r\n", b"\r\n" + header.encode() + line + b"\r\n\r\n")
    for number, name in enumerate(ODD_NAMES):
        body = query(f"n{number}.example").replace(b"example", name.encode("latin-1")[:7].ljust(7, b"."))
        yield post_head(f"Content-Length: {len(body)}\r\n") + body
    for method in ("PURGE", "BREW", MARK.upper(), "get"):
        yield get(MARK).replace(b"GET", method.encode(), 1)
    for request in seeds.requests():
        method_name, target, accept, media, _, body = request.split(b"\n", 5)
        fields = b"Host: localhost\r\nAccept: %b\r\nContent-Type: %b\r\nContent-Length: %d" % (accept, media, len(body))
        yield b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method_name, target, fields, body)
    for number in range(3 * len(ACTS)):  # Each goes to the upstream, which answers in one odd way after the other.
        yield get(f"q{number}.example.net")


async def send(address: Any, stream: bytes) -> None:
    """Send this, wait for the end of what comes back or a moment, and go."""
    with contextlib.suppress(OSError, TimeoutError):
        client = await RawClient.connect(address)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(0.3):
                await client.send(stream)
                await client.rest()
        client.reset()


DECLARED: dict[str, Figure[Any]] = {figure.sample_name: figure for figure in figures()} | {
    f"{figure.full_name}_{suffix}": figure
    for figure in figures()
    if figure.kind is Kind.HISTOGRAM
    for suffix in ("bucket", "count", "sum")
}
OPEN = {"upstream": {"first"}, "version": {dohproxy.__version__}}
BOUNDS = {*map(str, LATENCY_BOUNDS), "+Inf"}


def is_declared(sample: Sample) -> bool:
    """Tell whether a sample is of a figure that is declared, with its labels and values that these may have."""
    figure = DECLARED[sample.name]
    allowed = {label.name: set(label.values) or OPEN.get(label.name, set()) for label in figure.labels}
    if sample.name.endswith("_bucket"):
        allowed["le"] = BOUNDS
    if "words" in allowed:
        allowed["words"] = {value for name, value in sample.labels.items() if name == "words"}
        assert sample.labels["words"].startswith(("upstream first ", "no upstream can be reached"))
        allowed["upstream"] |= {""}
    return sample.labels.keys() == allowed.keys() and all(sample.labels[name] in allowed[name] for name in allowed)


async def page_after_a_storm(directory: Path, address_from: str) -> str:
    """What a scraper gets after all that hostile clients can send."""
    trusted = '["127.0.0.0/8"]' if address_from != "connection" else "[]"
    sections = f"""
        [server]
        listen = ["127.0.0.1:0"]
        [clients]
        address_from = "{address_from}"
        trusted_proxies = {trusted}
        [limits]
        requests_per_second = 20.0
        requests_burst = 100
        [cache]
        stale_wait_seconds = 0.2
        [resolver]
        attempt_seconds = 0.3
        deadline_seconds = 0.5
        """
    upstream = FakeUpstream(udp=ACTS * 4)
    async with upstream.running(), serving(directory, sections, upstream) as (runtime, address):
        streams = [*hostile(ADDRESSES.get(address_from, "X: "))]
        if address_from == "proxy-protocol":
            streams = [*seeds.proxy_headers(), *(PROXY_HEADER + stream for stream in streams)]
        for first in range(0, len(streams), 16):
            await asyncio.gather(*(send(address, stream) for stream in streams[first : first + 16]))
        return generate_latest(Exposition(runtime.core.figures)).decode()


@pytest.mark.parametrize("address_from", [*ADDRESSES, "proxy-protocol"])
async def test_no_traffic_makes_a_label_or_breaks_the_exposition(tmp_path: Path, address_from: str) -> None:
    text = await page_after_a_storm(tmp_path, address_from)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert [sample for sample in samples if not is_declared(sample)] == []
    assert len(samples) == len({(sample.name, *sorted(sample.labels.items())) for sample in samples})
    assert not any(word in text for word in (MARK, "127.0.0.1", "example"))
    ended = {sample.labels["outcome"] for sample in samples if sample.name == "dohproxy_requests_total"}
    # The storm is one: it ends in many ways.
    assert len(ended & {row.label for row in OUTCOMES.values()}) >= 12


async def test_prometheus_itself_reads_what_hostile_traffic_has_left(tmp_path: Path, find_program: FindProgram) -> None:
    promtool = find_program("promtool", "prometheus")
    text = await page_after_a_storm(tmp_path, "connection")
    check = await asyncio.create_subprocess_exec(promtool, "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    said, _ = await check.communicate(text.encode())
    assert (check.returncode, said) == (0, b"")


# --- What a look costs ---


RUNS = 15


def cost(runtime: Runtime) -> dict[str, float]:
    """The seconds of CPU that each family of a page takes, from its owner's statistics to its text."""
    found = {}
    families = Exposition(runtime.core.figures).collect()
    begun = time.thread_time()
    for family in families:
        generate_latest(One(family))
        found[family.name] = time.thread_time() - begun
        begun = time.thread_time()
    return found


async def test_a_page_with_everything_full_stalls_nobody_for_5_ms_and_costs_no_more_than_20(tmp_path: Path) -> None:
    upstream = FakeUpstream()
    async with upstream.running(), serving(tmp_path, crowd(tmp_path), upstream) as (runtime, _):
        fill(runtime)
        # The least of several: what else this machine does is not our cost. Where it is slower than it would be by
        # itself, for as long as this lasts, so is what is known to take 5 ms.
        runs = [(cost(runtime), five_milliseconds()) for _ in range(RUNS)]
    least = {name: min(run[name] for run, _ in runs) for name in runs[0][0]}
    stall = max(0.005, min(seconds for _, seconds in runs))
    assert {name: seconds for name, seconds in least.items() if seconds > stall} == {}
    assert sum(least.values()) < 4 * stall
