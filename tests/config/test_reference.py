"""The annotated reference is written from the schema, and what is shipped is what would be written."""

from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import check_warnings, default_config, load, read, reference
from dohproxy.config.sections import SECTIONS, Section

SHIPPED = Path(__file__).parents[2] / "conf" / "dohproxy.toml"


def test_the_shipped_file_is_the_one_written_from_the_schema() -> None:
    # After a change of the schema:
    # python -c 'import dohproxy.config as c; print(c.reference(), end="")' > conf/dohproxy.toml
    assert SHIPPED.read_text(encoding="utf-8") == reference()


def test_the_shipped_file_holds_the_defaults_and_no_more() -> None:
    config = load(SHIPPED)
    assert config == default_config(config.upstreams)
    assert check_warnings(config) == ()


def test_what_stands_as_a_comment_can_be_used_as_it_is() -> None:
    lines = reference().splitlines()
    text = "\n".join(line.removeprefix("#") for line in lines if not line.startswith("# "))
    text += '\n[[upstream]]\nname = "home"\nurl = "udp://127.0.0.1:5353"\n'  # Which the route names.
    config = read(text.replace("\n#\n", "\n"), directory=Path("/etc/dohproxy"))
    assert None not in (config.tls, config.metrics, config.admin)
    [upstream] = config.general_upstreams
    assert upstream.ca_file == Path("/etc/dohproxy/upstream-ca.pem")
    assert (replace(upstream, ca_file=None),) == load(SHIPPED).upstreams
    assert [(route.domains, route.upstreams) for route in config.routes] == [(("home.arpa",), ("home",))]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_every_key_stands_in_the_reference_with_its_reason(section: Section) -> None:
    words = " ".join(reference().replace("#", " ").split())
    keys = section.keys.values()
    assert keys
    for declared in keys:
        assert " ".join(declared.key.why.replace("#", " ").split()) in words
        assert f" {declared.name} = " in words


def test_the_reference_fits_a_terminal() -> None:
    assert max(map(len, reference().splitlines())) <= 100
