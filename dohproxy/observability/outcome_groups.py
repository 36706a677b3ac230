"""What outcomes have in common, for people: eight groups in place of forty reasons."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from dohproxy.outcomes import Reason


class Group(StrEnum):
    """What outcomes have in common, for people."""

    CACHE = "cache"
    UPSTREAM = "upstream"
    STALE = "stale"
    HERE = "here"
    WITHHELD = "withheld"
    MALFORMED = "malformed"
    LIMITED = "limited"
    FAILED = "failed"


_GROUPS: Final[Mapping[Group, frozenset[Reason]]] = {
    Group.CACHE: frozenset({Reason.CACHED}),
    Group.UPSTREAM: frozenset({Reason.FORWARDED}),
    Group.STALE: frozenset({Reason.STALE}),
    Group.HERE: frozenset({Reason.LOCAL, Reason.UNDELEGATED, Reason.MINIMAL_ANY, Reason.PREFLIGHT}),
    Group.WITHHELD: frozenset(
        {Reason.BLOCKED, Reason.CENSORED, Reason.HARMFUL, Reason.FILTERED, Reason.PROHIBITED}
    ),
    Group.LIMITED: frozenset({
        Reason.MEMBERS_ONLY, Reason.LIST_STUB, Reason.BANNED, Reason.CLIENT_LIMIT, Reason.SERVICE_LIMIT,
        Reason.MISS_LIMIT, Reason.DOMAIN_LIMIT,
    }),
    Group.FAILED: frozenset({
        Reason.BUDGET_SPENT, Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_REFUSED,
        Reason.FAILURE_REMEMBERED, Reason.BUG,
    }),
}  # fmt: skip


def group_of(reason: Reason) -> Group:
    """Return to which group an outcome belongs; what stands in none is malformed, or of a kind that is not served."""
    return next((group for group, reasons in _GROUPS.items() if reason in reasons), Group.MALFORMED)
