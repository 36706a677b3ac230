"""Each limit broken on purpose is found before anybody can connect."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import http_parser

from dohproxy.config import ConnectionsConfig
from dohproxy.frontends import h1, h1_message
from dohproxy.frontends.self_check import LimitsNotInForce, check_limits
from tests.frontends.door import Setting, open_door


async def test_the_limits_are_in_force() -> None:
    async with open_door() as door:
        check_limits(door.server)
        assert door.register.places_taken == 0


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a longer line": ({"max_line_size": 65_536}, "a request line that is too long"),
    "a longer field": ({"max_field_size": 8_190}, "a header field that is too long"),
    "more fields": ({"max_headers": 128}, "too many header fields"),
    "aiohttp's idle time": ({"keepalive_timeout": 3630.0}, "3630"),
    "lingering": ({"lingering_time": 10.0}, "10"),
    "decompression": ({"auto_decompress": True}, "decompresses"),
}


@pytest.mark.parametrize(("changed", "told"), BROKEN.values(), ids=BROKEN)
async def test_a_limit_that_is_not_ours_is_found(
    changed: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = h1_message.aiohttp_limits

    def others(connections: ConnectionsConfig) -> dict[str, Any]:
        return limits(connections) | changed

    async with open_door() as door:
        monkeypatch.setattr(h1, "aiohttp_limits", others)
        with pytest.raises(LimitsNotInForce, match=told):
            check_limits(door.server)


@pytest.mark.parametrize("keyword", sorted(h1_message.aiohttp_limits(ConnectionsConfig())))
async def test_a_limit_that_is_left_out_or_misspelt_is_found(keyword: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = h1_message.aiohttp_limits

    def misspelt(connections: ConnectionsConfig) -> dict[str, Any]:
        known = limits(connections)
        return known | {f"{keyword}s_": known[keyword]}

    async with open_door() as door:
        monkeypatch.setattr(h1, "aiohttp_limits", misspelt)
        # aiohttp's own factory would drop every limit over this one word.
        with pytest.raises((LimitsNotInForce, TypeError), match=f"{keyword}s_"):
            check_limits(door.server)


async def test_an_unbounded_queue_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door() as door:
        door_of = door.server.door

        def unbounded(*arguments: Any) -> h1.Http1Door:
            made = door_of(*arguments)
            made._max_msg_queue_size = 10_000
            return made

        monkeypatch.setattr(door.server, "door", unbounded)
        with pytest.raises(LimitsNotInForce, match="10000"):
            check_limits(door.server)


async def test_smuggling_that_a_parser_lets_through_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door() as door:
        door_of = door.server.door

        class Lenient:
            """A parser that takes everything."""

            def feed_data(self, _: bytes) -> tuple[tuple[()], bool, bytes]:
                return (), False, b""

        def lenient(*arguments: Any) -> h1.Http1Door:
            made = door_of(*arguments)
            made._parser = Lenient()  # type: ignore[assignment]
            return made

        monkeypatch.setattr(door.server, "door", lenient)
        with pytest.raises(LimitsNotInForce, match="aiohttp accepts"):
            check_limits(door.server)


async def test_the_parser_written_in_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # 2.5: several advisories exist for it alone
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    async with open_door() as door:
        with pytest.raises(LimitsNotInForce, match="without its C parser"):
            check_limits(door.server)


def test_a_service_without_the_c_parser_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "dohproxy.toml"
    file.write_text('[server]\nlisten = ["127.0.0.1:0"]\n[[upstream]]\nname = "a"\nurl = "udp://127.0.0.1:9"\n')
    run = subprocess.run(
        [sys.executable, "-m", "dohproxy", "serve", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"},
        check=False,
    )
    assert run.returncode == 1
    assert "without its C parser" in run.stderr
    assert "Traceback" not in run.stderr


async def test_the_check_takes_no_place_of_the_service() -> None:
    async with open_door(Setting().with_connections(max_total=1)) as door:
        check_limits(door.server)
        assert (door.register.places_taken, door.register.statistics().accepted) == (0, 0)
