"""Who runs the service."""

from pathlib import Path

import pytest

from dohproxy.config import AboutConfig, ConfigError, read

HERE = Path("/etc/dohproxy")
UPSTREAM = '[[upstream]]\nname = "a"\nurl = "udp://127.0.0.1:53"\n'


def test_nothing_is_said_unasked() -> None:
    assert AboutConfig() == AboutConfig(name=None, url=None, contact=None, imprint=None, object_to=None)


def test_what_is_written_is_read() -> None:
    found = read(UPSTREAM + '[about]\nname = "Us"\ncontact = "dns@example.org"\n', directory=HERE).about
    assert (found.name, found.contact, found.url) == ("Us", "dns@example.org", None)


def test_a_link_that_would_run_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"about\.url"):
        read(UPSTREAM + '[about]\nurl = "javascript:alert(1)"\n', directory=HERE)
