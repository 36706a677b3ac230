"""Whether a packet is the reply to a query of ours, by what can be told without reading its records."""

from dohproxy.wire.numbers import HEADER_BYTES


def is_reply_to(wire: bytes, identifier: int, question: bytes) -> bool:
    """Tell whether this datagram or frame can be the reply to the query we sent (RFC 5452 section 9.1).

    Compares ID, QR and the whole question, the name's case aside. A no is not an error: it is a packet to ignore.
    """
    end = HEADER_BYTES + len(question)
    return (
        len(wire) >= end
        and wire[0] << 8 | wire[1] == identifier
        and bool(wire[2] & 0x80)
        and wire[4:6] == b"\x00\x01"
        and is_same_question(wire[HEADER_BYTES:end], question)
    )


def is_reply_without_question(wire: bytes, identifier: int) -> bool:
    """Tell whether this can be the reply to the query with this ID although it does not repeat the question.

    Servers that will not read a query answer it with its header alone: Unbound whom its access list refuses, NSD and
    PowerDNS what they take for malformed. Such a reply has nothing of the query in it but the ID.
    """
    return (
        len(wire) >= HEADER_BYTES
        and wire[0] << 8 | wire[1] == identifier
        and bool(wire[2] & 0x80)
        and (wire[4:6] == b"\x00\x00" or len(wire) == HEADER_BYTES)
    )


def repeats_case(wire: bytes, question: bytes) -> bool:
    """Tell whether the reply has the question byte for byte as we wrote it (draft-vixie-dnsext-dns0x20)."""
    return wire[HEADER_BYTES : HEADER_BYTES + len(question)] == question


def is_same_question(one: bytes, other: bytes) -> bool:
    """Compare names without their case, type and class as they are: lower() would make an HTTPS (65) a 97."""
    return one[-4:] == other[-4:] and one[:-4].lower() == other[:-4].lower()
