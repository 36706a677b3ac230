"""Which rules act, which are only tried, and which are off."""

from dataclasses import astuple
from pathlib import Path

import pytest

from dohproxy.config import ConfigError, RulesConfig, read

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://192.0.2.53"\n'


def test_an_old_file_enforces_every_rule() -> None:
    config = read(UPSTREAM, directory=Path("/"))
    assert set(astuple(config.rules)) == {"enforce"}


def test_each_rule_has_its_own_word() -> None:
    config = read(f'{UPSTREAM}[rules]\nclient_limit = "shadow"\nmiss_limit = "off"\n', directory=Path("/"))
    assert config.rules == RulesConfig(client_limit="shadow", miss_limit="off")


@pytest.mark.parametrize(
    ("line", "path", "says"),
    [
        ('client_rte = "shadow"', "rules.client_rte", "client_rate"),
        ('client_limit = "shadows"', "rules.client_limit", '"shadow"'),
        ('client_limit = "count"', "rules.client_limit", 'write "shadow"'),
        ("client_limit = false", "rules.client_limit", "must be one of"),
    ],
    ids=["an unknown rule", "a word misspelt", "another's word", "no word"],
)
def test_what_cannot_be_meant_is_refused_by_its_key(line: str, path: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(f"{UPSTREAM}[rules]\n{line}\n", directory=Path("/"))
    [problem] = refused.value.problems
    assert (problem.path, says in problem.sentence) == (path, True)
