"""What a service may promise in a stamp, as far as its configuration knows.

A list's promises are informal, but its maintainers and their programs look at whether they hold: "DNSSEC" is tried by
whether AD is set on what does not exist, and "no filter" by names that some resolvers withhold. What only people know,
such as what the upstreams write down, is theirs to say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dohproxy.config import Config
from dohproxy.doh.stamp import Properties

WORDS: Final[Mapping[Properties, str]] = {
    Properties.DNSSEC: "DNSSEC is validated",
    Properties.NO_LOGS: "no logs are kept",
    Properties.NO_FILTER: "nothing is filtered",
}
"""What each promises."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One of them."""

    flag: Properties
    wanted: bool | None
    """What the operator says; None if he has not said."""
    against: str = ""
    """Why it would not hold, in words that follow "because"; "" where nothing is known."""
    is_sure: bool = False
    """Whether the configuration itself makes it true."""

    @property
    def words(self) -> str:
        """What is promised."""
        return WORDS[self.flag]


def promises_of(config: Config, wanted: Mapping[Properties, bool]) -> tuple[Promise, ...]:
    """Return all of them; `wanted` has those of which the operator says whether they hold."""
    against = {
        Properties.DNSSEC: _against_dnssec(config),
        Properties.NO_LOGS: _against_no_logs(config),
        Properties.NO_FILTER: _against_no_filter(config),
    }
    return tuple(
        Promise(flag, wanted.get(flag), next(reasons, ""), is_sure=flag is Properties.DNSSEC and not _doubted(config))
        for flag, reasons in against.items()
    )


def _doubted(config: Config) -> list[str]:
    """Return the names of upstreams whose word about DNSSEC is not passed on."""
    return [one.name for one in config.general_upstreams if not one.validates or one.url.is_open_path]


def _against_dnssec(config: Config) -> Iterator[str]:
    for name in _doubted(config):
        yield (
            f"{name} is not trusted to validate (upstream.validates), or not reached safely, so no answer of it is said"
            " to be authentic (AD), and lists look for that"
        )


def _against_no_logs(config: Config) -> Iterator[str]:
    if config.bans.log_file is not None:
        yield f"the addresses of banned clients are written to {config.bans.log_file} (bans.log_file)"


def _against_no_filter(config: Config) -> Iterator[str]:
    for one in config.blocklists:
        withholds = one.mode == "enforce" and one.action != "allow"
        if withholds and (one.names or (one.file is not None and one.format != "networks")):
            yield f"the blocklist {one.name} withholds names"
    if config.names.withhold_private_addresses:
        yield "private addresses are withheld (names.withhold_private_addresses)"
