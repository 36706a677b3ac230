"""The synthetic DNS that Unbound serves: every kind of answer, and a record for each of many names.

Every address is in 127.0.0.0/8 or maps to it: who connects to what it resolved stays on this machine.
"""

from collections.abc import Sequence

# Not under example.org or a special-use name (RFC 6761): the proxy must ask for it like for any other name.
ORIGIN = "e2e.example"
SLOW = f"slow.{ORIGIN}"
BROKEN = f"broken.{ORIGIN}"

CHAIN_LENGTH = 6
TEXT_STRINGS = 12
TEXT_STRING_BYTES = 250

# Long enough that nothing expires between the first and the second pass of a test.
TTL_SECONDS = 600
SHORT_TTL_SECONDS = 1

# So that negative answers are of three different sizes and owners in one run.
EVERY_NTH_HAS_IPV6 = 3


def root_zone(names: Sequence[str]) -> str:
    """The zone that holds an A record for each of `names`, and an AAAA record for every third of them."""
    lines = [
        f"$TTL {TTL_SECONDS}",
        ". IN SOA ns.e2e.example. hostmaster.e2e.example. 1 3600 600 86400 120",
        ". IN NS ns.e2e.example.",
    ]
    for number, name in enumerate(names):
        lines.append(f"{name}. IN A {ipv4_of(number)}")
        if number % EVERY_NTH_HAS_IPV6 == 0:
            lines.append(f"{name}. IN AAAA ::ffff:{ipv4_of(number)}")
    return "\n".join(lines) + "\n"


def kinds_zone() -> str:
    """The zone with one name per kind of answer."""
    lines = [
        f"$ORIGIN {ORIGIN}.",
        f"$TTL {TTL_SECONDS}",
        "@ IN SOA ns hostmaster 1 3600 600 86400 90",
        "@ IN NS ns",
        "ns IN A 127.0.0.1",
        "ns IN AAAA ::1",
        "www IN A 127.0.1.1",
        "www IN A 127.0.1.2",
        "www IN AAAA ::ffff:127.0.1.1",
        'www IN HTTPS 1 . alpn="h2,http/1.1" ipv4hint=127.0.1.1',
        "alias IN HTTPS 0 www",
        "MiXed IN A 127.0.1.3",
        "*.wild IN A 127.0.1.4",
        f"outside IN CNAME nothing-here.{ORIGIN}.",
    ]
    lines += [f"chain{step} IN CNAME chain{step + 1}" for step in range(CHAIN_LENGTH)]
    lines.append(f"chain{CHAIN_LENGTH} IN A 127.0.1.5")
    strings = " ".join(f'"{letter * TEXT_STRING_BYTES}"' for letter in "abcdefghijklmnopqrstuvwxyz"[:TEXT_STRINGS])
    lines.append(f"big IN TXT {strings}")
    lines += [f"brief{number} {SHORT_TTL_SECONDS} IN A 127.0.2.{number}" for number in range(1, 20)]
    lines += [f"fresh{number} IN A 127.0.3.{number}" for number in range(1, 20)]
    return "\n".join(lines) + "\n"


def ipv4_of(number: int) -> str:
    """The address of the name at this place of them."""
    return f"127.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def slow_name(milliseconds: int, label: str) -> str:
    """A name answered after so many milliseconds; `label` keeps it apart from those of other tests."""
    return f"{label}.after-{milliseconds}.{SLOW}"


def broken_name(label: str) -> str:
    """A name whose servers answer SERVFAIL."""
    return f"{label}.{BROKEN}"
