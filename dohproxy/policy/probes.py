"""Health probes of popular clients: a name that is new each time, and an answer that never changes.

Android tries a resolver with `<6 to 8 letters or digits>-dnsohttps-ds.metric.gstatic.com`, or `-dnsotls-ds`. Random
names are to keep caches out, and here they would keep out ours: each would cost the upstream a query. So all of a kind
become one name of the same length. It is looked up and asked; the client is told about the very name it asked for.
AdGuard DNS, the only other resolver known to do so, uses the same names.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

from dohproxy.wire.name import from_text
from dohproxy.wire.numbers import Qtype
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Content

RANDOM_LETTERS: Final = range(6, 9)
"""How many an Android probe has; 6 in the code of its resolver, 8 were seen too."""
DNSCRYPT_LETTERS: Final = 16


class ProbeKind(StrEnum):
    """Whose probe it is, as far as its name tells; metric label."""

    ANDROID_HTTPS = "android_https"
    ANDROID_TLS = "android_tls"
    DNSCRYPT_ROOT = "dnscrypt_root"
    """`. NS`: dnscrypt-proxy every few hours, rarely anybody else. One query for each TTL."""
    DNSCRYPT_RANDOM = "dnscrypt_random"
    """`<16 letters>.test.dnscrypt`, of dnscrypt-proxy too: a name under no top-level domain."""


_ANDROID_ZONE: Final = from_text("metric.gstatic.com")
_DNSCRYPT_ZONE: Final = from_text("test.dnscrypt")
_ZONES: Final = (_ANDROID_ZONE, _DNSCRYPT_ZONE)
"""Nearly every name is no probe; one `endswith` over these tells so."""
_ANDROID_ENDINGS: Final = ((b"-dnsohttps-ds", ProbeKind.ANDROID_HTTPS), (b"-dnsotls-ds", ProbeKind.ANDROID_TLS))


class ClientProbes:
    """Recognises probes, makes them equal, and counts them."""

    def __init__(self) -> None:
        self._seen: Counter[ProbeKind] = Counter()

    def absorb(self, query: Query) -> Query:
        """Return the query to look up and ask in place of this one: the same, or with another `qname` and `key`.

        Its question stays the client's own.
        """
        qname = query.qname
        if not qname.endswith(_ZONES):
            if len(qname) == 1 and query.qtype == Qtype.NS:
                self._seen[ProbeKind.DNSCRYPT_ROOT] += 1
            return query
        return self._absorb(query, _only_label_before(qname))

    def counts(self, query: Query) -> bool:
        """Tell whether this may be a probe: each of these is to come through `absorb`."""
        return len(query.qname) == 1 or query.qname.endswith(_ZONES)

    def statistics(self) -> Mapping[ProbeKind, int]:
        """Return how many of each kind came since the start."""
        return {probe: self._seen[probe] for probe in ProbeKind}

    def _absorb(self, query: Query, label: bytes) -> Query:
        if query.qname.endswith(_DNSCRYPT_ZONE):
            self._seen[ProbeKind.DNSCRYPT_RANDOM] += len(label) == DNSCRYPT_LETTERS and label.isalpha()
            return query
        for ending, probe in _ANDROID_ENDINGS:
            random = label.removesuffix(ending)
            if random != label and len(random) in RANDOM_LETTERS and random.isalnum():
                self._seen[probe] += 1
                # Signatures would be over the other name.
                return query if query.dnssec_ok else _renamed(query, b"0" * len(random) + ending)
        return query


def under_asked_name(query: Query, content: Content) -> Content:
    """Return what is said to an absorbed query in terms of the name that its client asked for.

    Most records point to the question for their owner, and need no change. Names that are spelled out are replaced;
    they have the same length, so everything else stays in its place.
    """
    if not query.qname.endswith(_ANDROID_ZONE):
        return content
    end = 1 + query.qname[0]
    ours, asked = query.qname[:end], query.question[:end]
    if ours == asked.lower():
        return content
    return replace(content, records=content.records.replace(ours, asked))


def _only_label_before(qname: bytes) -> bytes:
    """Return the first label of a name under one of the zones, b"" where it is not the only one before the zone."""
    end = 1 + qname[0]
    return qname[1:end] if qname[end:] in _ZONES else b""


def _renamed(query: Query, label: bytes) -> Query:
    qname = bytes([len(label)]) + label + _ANDROID_ZONE
    return replace(query, qname=qname, key=qname + query.key[len(qname) :])
