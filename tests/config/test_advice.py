"""What a configuration may say and its author probably did not mean."""

from pathlib import Path

import pytest

from dohproxy.config import check_warnings, read

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'
PUBLIC = '[server]\nhost = "doh.example.net"\nlisten = ["[::]:443"]\n'
TLS = '[tls]\ncertificate = "fullchain.pem"\nkey = "privkey.pem"\n'


def warnings_of(text: str) -> dict[str, str]:
    config = read(f"{text}\n{UPSTREAM}", directory=Path("/etc/dohproxy"))
    return {warning.path: warning.sentence for warning in check_warnings(config)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        PUBLIC + TLS,
        '[server]\nlisten = ["unix:h1.sock"]\n[clients]\naddress_from = "forwarded"\ntrusted_proxies = ["unix"]',
        '[metrics]\nlisten = "127.0.0.1:9153"\n[admin]',
        '[[upstream]]\nname = "a"\nurl = "udp://127.0.0.1:1"\n[[upstream]]\nname = "b"\nurl = "tcp://127.0.0.1:1"',
        '[[upstream]]\nname = "lan"\nurl = "udp://10.0.0.53"',
    ],
    ids=[
        "the defaults",
        "a public service with TLS",
        "a front proxy on a socket",
        "metrics and admin on loopback",
        "two transports to this machine",
        "plain DNS in the local network",
    ],
)
def test_an_ordinary_configuration_gets_no_warning(text: str) -> None:
    assert warnings_of(text) == {}


@pytest.mark.parametrize("listen", ["0.0.0.0:443", "[::]:443", "192.0.2.1:443"])
def test_plain_http_open_to_others_is_warned_of(listen: str) -> None:
    warnings = warnings_of(f'[server]\nhost = "doh.example.net"\nlisten = ["{listen}"]')
    assert "without TLS" in warnings["server.listen"]


def test_plain_http_behind_a_front_proxy_is_not_warned_of() -> None:
    front = '[clients]\naddress_from = "proxy-protocol"\ntrusted_proxies = ["192.0.2.1"]\n'
    assert warnings_of(PUBLIC + front) == {}


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ('[server]\nlisten = ["unix:h1.sock"]', "clients.address_from", "share one limit"),
        ('[clients]\ntrusted_proxies = ["192.0.2.1"]', "clients.trusted_proxies", "of no effect"),
        (
            '[clients]\naddress_from = "forwarded"\ntrusted_proxies = ["unix"]',
            "clients.trusted_proxies",
            "no Unix socket is listened on",
        ),
        ('[limits]\nexempt_networks = ["::/0"]', "limits.exempt_networks", "exempts every address"),
        ("[limits]\nmisses_per_second = 10.5", "limits.misses_per_second", "(10 a second)"),
        ('[metrics]\nlisten = "0.0.0.0:9153"', "metrics.listen", "open to other machines"),
        (TLS + '[server]\nlisten = ["[::]:443"]', "server.host", "lead nowhere"),
        ('[[upstream]]\nname = "a"\nurl = "udp://9.9.9.9"', "upstream #1.url", "in the clear"),
        (
            '[[upstream]]\nname = "a"\nurl = "udp://192.0.2.53"',
            "upstream #2.url",
            "sees both budgets added up",
        ),
    ],
    ids=[
        "one limit for all behind a socket",
        "trust without a header",
        "trust in sockets without a socket",
        "a limit for nobody",
        "one client may use the whole budget",
        "public metrics",
        "a service nobody can find",
        "names in the clear",
        "one resolver with two budgets",
    ],
)
def test_what_is_probably_not_meant_is_warned_of(text: str, path: str, hint: str) -> None:
    warnings = warnings_of(text)
    assert list(warnings) == [path]
    assert hint in warnings[path]
