"""Names that are answered here and by nobody else: who resolves one asks this service, and a picture at it proves so.

The members' page has such a picture. Its name is below a domain that the operator has chosen (`pages.proof_domain`),
for which the certificate has a wildcard and the public DNS no names of this form. It is another one for each page view:
a browser that knew it from before, or had a connection to it, would prove nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from dohproxy.config import Config
from dohproxy.outcomes import Reason
from dohproxy.policy.discovery.served import IPAddress, addresses_of
from dohproxy.policy.special_names import LocalAnswer, asked_record, soa_record
from dohproxy.value import value
from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import Qtype, Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Content

PREFIX: Final = "proof-"
"""Begins the first label, so that all other names of the domain are as they were."""
UNIQUE_CHARACTERS: Final = 16
"""Hexadecimal digits behind it: 64 bits, of which no two views draw the same."""
LABEL_CHARACTERS: Final = len(PREFIX) + UNIQUE_CHARACTERS
NO_VIEW: Final = UNIQUE_CHARACTERS * "0"
"""In place of those of a view, for whoever wants to know what is true of all such names."""
PROOF_TTL: Final = 10
"""Seconds: a browser asks for both families and may connect twice, and no name is asked for by a second view."""

_DIGITS: Final = b"0123456789abcdef"
_BEGINNING: Final = bytes([LABEL_CHARACTERS]) + PREFIX.encode()
_NAME_BEGINS: Final = len(_BEGINNING)
_DOMAIN_BEGINS: Final = 1 + LABEL_CHARACTERS
_HOST: Final = re.compile(rf"{PREFIX}[0-9a-f]{{{UNIQUE_CHARACTERS}}}\.(?P<domain>[^:]+?)\.?(?::[0-9]*)?", re.ASCII)


def proof_host(unique: str, domain: str) -> str:
    """Return the name for one page view."""
    return f"{PREFIX}{unique}.{domain}"


def is_proof_host(authority: str | None, domain: str | None) -> bool:
    """Tell whether what a request was sent to, with or without a port, is such a name below this domain."""
    if authority is None or domain is None:
        return False
    found = _HOST.fullmatch(authority.lower())
    return found is not None and found["domain"] == domain


@value
class Proving:
    """Which names prove that this service is asked, and where they lead."""

    domain: str
    addresses: tuple[IPAddress, ...]


def proving_of(config: Config, covers: Callable[[str], bool] | None) -> Proving | None:
    """Return it, None where no picture could be shown: none is wanted, where clients connect is not known, or the
    certificate is not for such names by `covers`. Of a front proxy's the operator has to know."""
    domain, addresses = config.pages.proof_domain, addresses_of(config)
    if not config.pages.enabled or domain is None or not addresses:
        return None
    if config.tls is not None and (covers is None or not is_covered(domain, covers)):
        return None
    return Proving(domain, tuple(addresses))


def is_covered(domain: str, covers: Callable[[str], bool]) -> bool:
    """Tell whether a certificate, by `covers`, is for all such names below a domain."""
    return covers(proof_host(NO_VIEW, domain))


def is_wanted_in_vain(config: Config, covers: Callable[[str], bool]) -> bool:
    """Tell whether the pages are without their picture because of the certificate."""
    domain = config.pages.proof_domain
    return config.pages.enabled and domain is not None and not is_covered(domain, covers)


class ProofNames:
    """The answers for all such names of one domain, made beforehand."""

    def __init__(self, proving: Proving) -> None:
        self._domain = from_text(proving.domain)
        self._whole = _DOMAIN_BEGINS + len(self._domain)
        self._answers = _answers(proving.addresses)
        self._nothing = _local(Content(Rcode.NOERROR, (0, 1, 0), soa_record(0, PROOF_TTL), authoritative=True))

    def answer(self, query: Query) -> LocalAnswer | None:
        """Return the answer to a question for such a name, None to all others. The name is a zone of its own, which
        has addresses and nothing else; whoever validates takes it for a forgery if the domain is signed."""
        qname = query.qname
        if len(qname) != self._whole or not qname.startswith(_BEGINNING) or not qname.endswith(self._domain):
            return None
        if qname[_NAME_BEGINS:_DOMAIN_BEGINS].strip(_DIGITS):
            return None
        return self._answers.get(query.qtype, self._nothing)


def _answers(addresses: Iterable[IPAddress]) -> Mapping[int, LocalAnswer]:
    found: dict[int, list[bytes]] = {}
    for one in addresses:
        qtype = Qtype.A if one.version == 4 else Qtype.AAAA
        found.setdefault(qtype, []).append(asked_record(qtype, PROOF_TTL, one.packed))
    return {
        qtype: _local(Content(Rcode.NOERROR, (len(records), 0, 0), b"".join(records), authoritative=True))
        for qtype, records in found.items()
    }


def _local(content: Content) -> LocalAnswer:
    return LocalAnswer(Reason.LOCAL, content, PROOF_TTL)
