"""The certificate."""

from pathlib import Path

import pytest

from dohproxy.config import ConfigError, TlsConfig, read

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://192.0.2.53"\n'


@pytest.mark.parametrize(("written", "missing"), [("certificate", "tls.key"), ("key", "tls.certificate")])
def test_a_certificate_and_its_key_are_of_use_only_together(written: str, missing: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f'{UPSTREAM}[tls]\n{written} = "x.pem"\n', directory=Path("/etc/dohproxy"))
    assert [problem.path for problem in caught.value.problems] == [missing]


def test_a_renewal_is_seen_within_a_minute() -> None:
    assert TlsConfig(Path("fullchain.pem"), Path("privkey.pem")).reload_seconds <= 60
