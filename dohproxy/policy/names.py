"""What the walk decides by a question's name, beside the names that are special for everybody."""

from dataclasses import dataclass, field

from dohproxy.config import NamesConfig
from dohproxy.policy.blocklists.lists import Blocklists
from dohproxy.policy.discovery.answers import Discovery
from dohproxy.policy.domains import DomainLimit
from dohproxy.policy.gcra import GcraTable
from dohproxy.policy.probes import ClientProbes
from dohproxy.policy.rebinding import RebindingFilter
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.policy.suffixes import PublicSuffixes
from dohproxy.policy.undelegated import Undelegated
from dohproxy.wire.answer import Answer
from dohproxy.wire.name import from_text


@dataclass(slots=True)
class NameRules:
    """The rules about names, in the order in which the walk asks them."""

    probes: ClientProbes
    undelegated: Undelegated
    domains: DomainLimit
    rebinding: RebindingFilter | None = None
    """The filter; None if answers are given whatever addresses they have."""
    blocklists: Blocklists = field(default_factory=Blocklists)
    """Names that are withheld, and clients that are not served; `jobs.blocklist_watch` keeps them up to date."""

    discovery: Discovery = field(default_factory=Discovery)
    """What this service says of itself."""

    switches: RuleSwitches = field(default_factory=RuleSwitches)
    """How the rules among them are held that can be tried."""

    def __post_init__(self) -> None:
        """Give each rule its switch."""
        self.domains.switch = self.switches[Rule.DOMAIN_LIMIT]
        self.undelegated.switch = self.switches[Rule.UNDELEGATED]
        self._hold_filter()

    def _hold_filter(self) -> None:
        if self.rebinding is not None:
            self.rebinding.switch = self.switches[Rule.PRIVATE_ADDRESSES]

    def adopt(self, config: NamesConfig, negative_ttl_max: int, now: float) -> None:
        """Take other rules; what domains have used up stays used up. What is kept already has been judged by the rules
        before."""
        self.undelegated.adopt(negative_ttl_max)
        self.domains.adopt(config, now)
        withheld = 0 if self.rebinding is None else self.rebinding.withheld
        self.rebinding = _rebinding_filter(config, self.undelegated)
        if self.rebinding is not None:
            self.rebinding.withheld = withheld
        self._hold_filter()

    def judge(self, qname: bytes, answer: Answer) -> Answer:
        """Return an answer about a lower-case wire name as it may be given and kept."""
        return answer if self.rebinding is None else self.rebinding.judge(qname, answer)

    def use(self, suffixes: PublicSuffixes, *, may_deny: bool) -> None:
        """Take another list of public suffixes; `may_deny` if names under no top-level domain of it do not exist."""
        self.undelegated.use(suffixes, may_deny=may_deny)
        self.domains.use(suffixes)


def build_name_rules(
    config: NamesConfig,
    suffixes: PublicSuffixes,
    misses: memoryview,
    failures: memoryview,
    *,
    secret: bytes,
    negative_ttl_max: int,
    rules: RuleSwitches | None = None,
) -> NameRules:
    """Build the rules over two zero-filled buffers (`policy.limits.buffer_bytes`); nothing is denied before `use`.

    `negative_ttl_max`: seconds, as of the cache. `secret`: 16 to 64 random bytes, new at each start. `rules`: how they
    are held; without it all are enforced.
    """
    domains = DomainLimit(
        GcraTable(misses, per_second=config.domain_misses_per_second, burst=config.domain_misses_burst),
        GcraTable(failures, per_second=config.domain_failures_per_second, burst=config.domain_failures_burst),
        suffixes,
        misses_burst=config.domain_misses_burst,
        failures_burst=config.domain_failures_burst,
        secret=secret,
        exempt=config.exempt_domains,
    )
    undelegated = Undelegated(suffixes, negative_ttl_max=negative_ttl_max)
    return NameRules(
        *(ClientProbes(), undelegated, domains, _rebinding_filter(config, undelegated)),
        switches=RuleSwitches() if rules is None else rules,
    )


def _rebinding_filter(config: NamesConfig, undelegated: Undelegated) -> RebindingFilter | None:
    if not config.withhold_private_addresses:
        return None
    excepted = [from_text(domain) for domain in config.private_address_domains]
    return RebindingFilter(undelegated.is_delegated, excepted)
