"""What stands in a record: whether its rdata is what its type says, and how it reads without compression.

Of a type that is known here, lengths, parts and names are checked, and every name may be compressed: senders may do so
only in the types of RFC 1035, receivers take it in more (RFC 3597 section 4). Of any other type the rdata is bytes
without names (RFC 3597 section 4), which pass as they are.

| checked | types |
|---|---|
| a length, or a least one | A, AAAA, LOC, DS, CDS, DNSKEY, CDNSKEY, KEY, CERT, TLSA, SMIMEA, SSHFP, URI, and so on |
| names | NS, CNAME, PTR, DNAME, SOA, MINFO, RP, MX, AFSDB, RT, KX, PX, SRV, NAPTR, RRSIG, NSEC, SVCB, HTTPS |
| strings | TXT, SPF, HINFO, NAPTR, CAA |
| a list of types | NSEC, NSEC3, CSYNC |
| parameters | SVCB, HTTPS |
"""

import struct
from collections.abc import Callable
from typing import Final

from dohproxy.value import value
from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.name import NameWalker, spell_out
from dohproxy.wire.numbers import Qtype

_ANY_LENGTH: Final = 0xFFFF
_PARAMETER: Final = struct.Struct("!HH")
_NAPTR_STRINGS: Final = 3
MOST_PARAMETERS: Final = 64
"""The most parameters of one service. Ten keys have a meaning so far, and no client knows of others."""
_LONGEST_WINDOW_BYTES: Final = 32

IPV4_HINT: Final = 4
IPV6_HINT: Final = 6
_MANDATORY, _ALPN, _NO_DEFAULT_ALPN, _PORT = 0, 1, 2, 3
"""Keys of service parameters whose values have a form that is checked (RFC 9460 section 14.3.2)."""

_Rest = Callable[[NameWalker, bytes, int, int], None]


@value
class _Form:
    """What the rdata of a type is made of, in this order."""

    before: int
    """Bytes."""
    names: int = 0
    least: int = 0
    """Bytes behind the names, at least and at most."""
    most: int = 0
    rest: _Rest | None = None
    """Checks what is behind the names."""


def check_rdata(names: NameWalker, wire: bytes, rtype: int, start: int, end: int) -> None:
    """Hold the rdata from `start` to `end` against what is known of its type; the class is IN.

    Raises Malformed: RDATA, and for a name in it what `NameWalker.skip` does. Strings, windows and parameters cost
    steps of the walker's budget like labels.
    """
    form = _FORMS.get(rtype)
    if form is None:
        return
    place = start + form.before
    for _ in range(form.names):
        if place >= end:
            raise Malformed(Fault.RDATA)
        place = names.skip(place)
    if not form.least <= end - place <= form.most:
        raise Malformed(Fault.RDATA)
    if form.rest is not None:
        form.rest(names, wire, place, end)


def spell_out_rdata(wire: bytes, rtype: int, start: int, end: int) -> bytes:
    """Return rdata that `check_rdata` has passed, without any compression.

    Raises Malformed for a name that cannot be read, though all have been walked: it has too many pointers.
    """
    form = _FORMS.get(rtype)
    if form is None or not (form.names or rtype == Qtype.NAPTR):
        return wire[start:end]
    place, names = start + form.before, form.names
    if rtype == Qtype.NAPTR:
        names = 1
        for _ in range(_NAPTR_STRINGS):
            place += 1 + wire[place]
    spelled = wire[start:place]
    for _ in range(names):
        name, place = spell_out(wire, place)
        spelled += name
    return spelled + wire[place:end]


def parameters(wire: bytes, place: int, end: int) -> list[tuple[int, int, int]]:
    """Return key, start and end of each service parameter from `place` to `end` (RFC 9460 section 2.2).

    Raises Malformed RDATA where one runs over the end or is not above the one before, or there are too many.
    """
    found: list[tuple[int, int, int]] = []
    last = -1
    while place < end:
        if place + _PARAMETER.size > end:
            raise Malformed(Fault.RDATA)
        key, length = _PARAMETER.unpack_from(wire, place)
        place += _PARAMETER.size
        if key <= last or place + length > end or len(found) == MOST_PARAMETERS:
            raise Malformed(Fault.RDATA)
        found.append((key, place, place + length))
        last = key
        place += length
    return found


