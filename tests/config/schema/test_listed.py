"""What happens when a public list has found the service."""

from typing import get_args, get_type_hints

from dohproxy.config import ListedConfig
from dohproxy.policy.mode import Reaction


def test_every_reaction_can_be_written_and_means_something() -> None:
    assert set(get_args(get_type_hints(ListedConfig)["reaction"])) == {reaction.value for reaction in Reaction}


def test_members_are_protected_and_nobody_is_turned_away_by_default() -> None:
    assert (ListedConfig().reaction, ListedConfig().stubs) == ("members-first", "serve")


def test_the_flood_of_2019_was_above_the_threshold() -> None:
    assert ListedConfig().new_networks_per_minute < 5_000 / 240
