"""Hypothesis strategies for DNS messages: valid ones with all the liberties of the format, then damaged ones."""

import struct

from hypothesis import settings
from hypothesis import strategies as st

from tests.wire import messages as m

deterministic = settings(derandomize=True, deadline=None, max_examples=200)
"""The same examples every time and no clock: finding new ones is what `make fuzz` is for."""

_ALPHABET = b"aAzZ09-_\x00\xff."

labels = st.lists(st.sampled_from(list(_ALPHABET)), min_size=1, max_size=6).map(bytes) | st.just(b"x" * 62)
qtypes = st.sampled_from([1, 2, 5, 6, 12, 15, 16, 28, 33, 43, 46, 48, 64, 65, 97, 255, 65280])
ttls = st.sampled_from([0, 1, 59, 300, 86_400, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]) | st.integers(0, 0xFFFF_FFFF)


@st.composite
def qnames(draw: st.DrawFn) -> bytes:
    """An uncompressed name."""
    parts = draw(st.lists(labels, max_size=4))
    return b"".join(bytes([len(part)]) + part for part in parts) + m.ROOT


@st.composite
def options(draw: st.DrawFn) -> bytes:
    """What stands in an OPT: padding, ECS of all kinds, EDE, cookies, unknown ones."""
    one = st.one_of(
        st.binary(max_size=20).map(lambda data: m.option(m.PADDING, data)),
        st.sampled_from([
            m.subnet(), m.subnet(0, 0, 0, b""), m.subnet(1, 0, 0, b""), m.subnet(2, 56, 0, bytes(7)),
            m.subnet(1, 33, 0, bytes(5)), m.subnet(1, 20, 0, b"\xc6\x33\x60"), m.subnet(1, 24, 24),
        ]),
        st.integers(0, 30).map(lambda code: m.option(m.EXTENDED_ERROR, struct.pack("!H", code) + b"text")),
        st.binary(min_size=8, max_size=8).map(lambda data: m.option(m.COOKIE, data)),
        st.integers(100, 200).map(lambda code: m.option(code, b"?")),
    )  # fmt: skip
    return b"".join(draw(st.lists(one, max_size=5)))


@st.composite
def opts(draw: st.DrawFn) -> bytes:
    """An OPT record."""
    rcode = draw(st.sampled_from([0, 0, 16, 23, 0xFFF]))
    version = draw(st.sampled_from([0, 0, 0, 1]))
    return m.opt(draw(options()), version=version, dnssec_ok=draw(st.booleans()), rcode=rcode)


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    """A query such as clients send."""
    asked = m.question(draw(qnames()), draw(qtypes), draw(st.sampled_from([1, 1, 1, 3, 255])))
    flags = draw(st.sampled_from([0, m.RD, m.RD | m.AD, m.RD | m.CD, m.RD | m.AD | m.CD]))
    additional = [draw(opts())] if draw(st.booleans()) else []
    return m.query(asked, *additional, flags=flags, identifier=draw(st.integers(0, 0xFFFF)))


class _Writer:
    """Writes an answer's records one after another and knows where names stand that a later one may point to."""

    def __init__(self, draw: st.DrawFn, asked: bytes) -> None:
        self.draw = draw
        self.wire = bytearray(12) + asked
        self.targets = [12]

    def name(self, at: int) -> bytes:
        """A name for offset `at`: some labels of its own, then the root or a pointer to a name before."""
        parts = self.draw(st.lists(labels, max_size=3))
        own = b"".join(bytes([len(part)]) + part for part in parts)
        tail = self.draw(st.sampled_from([m.ROOT, *(m.pointer(target) for target in self.targets)]))
        if at <= 0x3FFF:
            self.targets.append(at)
        return own + tail

    def rdata(self, rtype: int, at: int) -> bytes:
        """What a record of this type may say, its names compressed; any bytes for types that nobody knows."""
        before = {15: b"\x00\x0a", 33: bytes(6), 64: b"\x00\x01", 65: b"\x00\x01", 46: self.signed()}
        if rtype in (2, 5, 12, 39):
            return self.name(at)
        if rtype in (15, 33):
            return before[rtype] + self.name(at + len(before[rtype]))
        if rtype in (64, 65):
            return before[rtype] + self.name(at + 2) + self.draw(st.sampled_from([b"", b"\x00\x03\x00\x02\x01\xbb"]))
        if rtype == 46:
            return before[rtype] + self.name(at + 18) + bytes(64)
        if rtype == 6:
            names = self.name(at) + m.ROOT
            return names + struct.pack("!5I", 1, 2, 3, 4, self.draw(ttls))
        fixed = {1: bytes(4), 28: bytes(16), 16: b"\x04text", 43: bytes(24), 48: bytes(36), 50: NSEC3}
        return fixed[rtype] if rtype in fixed else self.draw(st.binary(max_size=30))

    def signed(self) -> bytes:
        """A signature but for its signer."""
        return struct.pack("!HBBIIIH", self.draw(st.sampled_from([1, 5, 6, 39, 47])), 13, 2, 9, 9, 1, 7)

    def record(self, rtype: int) -> None:
        place = len(self.wire)
        owner = self.draw(st.sampled_from([m.QNAME, *(m.pointer(target) for target in self.targets)]))
        if self.draw(st.integers(0, 3)) == 0:
            owner = self.name(place)
        rclass = self.draw(st.sampled_from([1] * 12 + [3, 254]))
        rdata = self.rdata(rtype, place + len(owner) + 10)
        self.wire += m.record(rtype, rdata, ttl=self.draw(ttls), owner=owner, rclass=rclass)


NSEC3 = b"\x01\x01\x00\x00\x02\xab\xcd\x14" + bytes(20) + b"\x00\x06\x40\x00\x00\x00\x00\x02"


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An answer with compressed names, many types, an OPT anywhere in the additional section."""
    qtype = draw(qtypes)
    writer = _Writer(draw, m.question(draw(qnames()), qtype))
    counts = []
    for section, types in enumerate(([qtype, qtype, 5, 39, 46], [6, 2, 46, 50], [1, 28, 65280, 250])):
        drawn = draw(st.lists(st.sampled_from(types), max_size=4))
        place = draw(st.integers(0, len(drawn))) if section == 2 and draw(st.booleans()) else None
        for position, rtype in enumerate([*drawn, None]):
            if position == place:
                writer.wire += draw(opts())
            if rtype is not None:
                writer.record(rtype)
        counts.append(len(drawn) + (place is not None))
    flags = (
        m.QR | draw(st.sampled_from([0, m.RD | m.RA, m.AA, m.TC, m.AD | m.RA])) | draw(st.sampled_from([0, 0, 2, 3, 5]))
    )
    struct.pack_into("!6H", writer.wire, 0, draw(st.integers(0, 0xFFFF)), flags, 1, *counts)
    return bytes(writer.wire)


@st.composite
def damaged(draw: st.DrawFn, intact: st.SearchStrategy[bytes]) -> bytes:
    """A message of another strategy after some accidents."""
    wire = bytearray(draw(intact))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(wire) - 1, 0)))
        accident = draw(st.sampled_from(["set", "set", "point", "cut", "insert", "remove", "repeat"]))
        if accident == "set":
            wire[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif accident == "point":
            wire[place : place + 2] = m.pointer(draw(st.integers(0, place)) & 0x3FFF)
        elif accident == "cut":
            del wire[place:]
        elif accident == "insert":
            wire[place:place] = draw(st.binary(max_size=4))
        elif accident == "remove":
            del wire[place : place + draw(st.integers(1, 4))]
        else:
            wire[place:place] = wire[place : place + 20]
    return bytes(wire)
