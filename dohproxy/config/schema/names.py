"""[names]: what the names that are asked for decide."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from dohproxy.config.addresses import parse_domain, parse_path
from dohproxy.config.keys import Integer, Number, Switch, Text, TextList

MAX_DOMAINS: Final = 256


@dataclass(frozen=True, slots=True)
class NamesConfig:
    """What the names that are asked for decide: which cannot exist, and how much may be asked about one domain.

    A domain is what somebody has registered, by the list of public suffixes. A failure is a name that does not exist,
    SERVFAIL, or no answer.
    """

    public_suffix_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/usr/share/publicsuffix/public_suffix_list.dat",
            "A public suffix list in place of the one that is installed with this program. It is read again when it"
            " changes; what is no such list, or holds much less than there is, is refused and the old one stays.",
        ),
    ] = None
    reload_seconds: Annotated[
        float,
        Number(
            1,
            86_400,
            "seconds",
            "Between two looks at the file and at the age of the list, which changes a few times a week at most; a"
            " look is one system call.",
        ),
    ] = 300
    answer_undelegated: Annotated[
        bool,
        Switch(
            "Whether names under top-level domains that do not exist are denied here, which spares the upstream half"
            " of dnscrypt-proxy's probes, Chromium's random names and what leaks from home networks. false if your"
            " upstream knows top-level domains of its own. Clients that validate get the root's proof either way.",
        ),
    ] = True
    max_list_age_days: Annotated[
        int,
        Integer(
            1,
            3650,
            "days",
            "An older list denies nothing. A new top-level domain is in the list some days after its contract is"
            " signed, and in the root months later.",
        ),
    ] = 180
    domain_misses_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "queries a second",
            "Steady rate of queries to the upstreams about one domain; beyond it the cache alone answers. Half of the"
            " smallest upstream budget: the other half is for everything else.",
        ),
    ] = 5
    domain_misses_burst: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "queries",
            "Saved up while nobody asks: a dozen names in three types when nothing of a large site is known yet. As"
            " much as the smallest upstream budget saves up.",
        ),
    ] = 40
    domain_failures_per_second: Annotated[
        float,
        Number(
            0.1,
            100_000,
            "failures a second",
            "Steady rate of queries about one domain that come to nothing: a flood of random names costs the smallest"
            " upstream budget a tenth, a mail server may look up 3600 addresses an hour in a blocklist.",
        ),
    ] = 1
    domain_failures_burst: Annotated[
        int,
        Integer(
            1,
            1_000_000,
            "failures",
            "Saved up while nothing fails: a domain whose servers are down has some names in three types each, and"
            " half of what the smallest upstream budget saves up is left.",
        ),
    ] = 20
    exempt_domains: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_domain, "host name", "dnsbl.example.net", ""),
            0,
            MAX_DOMAINS,
            "Domains without these limits, such as the blocklists of a mail server that asks here. All that is"
            " registered with a name is exempt with it.",
        ),
    ] = ()
    withhold_private_addresses: Annotated[
        bool,
        Switch(
            "Whether answers are withheld that lead a public name to a private address (10.0.0.0/8, 192.168.0.0/16,"
            " 127.0.0.0/8, fe80::/10, fc00::/7 and the like): by such a name a web page reaches what is in its reader's"
            " own network (DNS rebinding). Off, because members may have such names themselves, and blocklists answer"
            " with 127.0.0.2; name these in private_address_domains. What goes a [[route]] is never withheld.",
        ),
    ] = False
    private_address_domains: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_domain, "host name", "intern.example.org", ""),
            0,
            MAX_DOMAINS,
            'With all names below them, domains that may have private addresses all the same: "plex.direct",'
            ' "zen.spamhaus.org", your own. Of effect with withhold_private_addresses.',
        ),
    ] = ()
