"""Which files a backup holds: every key that names one is thought of."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from dohproxy.config import read
from dohproxy.config.sections import BLOCKLIST, ROUTE, SECTIONS, UPSTREAM
from dohproxy.tools.backup.contents import FILES, MADE_BY_THE_SERVICE, OF_THE_MACHINE, contents
from tests.tools.backup.conftest import House


def _paths() -> list[str]:
    found = []
    for section in {one.name: one for one in (*SECTIONS, UPSTREAM, ROUTE, BLOCKLIST)}.values():
        for name, hint in get_type_hints(section.made_into).items():
            if Path in (hint, *get_args(hint)):
                found.append(f"{section.name}.{name}")
    return found


@pytest.mark.parametrize("key", _paths())
def test_a_key_that_names_a_file_is_thought_of(key: str) -> None:
    assert [key in table for table in (FILES, MADE_BY_THE_SERVICE, OF_THE_MACHINE)].count(True) == 1


def test_no_key_is_thought_of_that_there_is_not() -> None:
    assert {*FILES, *MADE_BY_THE_SERVICE, *OF_THE_MACHINE} == set(_paths())


def test_the_files_of_a_service(house: House) -> None:
    found = {item.key: item.place.relative_to(house.directory) for item in contents(house.file, house.config)}
    assert {key: str(place) for key, place in found.items()} == {
        "configuration": "etc/dohproxy.toml",
        "tls.certificate": "etc/certificate.pem",
        "tls.key": "etc/key.pem",
        "clients.member_file": "etc/../state/members.json",
        "cache.snapshot_file": "state/cache.snapshot",
        "blocklist #1.file": "etc/ads.txt",
        "server.state_directory/key": "state/key",
        "server.state_directory/state": "state/state",
        "server.state_directory/blocks.json": "state/blocks.json",
        "server.state_directory/hours.sqlite": "state/hours.sqlite",
    }


def test_a_service_that_names_nothing_has_its_configuration_alone() -> None:
    config = read('[[upstream]]\nname = "ns0"\nurl = "udp://127.0.0.1:9"\n', directory=Path("/etc"))
    assert [item.key for item in contents(Path("/etc/a.toml"), config)] == ["configuration"]
