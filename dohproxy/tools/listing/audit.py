"""Whether an entry of a public list leads to a service, and how it should read.

Its stamps are judged by `stamp_audit`; here are its name, by the rules of DNSCrypt's lists, and what its description
says of who runs the service. Nothing is found wrong with an entry that was made here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dohproxy.config import AboutConfig, Config
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.listing.entries import Entry
from dohproxy.tools.listing.stamp_audit import BELOW, Service, audit_stamp, is_ours, led_to, readable

IPV6_SUFFIX: Final = "-ipv6"
"""How names end of entries that lead to IPv6 addresses; those of both families have entries of their own."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found about one entry."""

    entry: Entry
    findings: tuple[Finding, ...]
    corrected: Entry
    """The same where nothing is wrong."""


def leads_to(entry: Entry, service: Service) -> bool:
    """Tell whether one of an entry's stamps has the host or an address of the service."""
    return any(is_ours(led_to(stamp), service) for stamp in readable(entry.stamps))


def audit(entry: Entry, service: Service) -> Audit:
    """Compare an entry with the service."""
    findings: list[Finding] = []
    stamps: list[str] = []
    for number, text in enumerate(entry.stamps, start=1):
        subject = "stamp" if len(entry.stamps) == 1 else f"stamp {number}"
        stamps += audit_stamp(subject, text, service, findings)
    corrected = Entry(_name(entry, stamps, service), entry.description, tuple(dict.fromkeys(stamps)))
    if entry.name:
        findings += _judge_name(entry, corrected, service)
        owner = _judge_owner(entry.description, service.config.about)
        findings.append(owner)
        if owner.severity is Severity.WARNING:
            corrected = replace(corrected, description=f"{entry.description}\n\n{_owner(service.config.about)}".strip())
    findings += _judge_admission(service.config)
    return Audit(entry, tuple(findings), corrected)


def _is_ipv6(stamps: Sequence[str]) -> set[bool]:
    """Return the families of addresses that stamps lead to: whether it is IPv6."""
    places = (led_to(stamp) for stamp in readable(stamps))
    return {":" in place.address for place in places if place.address}


def _name(entry: Entry, stamps: Sequence[str], service: Service) -> str:
    name = service.name or entry.name
    families = _is_ipv6(stamps)
    if not name or service.name or len(families) != 1:
        return name
    bare = name.removesuffix(IPV6_SUFFIX) or name
    return f"{bare}{IPV6_SUFFIX}" if True in families else bare


def _judge_name(entry: Entry, corrected: Entry, service: Service) -> Iterator[Finding]:
    if len(_is_ipv6(entry.stamps)) > 1:
        what = "it has stamps for IPv4 and for IPv6, which are to have entries of their own"
        yield Finding("name", Severity.WARNING, what, f'make two of it, one with a name that ends with "{IPV6_SUFFIX}"')
    if entry.name == corrected.name:
        yield Finding("name", Severity.OK, f"it is called {entry.name}")
        return
    what = f'it is called "{entry.name}", and should be {corrected.name}'
    remedy = "who has the old name in a configuration has to change it"
    yield Finding("name", Severity.FAULT if service.name else Severity.WARNING, what, remedy)


def _judge_owner(description: str, about: AboutConfig) -> Finding:
    told = description.lower()
    known = [one for one in (about.name, about.url, about.contact) if one is not None]
    if not known:
        return Finding("owner", Severity.NOTE, "who runs the service is not known here: [about] does not say")
    named = next((one for one in known if one.removesuffix("/").lower() in told), None)
    if named is None:
        return Finding("owner", Severity.WARNING, f"the description does not say that it is {known[0]}'s", BELOW)
    return Finding("owner", Severity.OK, f"the description says whose it is: {named}")


def _owner(about: AboutConfig) -> str:
    where = about.url or about.contact
    if about.name is None:
        return f"Operator: {where}"
    return f"Operated by {about.name}" + (f" ({where})" if where else "")


def _judge_admission(config: Config) -> Iterator[Finding]:
    foreign = [one.name for one in config.general_upstreams if one.preset != "own"]
    if foreign:
        what = (
            f"DNSCrypt's list takes no front ends of other people's resolvers, and {foreign[0]} is none of yours"
            " (upstream.preset)"
        )
        yield Finding("admission", Severity.NOTE, what, "have the entry removed (--remove) unless its operators agree")
