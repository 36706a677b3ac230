"""Whether the picture on the members' page, which proves whom a browser asks, can be seen by those who ask this service
and by nobody else (`proof`)."""

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Final

from dohproxy.config import Config
from dohproxy.policy.discovery.proof import NO_VIEW, PREFIX, is_covered, proof_host
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.doctor.published import Lookup, Lookups, LookupStatus
from dohproxy.wire.numbers import Qtype

SUBJECT: Final = "proof"
_FAMILIES: Final = (Qtype.A, Qtype.AAAA)


def domain_of(config: Config) -> str | None:
    """Return the domain of such pictures, None if there are none."""
    return config.pages.proof_domain if config.pages.enabled else None


def questions_of(domain: str) -> list[tuple[str, Qtype]]:
    """Return what to ask a resolver that is not this service: for a name that must not be found."""
    return [(f"{proof_host(NO_VIEW, domain)}.", qtype) for qtype in _FAMILIES]


def judge_certificate(domain: str, covers: Callable[[str], bool]) -> Iterator[Finding]:
    """Say so if the certificate, by `covers`, is not for names below this domain."""
    if not is_covered(domain, covers):
        what = f"the certificate is not for *.{domain}: /setup is without the picture that says whether it works"
        remedy = "add that name to the certificate (by a DNS challenge), or write another domain in pages.proof_domain"
        yield Finding(SUBJECT, Severity.WARNING, what, remedy)


def judge(domain: str, lookups: Lookups) -> Iterator[Finding]:
    """Say what the public DNS has of a name that must be known here alone."""
    unheard = Lookup(LookupStatus.UNKNOWN)
    found = [lookups.get(question, unheard) for question in questions_of(domain)]
    known = sorted({str(ip_address(rdata)) for one in found for rdata in one.rdatas})
    if known:
        what = (
            f"names such as {PREFIX}….{domain} are in the public DNS ({', '.join(known)}), by a wildcard record:"
            " everybody finds the picture on /setup, and is told that it works"
        )
        remedy = (
            "write a domain in pages.proof_domain that has no wildcard record; if the resolver that was asked is this"
            " service itself, give another one by --resolver"
        )
        yield Finding(SUBJECT, Severity.WARNING, what, remedy)
    elif all(one.status is LookupStatus.NONE for one in found):
        yield Finding(SUBJECT, Severity.OK, f"names below {domain} that prove who is asked are known here alone")
    else:
        what = f"whether anybody else knows names below {domain} is not known: the resolver {_why(found)}"
        yield Finding(SUBJECT, Severity.NOTE, what, "give another one by --resolver, or --offline")


def _why(found: list[Lookup]) -> str:
    return next((one.why for one in found if one.why), "was not asked")