def _service(names: NameWalker, wire: bytes, place: int, end: int) -> None:
    """A client must take the record for malformed if a value is not what its key says (RFC 9460 section 2.2)."""
    found = parameters(wire, place, end)
    names.charge(len(found))
    for key, start, stop in found:
        length = stop - start
        if key == _ALPN:
            is_right = length > 0 and _has_strings(names, wire, start, stop)
        elif key == _MANDATORY:
            is_right = length > 0 and length % 2 == 0
        elif key == _NO_DEFAULT_ALPN:
            is_right = length == 0
        elif key == _PORT:
            is_right = length == 2
        elif key in (IPV4_HINT, IPV6_HINT):
            size = 4 if key == IPV4_HINT else 16
            is_right = length > 0 and length % size == 0
            names.charge(length // size)  # They may all be looked at, see `policy.rebinding`.
        else:
            continue
        if not is_right:
            raise Malformed(Fault.RDATA)


def _has_strings(names: NameWalker, wire: bytes, place: int, end: int) -> bool:
    """Tell whether there are strings that are not empty and end at `end` (RFC 9460 section 7.1.1)."""
    while place < end:
        if wire[place] == 0:
            return False
        names.charge(1)
        place += 1 + wire[place]
    return place == end


def _string(wire: bytes, place: int, end: int) -> int:
    """Return the offset after the string at `place`: one byte of length, and so many (RFC 1035 section 3.3)."""
    if place >= end or place + 1 + wire[place] > end:
        raise Malformed(Fault.RDATA)
    return place + 1 + wire[place]


def _strings(names: NameWalker, wire: bytes, place: int, end: int) -> None:
    while place < end:
        names.charge(1)
        place = _string(wire, place, end)


def _two_strings(_: NameWalker, wire: bytes, place: int, end: int) -> None:
    if _string(wire, _string(wire, place, end), end) != end:
        raise Malformed(Fault.RDATA)


def _naptr(names: NameWalker, wire: bytes, place: int, end: int) -> None:
    for _ in range(_NAPTR_STRINGS):
        place = _string(wire, place, end)
    if place >= end or names.skip(place) != end:
        raise Malformed(Fault.RDATA)


def _tag(_: NameWalker, wire: bytes, place: int, end: int) -> None:
    """RFC 8659 section 4.1: the tag has at least one byte."""
    if wire[place] == 0:
        raise Malformed(Fault.RDATA)
    _string(wire, place, end)


def _types(names: NameWalker, wire: bytes, place: int, end: int) -> None:
    """Windows in rising order, of 1 to 32 bytes each (RFC 4034 section 4.1.2)."""
    last = -1
    while place < end:
        names.charge(1)
        if place + 2 > end or wire[place] <= last or not 1 <= wire[place + 1] <= _LONGEST_WINDOW_BYTES:
            raise Malformed(Fault.RDATA)
        last = wire[place]
        place += 2 + wire[place + 1]
    if place != end:
        raise Malformed(Fault.RDATA)


def _hashed(names: NameWalker, wire: bytes, place: int, end: int) -> None:
    """Salt, hash and types (RFC 5155 section 3.2)."""
    place = _string(wire, place, end)
    if place < end and wire[place] == 0:
        raise Malformed(Fault.RDATA)
    _types(names, wire, _string(wire, place, end), end)


def _salt(_: NameWalker, wire: bytes, place: int, end: int) -> None:
    if _string(wire, place, end) != end:
        raise Malformed(Fault.RDATA)


def _exactly(length: int) -> _Form:
    return _Form(length)


def _at_least(length: int) -> _Form:
    return _Form(length, most=_ANY_LENGTH)


_NAME: Final = _Form(0, names=1)
_TWO_NAMES: Final = _Form(0, names=2)
_PREFERENCE_AND_NAME: Final = _Form(2, names=1)
_SIGNATURE: Final = _Form(18, names=1, least=1, most=_ANY_LENGTH)
_TEXT: Final = _Form(0, least=1, most=_ANY_LENGTH, rest=_strings)
_KEY: Final = _at_least(4)
_DIGEST: Final = _at_least(5)
_CERTIFICATE_HASH: Final = _at_least(4)
_SERVICE: Final = _Form(2, names=1, most=_ANY_LENGTH, rest=_service)

ADDRESS_BYTES: Final[dict[int, int]] = {Qtype.A.value: 4, Qtype.AAAA.value: 16}
"""What most records are: all that `check_rdata` would look at, for who wants to spare the call."""

_FORMS: Final[dict[int, _Form]] = {
    1: _exactly(4),  # A
    2: _NAME,  # NS
    3: _NAME,  # MD
    4: _NAME,  # MF
    5: _NAME,  # CNAME
    6: _Form(0, names=2, least=20, most=20),  # SOA
    7: _NAME,  # MB
    8: _NAME,  # MG
    9: _NAME,  # MR
    11: _at_least(5),  # WKS
    12: _NAME,  # PTR
    13: _Form(0, least=2, most=_ANY_LENGTH, rest=_two_strings),  # HINFO
    14: _TWO_NAMES,  # MINFO
    15: _PREFERENCE_AND_NAME,  # MX
    16: _TEXT,  # TXT
    17: _TWO_NAMES,  # RP (RFC 1183)
    18: _PREFERENCE_AND_NAME,  # AFSDB
    19: _TEXT,  # X25
    20: _TEXT,  # ISDN
    21: _PREFERENCE_AND_NAME,  # RT
    24: _SIGNATURE,  # SIG (RFC 2535)
    25: _KEY,  # KEY
    26: _Form(2, names=2),  # PX (RFC 2163)
    28: _exactly(16),  # AAAA (RFC 3596)
    29: _exactly(16),  # LOC (RFC 1876)
    30: _Form(0, names=1, most=_ANY_LENGTH),  # NXT (RFC 2535)
    33: _Form(6, names=1),  # SRV (RFC 2782)
    35: _Form(4, least=4, most=_ANY_LENGTH, rest=_naptr),  # NAPTR (RFC 3403)
    36: _PREFERENCE_AND_NAME,  # KX (RFC 2230)
    37: _at_least(5),  # CERT (RFC 4398)
    39: _NAME,  # DNAME (RFC 6672)
    43: _DIGEST,  # DS (RFC 4034)
    44: _at_least(3),  # SSHFP (RFC 4255)
    45: _at_least(3),  # IPSECKEY (RFC 4025)
    46: _SIGNATURE,  # RRSIG (RFC 4034)
    47: _Form(0, names=1, most=_ANY_LENGTH, rest=_types),  # NSEC
    48: _KEY,  # DNSKEY
    49: _at_least(3),  # DHCID (RFC 4701)
    50: _Form(4, least=3, most=_ANY_LENGTH, rest=_hashed),  # NSEC3 (RFC 5155)
    51: _Form(4, least=1, most=_ANY_LENGTH, rest=_salt),  # NSEC3PARAM
    52: _CERTIFICATE_HASH,  # TLSA (RFC 6698)
    53: _CERTIFICATE_HASH,  # SMIMEA (RFC 8162)
    55: _at_least(4),  # HIP (RFC 8005)
    59: _DIGEST,  # CDS (RFC 7344)
    60: _KEY,  # CDNSKEY
    61: _at_least(1),  # OPENPGPKEY (RFC 7929)
    62: _Form(6, most=_ANY_LENGTH, rest=_types),  # CSYNC (RFC 7477)
    63: _at_least(18),  # ZONEMD (RFC 8976)
    64: _SERVICE,  # SVCB (RFC 9460)
    65: _SERVICE,  # HTTPS
    99: _TEXT,  # SPF (RFC 4408)
    104: _exactly(10),  # NID (RFC 6742)
    105: _exactly(6),  # L32
    106: _exactly(10),  # L64
    107: _PREFERENCE_AND_NAME,  # LP
    108: _exactly(6),  # EUI48 (RFC 7043)
    109: _exactly(8),  # EUI64
    256: _at_least(4),  # URI (RFC 7553; BIND serves some whose target is empty)
    257: _Form(1, least=2, most=_ANY_LENGTH, rest=_tag),  # CAA (RFC 8659)
    260: _at_least(2),  # AMTRELAY (RFC 8777)
    32_768: _DIGEST,  # TA
    32_769: _DIGEST,  # DLV (RFC 4431)
}
"""The forms by type. What RFC 1035 section 3.3 defines has no note of its own."""
