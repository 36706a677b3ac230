"""Which texts name a host and perhaps a port."""

import pytest

from dohproxy.authority import is_authority


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "doh.example.net",
        "doh.example.net.",
        "DOH.example.NET:8443",
        "127.0.0.1:8443",
        "localhost:",
        "[::1]",
        "[2001:db8::1]:443",
        "[::ffff:192.0.2.1]",
        "[v1.a:b]",
        "xn--mnchen-3ya.example",
        "under_score.example",
        "%e4%bd%a0.example",
        "a!$&'()*+,;=~-b",
    ],
)
def test_a_host_is_one(text: str) -> None:
    assert is_authority(text)


@pytest.mark.parametrize(
    "text",
    [
        "a b",
        "a\tb",
        "user@localhost",
        "user:password@localhost",
        "local/host",
        "a/b",
        "a\\b",
        "localhost:port",
        "localhost:-1",
        "localhost:80:80",
        "localhost?",
        "localhost#",
        "[::1",
        "::1",
        "[::1]a",
        "[:::1]",
        "[1::2::3]",
        "[fe80::1%25eth0]",
        "[localhost]",
        "[]",
        "a[::1]",
        "a%2",
        "a%zz",
        "m\xfcnchen.example",
        '"localhost"',
        "a, b",
        "<a>",
        "localhost\n",
        "localhost:\uff11",
    ],
)
def test_what_is_none_is_none(text: str) -> None:
    assert not is_authority(text)
