"""What outcomes have in common: each reason is in one group."""

from dohproxy.observability.outcome_groups import _GROUPS, Group, group_of
from dohproxy.outcomes import OUTCOMES, Reason


def test_no_reason_is_in_two_groups() -> None:
    assert sum(map(len, _GROUPS.values())) == len(frozenset().union(*_GROUPS.values()))


def test_every_group_has_a_reason() -> None:
    assert {group_of(reason) for reason in Reason} == set(Group)


def test_only_what_is_malformed_or_not_served_is_in_the_group_without_a_list() -> None:
    malformed = [reason for reason in Reason if group_of(reason) is Group.MALFORMED]
    # A token that is unknown costs no points, as it may have been a member's yesterday.
    assert all(OUTCOMES[reason].weight >= 0.2 for reason in malformed if reason is not Reason.UNKNOWN_TOKEN)
    assert len(malformed) == 23
