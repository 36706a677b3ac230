"""Why bytes were refused: the closed set of faults, and the one exception that carries them."""

from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with a DNS message. The value is a metric label, so this set stays small and closed."""

    TOO_SHORT = "too_short"
    """Fewer bytes than the smallest query (12 header, 1 root name, 4 type and class)."""
    TOO_LONG = "too_long"
    """More bytes than a DNS message can have (RFC 1035 section 4.2.2: 65,535)."""
    RESPONSE = "response"
    """QR=1 where a query was expected."""
    NOT_A_RESPONSE = "not_a_response"
    """QR=0 or another opcode where an answer was expected."""
    LENGTH_PREFIX = "length_prefix"
    """The two-byte length of DNS over TCP stands before the message (RFC 8484 section 6 forbids it)."""
    OPCODE = "opcode"
    """Another opcode than QUERY: not broken, but nothing we serve."""
    QUESTION_COUNT = "question_count"
    """QDCOUNT is not 1 (RFC 9619)."""
    RECORDS_IN_QUERY = "records_in_query"
    """A query with answer or authority records, or with another additional record than one OPT."""
    POINTER_IN_QUESTION = "pointer_in_question"
    """The question's name is compressed: there is nothing before it that a pointer could mean."""
    CUT_SHORT = "cut_short"
    """A name, record or option runs over the end of the message."""
    LABEL = "label"
    """A label type other than plain or pointer (RFC 1035 section 4.1.4; 0x40 and 0x80 are obsolete)."""
    NAME_TOO_LONG = "name_too_long"
    """A name of more than 255 bytes, its pointers followed."""
    POINTER = "pointer"
    """A pointer that does not point strictly backwards into the message's body, or into a TTL, which changes."""
    COMPRESSION_WORK = "compression_work"
    """Names, and the parts of rdata, that together cost more steps than any honest message needs (CVE-2026-96405)."""
    TRAILING_BYTES = "trailing_bytes"
    """Bytes after the last record: a place to smuggle things (CVE-2018-14663)."""
    TWO_OPT = "two_opt"
    """More than one OPT record (RFC 6891 section 6.1.1)."""
    OPT_OWNER = "opt_owner"
    """An OPT whose owner is not the root (RFC 6891 section 6.1.2)."""
    OPT_PLACE = "opt_place"
    """An OPT outside the additional section."""
    OPTION = "option"
    """An EDNS option that runs over the end of its OPT."""
    TOO_MANY_OPTIONS = "too_many_options"
    """More EDNS options than any client sends (CVE-2026-41292)."""
    CLIENT_SUBNET = "client_subnet"
    """An ECS option that breaks RFC 7871 section 6 or 7.1.2."""
    TOO_MANY_RECORDS = "too_many_records"
    """More records than any honest answer has."""
    RDATA = "rdata"
    """Rdata of a known type that is not what the type says: too short, too long, or its parts do not end with it."""
    UNRELATED = "unrelated"
    """An answer section that speaks of other names than the question's and those that aliases lead to, alone."""
    OTHER_QUESTION = "other_question"
    """The answer's question is not the one that was asked (RFC 5452 section 9.1)."""


class Malformed(ValueError):
    """The bytes are not a message we can use. The only exception the readers of this package raise."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault
