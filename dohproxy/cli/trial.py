"""The service without a configuration file: to try things out, on loopback, with this machine's resolvers."""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from dohproxy.cli.terminal import VERSION
from dohproxy.config import Config, ConfigError, Problem, TlsConfig, UpstreamAddress, UpstreamConfig, default_config
from dohproxy.config.resolv_conf import nameservers_in
from dohproxy.doh.stamp import Protocol, Stamp
from dohproxy.doh.stamp_codec import encode
from dohproxy.tls.throwaway import tbs_hash, write_throwaway_certificate

RESOLV_CONF: Final = Path("/etc/resolv.conf")


@contextmanager
def trial_config() -> Iterator[tuple[Config, Path]]:
    """Give a configuration to try things out: this machine's resolvers, a certificate made for the occasion."""
    config = default_config(system_upstreams(RESOLV_CONF))
    with tempfile.TemporaryDirectory(prefix="dohproxy-") as directory:
        certificate, key = write_throwaway_certificate(Path(directory), config.server.host)
        yield replace(config, tls=TlsConfig(certificate, key)), certificate


def system_upstreams(resolv_conf: Path) -> tuple[UpstreamConfig, ...]:
    """Return the resolvers that this machine uses. Raises ConfigError if none can be found."""
    hosts: tuple[str, ...] = ()
    try:
        hosts = nameservers_in(resolv_conf.read_text(encoding="utf-8", errors="replace"))
        reason = f"{resolv_conf} names no resolver"
    except OSError as error:
        reason = f"{resolv_conf} cannot be read ({error.strerror})"
    if not hosts:
        sentence = f'{reason}; write a file with an [[upstream]], for instance url = "tls://192.0.2.53#ns0.example.net"'
        raise ConfigError((Problem("upstream", f"none is configured: {sentence}, and give it with --config"),))
    return tuple(
        UpstreamConfig(name=f"system{number}", url=UpstreamAddress("udp", host, 53))
        for number, host in enumerate(hosts)
    )


def trial_text(config: Config, address: str, certificate: Path) -> str:
    """Return what a newcomer is shown: the URL, the stamp, and a command to try."""
    url = f"https://{address}{config.server.path}"
    ip, _, port = address.rpartition(":")
    host = f"{config.server.host}:{port}"
    stamp = encode(Stamp(Protocol.DOH, address=ip, hashes=(tbs_hash(certificate),), host=host, path=config.server.path))
    upstreams = ", ".join(str(upstream.url) for upstream in config.upstreams)
    query = base64.urlsafe_b64encode(
        bytes.fromhex("00000100000100000000000007657861") + b"mple\x03com\x00\x00\x01\x00\x01"
    )
    return "\n".join((
        f"dohproxy {VERSION} serves {url}",
        f"with a throw-away certificate, asking {upstreams}",
        "",
        f"stamp:  {stamp}",
        f"try:    curl --doh-insecure --doh-url {url} https://example.com/",
        f"        curl --insecure '{url}?dns={query.decode().rstrip('=')}' --output - | od -c",
        "",
        "Ctrl-C ends it. For real service write a file: dohproxy serve --config FILE",
    ))  # fmt: skip
