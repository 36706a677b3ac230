"""[[blocklist]]: names that are not answered, and clients that are not served."""

from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Final, Literal

from dohproxy.config.addresses import IPNetwork, parse_network, parse_path
from dohproxy.config.blocklist_values import (
    parse_last_day,
    parse_listed_name,
    parse_plain_address,
    parse_public_text,
)
from dohproxy.config.keys import Choice, Switch, Text, TextList
from dohproxy.config.presets import parse_upstream_name
from dohproxy.config.schema.clients import MAX_NETWORKS
from dohproxy.config.schema.rules import RULE_MODES, RuleMode

MAX_BLOCKLISTS: Final = 16
"""Each costs a look-up for every question that is not answered from memory, and some megabytes."""
MAX_LISTED_NAMES: Final = 256
MAX_BLOCK_ADDRESSES: Final = 8

ListAction = Literal["refused", "nxdomain", "nodata", "address", "allow"]
ListReason = Literal["operator", "law", "harm", "requested"]
ListFormat = Literal["auto", "names", "hosts", "dnsmasq", "adblock", "rpz", "networks"]


@dataclass(frozen=True, slots=True)
class BlocklistConfig:
    """Names that are not answered, or clients that are not served, and why. As many of these as you like.

    The first list that has a name counts, unless one with action = "allow" has it too. Only names that are asked for
    are looked up: where an answer leads is not.
    """

    name: Annotated[
        str,
        Text(
            parse_upstream_name,
            "1 to 32 letters, digits, . _ -",
            "gambling-2027",
            "What logs, metrics, commands and, where there is no text, the clients concerned call it.",
        ),
    ]
    file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/etc/dohproxy/gambling.txt",
            "Where its names stand, up to 2,000,000, or networks, up to 65,536. It is read again when it changes, while"
            " everybody is served. A line that cannot be used is told with its number, and the rest holds; if the file"
            " cannot be read, what it held before still holds.",
        ),
    ] = None
    format: Annotated[
        ListFormat,
        Choice(
            ("auto", "names", "hosts", "dnsmasq", "adblock", "rpz", "networks"),
            "How the file is written. auto: guessed by its first hundred lines. names: one a line, *.example.net for"
            " all below it. hosts: 0.0.0.0 and names. dnsmasq: address=/example.net/. adblock: ||example.net^. rpz: a"
            " response policy zone, of which only the names count. networks: one address or CIDR of clients a line.",
            (("domains", 'write "names".'), ("adguard", 'write "adblock".'), ("wildcard", 'write "names".')),
        ),
    ] = "auto"
    names: Annotated[
        tuple[str, ...],
        TextList(
            Text(parse_listed_name, "host name, *. before it for all below it", "*.example.net", ""),
            0,
            MAX_LISTED_NAMES,
            "Names beside those of the file, or without any.",
        ),
    ] = ()
    below: Annotated[
        bool,
        Switch(
            "Whether a name in `names`, or in a file of the formats names and hosts, means all names below it too. The"
            " other formats say so themselves."
        ),
    ] = False
    networks: Annotated[
        tuple[IPNetwork, ...],
        TextList(
            Text(parse_network, "CIDR", "192.0.2.0/24", ""),
            0,
            MAX_NETWORKS,
            "Clients, beside those of the file, whose questions are refused, whatever they ask, with EDE 18"
            " (prohibited) and the list's text.",
        ),
    ] = ()
    reason: Annotated[
        ListReason,
        Choice(
            ("operator", "law", "harm", "requested"),
            "On whose account, which clients are told (RFC 8914). operator: your own decision, EDE 15. law: somebody"
            " else's order that binds you, EDE 16. harm: malware, fraud and the like, EDE 15. requested: those who use"
            " this service have asked for it, EDE 17.",
            (("legal", 'write "law".'), ("malware", 'write "harm".')),
        ),
    ] = "operator"
    reference: Annotated[
        str | None,
        Text(
            parse_public_text,
            "a line of text",
            "TJ Paris, 27/01234",
            'The number of the order, which is public. Required with reason = "law".',
        ),
    ] = None
    ends: Annotated[
        date | None,
        Text(
            parse_last_day,
            "a date",
            "2027-05-31",
            "The last day on which the list holds, in UTC; after that it does nothing. Orders of courts have one.",
        ),
    ] = None
    action: Annotated[
        ListAction,
        Choice(
            ("refused", "nxdomain", "nodata", "address", "allow"),
            "What is said instead. refused: REFUSED, which says nothing about the name, and is no forgery to clients"
            " that validate. nxdomain: there is no such name, and none below it. nodata: there is nothing of the type."
            " address: those in `addresses`, and nothing of other types. allow: the names are let through, and the"
            " clients served, whatever other lists say.",
        ),
    ] = "refused"
    mode: Annotated[
        RuleMode,
        Choice(
            RULE_MODES,
            "enforce: the list holds. shadow: its names are answered and its clients served, and it is counted where"
            " the list would have decided otherwise. off: it is read, and nothing else.",
        ),
    ] = "enforce"
    addresses: Annotated[
        tuple[IPv4Address | IPv6Address, ...],
        TextList(
            Text(parse_plain_address, "IP address", "192.0.2.80", ""),
            0,
            MAX_BLOCK_ADDRESSES,
            'For action = "address": of a page that says why.',
        ),
    ] = ()
    text: Annotated[
        str | None,
        Text(
            parse_public_text,
            "a line of text",
            "Blocked by order of a court; see https://example.net/blocks",
            "What clients are told, as far as they can show it. Without it they are told the name of the list, and the"
            " reference if there is one.",
        ),
    ] = None

    @property
    def public_text(self) -> str:
        """What clients are told."""
        if self.text is not None:
            return self.text
        return self.name if self.reference is None else f"{self.name}: {self.reference}"
