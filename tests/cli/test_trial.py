"""The service without a file: what a newcomer is shown."""

import base64
import re
import signal
import ssl
from pathlib import Path

import dns.message
import pytest

from dohproxy.cli.trial import system_upstreams, trial_text
from dohproxy.config import ConfigError, UpstreamConfig, default_config
from dohproxy.tls.throwaway import tbs_hash
from tests.cli.running import START_SECONDS, ask, first_line, started

# As a newcomer runs it, but on any free port, with resolvers of which nobody may be asked.
TRIAL = """
import dataclasses, pathlib, sys
from dohproxy.cli import main, trial
from dohproxy.config import ListenAddress, ServerConfig
default = trial.default_config
free = ServerConfig((ListenAddress("tcp", host="127.0.0.1", port=0),))
trial.default_config = lambda upstreams: dataclasses.replace(default(upstreams), server=free)
trial.RESOLV_CONF = pathlib.Path(sys.argv.pop())
main()
"""


def _decode_stamp(stamp: str) -> tuple[int, str, list[bytes], str, str]:
    """Return properties, address, hashes, host and path of a DoH stamp, read as its draft says."""
    payload = base64.urlsafe_b64decode(stamp.removeprefix("sdns://") + "==")
    assert payload[0] == 2
    properties, rest = int.from_bytes(payload[1:9], "little"), payload[9:]

    def take() -> tuple[bytes, bool]:
        nonlocal rest
        length = rest[0] & 0x7F
        value, more, rest = rest[1 : 1 + length], bool(rest[0] & 0x80), rest[1 + length :]
        return value, more

    address, _ = take()
    hashes, more = [], True
    while more:
        value, more = take()
        hashes.append(value)
    host, _ = take()
    path, _ = take()
    assert rest == b""
    return properties, address.decode(), hashes, host.decode(), path.decode()


def test_without_a_file_it_shows_what_to_try_and_serves(tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("search example.net\nnameserver 192.0.2.53\n")
    with started("serve", str(resolv_conf), code=TRIAL) as process:
        assert process.stdout is not None
        lines = [first_line(process)]
        while not lines[-1].startswith("Ctrl-C"):
            lines.append(process.stdout.readline())
        shown = "".join(lines)
        url = re.search(r"serves (https://127\.0\.0\.1:(\d+)/dns-query)\n", shown)
        assert url is not None
        assert "asking udp://192.0.2.53" in shown
        port = int(url[2])
        certificate = ssl.get_server_certificate(("127.0.0.1", port), timeout=START_SECONDS)
        shown_file = tmp_path / "shown.pem"
        shown_file.write_text(certificate)
        stamp = re.search(r"stamp: +(sdns://[\w-]+)\n", shown)
        assert stamp is not None
        assert _decode_stamp(stamp[1]) == (
            *(0, "127.0.0.1", [tbs_hash(shown_file)], f"localhost:{port}", "/dns-query"),
        )
        assert f"curl --doh-insecure --doh-url {url[1]} https://example.com/" in shown
        query = re.search(rf"'{re.escape(url[1])}\?dns=([\w-]+)'", shown)
        assert query is not None
        asked = dns.message.from_wire(base64.urlsafe_b64decode(query[1] + "=="))
        assert [str(question) for question in asked.question] == ["example.com. IN A"]
        assert ask(port, shown_file).answer
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_SECONDS)
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("nameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", ["192.0.2.1", "2001:db8::1"]),
        ("nameserver 192.0.2.1\nnameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 9)), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        ("# nameserver 192.0.2.9\n;nameserver 192.0.2.8\nnameserver\t192.0.2.1 # own\n\xe9\n", ["192.0.2.1"]),
    ],
    ids=["one", "two families", "twice", "too many", "comments"],
)
def test_the_system_s_resolvers_are_those_of_resolv_conf(tmp_path: Path, text: str, hosts: list[str]) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text, encoding="latin-1")
    upstreams = system_upstreams(file)
    assert [upstream.url.host for upstream in upstreams] == hosts
    assert {(upstream.url.transport, upstream.url.port) for upstream in upstreams} == {("udp", 53)}
    assert len({upstream.name for upstream in upstreams}) == len(hosts)


@pytest.mark.parametrize(
    ("text", "told"), [(None, "No such file"), ("", "names no resolver"), ("nameserver\n", "names no")]
)
def test_a_machine_without_resolvers_is_told_what_towrite(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "resolv.conf"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        system_upstreams(file)
    assert "[[upstream]]" in str(caught.value)


def test_the_trial_text_fits_a_terminal(directory: Path) -> None:
    config = default_config(system_upstreams_of(directory))
    text = trial_text(config, "127.0.0.1:8443", directory / "certificate.pem")
    assert "https://127.0.0.1:8443/dns-query" in text
    assert not text.endswith("\n")


def system_upstreams_of(directory: Path) -> tuple[UpstreamConfig, ...]:
    """Return the upstreams of a made-up machine."""
    (directory / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    return system_upstreams(directory / "resolv.conf")
