"""How points, forgiveness and the lengths of bans stand to each other."""

from pathlib import Path

import pytest

from dohproxy.config import BansConfig, LimitsConfig, read
from dohproxy.config.problems import ConfigError
from dohproxy.outcomes import OUTCOMES, Reason

DEFAULTS = BansConfig()


def test_a_client_at_ten_times_its_limit_is_not_yet_banned() -> None:
    beyond = 9 * LimitsConfig().requests_per_second
    assert beyond * OUTCOMES[Reason.CLIENT_LIMIT].weight < DEFAULTS.forgiven_per_second


def test_a_network_has_more_than_one_client_and_less_than_all_its_addresses() -> None:
    assert LimitsConfig().network_factor < DEFAULTS.network_factor < 256
    assert DEFAULTS.site_factor == 4 * DEFAULTS.network_factor


def test_an_operator_turns_nothing_on_that_writes_addresses() -> None:
    assert DEFAULTS.log_file is None


def test_an_operator_gives_nobody_a_right_over_the_packet_filter_unawares() -> None:
    assert DEFAULTS.kernel_socket is None


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("first_seconds = 100\nlongest_seconds = 60", "bans.first_seconds"),
        ("network_factor = 20\nsite_factor = 10", "bans.network_factor"),
        ('mode = "on"', "bans.mode"),
        ("points = 0", "bans.points"),
    ],
    ids=["the first is the longest", "a site has less than a network", "another mode", "no points"],
)
def test_what_contradicts_itself_is_refused_by_its_key(keys: str, complaint: str) -> None:
    upstream = '[[upstream]]\nname = "ns0"\nurl = "udp://192.0.2.53"\n'
    with pytest.raises(ConfigError) as refused:
        read(f"{upstream}[bans]\n{keys}\n", directory=Path("/"))
    assert [problem.path for problem in refused.value.problems] == [complaint]
