"""[rules]: which rules act, which are only tried, and which are off."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from dohproxy.config.keys import Choice

RuleMode = Literal["enforce", "shadow", "off"]
RULE_MODES: Final = ("enforce", "shadow", "off")
_MEANT: Final = (
    ("true", 'write "enforce".'),
    ("on", 'write "enforce".'),
    ("false", 'write "off".'),
    ("count", 'write "shadow".'),
    ("dry-run", 'write "shadow".'),
)


def _mode(why: str) -> Choice:
    return Choice(RULE_MODES, why, _MEANT)


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """Which rules act, which are only tried, and which are off.

    enforce: the rule acts. shadow: it is counted what it would have done, in dohproxy_shadowed_total and in `status`,
    and nothing else comes of it. off: it is not looked at. A reload changes it at once, on open connections too. Each
    rule is called as what it brings is called in the metrics. Bans, lists and dialects have the same in bans.mode,
    blocklist.mode and [dialects]; docs/rules.md says what cannot be tried, and why.
    """

    client_limit: Annotated[
        RuleMode,
        _mode("Requests over limits.requests_per_second and its burst, of a client or one of its networks: 429."),
    ] = "enforce"
    miss_limit: Annotated[
        RuleMode,
        _mode("Misses over limits.misses_per_second and its burst: an old answer, or REFUSED."),
    ] = "enforce"
    domain_limit: Annotated[
        RuleMode,
        _mode(
            "Misses over names.domain_misses_per_second or names.domain_failures_per_second: an old answer, or REFUSED."
        ),
    ] = "enforce"
    service_limit: Annotated[
        RuleMode,
        _mode(
            "Misses while all clients together are over limits.total_requests_per_second: an old answer, or 503. Places"
            " for misses (limits.waiting_misses) are a bound, and hold whatever stands here."
        ),
    ] = "enforce"
    too_many_per_client: Annotated[
        RuleMode,
        _mode("Connections over connections.max_per_client or connections.max_per_network: closed."),
    ] = "enforce"
    client_rate: Annotated[
        RuleMode,
        _mode("Connections over connections.new_per_second_per_client: closed."),
    ] = "enforce"
    total_rate: Annotated[
        RuleMode,
        _mode("Connections over connections.new_per_second, or over the share of their prefix in it: closed."),
    ] = "enforce"
    strangers_rate: Annotated[
        RuleMode,
        _mode("Connections of strangers over what connections.stranger_handshake_percent allows: closed."),
    ] = "enforce"
    undelegated: Annotated[
        RuleMode,
        _mode("Names under top-level domains that do not exist, where names.answer_undelegated is true: NXDOMAIN."),
    ] = "enforce"
    private_addresses: Annotated[
        RuleMode,
        _mode(
            "Answers with private addresses for public names, where names.withhold_private_addresses is true: withheld."
        ),
    ] = "enforce"
    listed_reaction: Annotated[
        RuleMode,
        _mode("What listed.reaction does while a public list has us. The command mode holds whatever stands here."),
    ] = "enforce"
    list_stub: Annotated[
        RuleMode,
        _mode('Requests of public lists\' stubs, where listed.stubs is "turn-away": 403.'),
    ] = "enforce"
