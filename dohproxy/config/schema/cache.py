"""[cache]: what is remembered, and for how long."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from dohproxy.config.addresses import parse_path
from dohproxy.config.keys import Choice, Integer, Number, Text


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """What is remembered, and for how long. A TTL is moved only by the rules here, and never for SERVFAIL."""

    max_megabytes: Annotated[
        int,
        Integer(
            1,
            16_384,
            "MiB",
            "Memory for answers, least recently used out first: some 260,000 of them, five times the"
            " names that a few thousand people ask in a day.",
        ),
    ] = 64
    minimum_ttl_seconds: Annotated[
        int,
        Integer(
            0,
            3600,
            "seconds",
            "Positive answers with a shorter TTL are kept this long. 60 spares the upstream most repeats;"
            " more keeps what an owner withdrew (CVE-2022-30698). doh-server has 10, dnscrypt-proxy 2400.",
        ),
    ] = 60
    minimum_ttl_under_pressure_seconds: Annotated[
        int,
        Integer(
            0,
            7200,
            "seconds",
            "The minimum rises towards this as an upstream's budget runs out or it fails: half an hour old is"
            " better than none. RFC 8767 would allow days.",
        ),
    ] = 1800
    maximum_ttl_seconds: Annotated[
        int,
        Integer(
            60,
            604_800,
            "seconds",
            "Longer TTLs are cut to this. One day is Unbound's default; RFC 8767 section 4 allows seven.",
        ),
    ] = 86_400
    jitter_percent: Annotated[
        int,
        Integer(
            0,
            20,
            "percent",
            "Chance ends a positive answer up to this much sooner, never under the minimum, and moves the pause after a"
            " failure by as much: what was learnt at once is not asked for again at once. At 5, what five minutes hold"
            " is spread over 15 seconds. 0 keeps exact times.",
        ),
    ] = 5
    negative_ttl_max_seconds: Annotated[
        int,
        Integer(
            1,
            10_800,
            "seconds",
            "Longest life of NXDOMAIN and NODATA, under what the SOA says (RFC 2308): a name made today"
            " should not stay absent until tomorrow. BIND's limit is 10,800.",
        ),
    ] = 900
    negative_share_percent: Annotated[
        int,
        Integer(
            1,
            50,
            "percent",
            "Part of the memory for negative answers, kept apart so that a flood of random names cannot"
            " evict good ones.",
        ),
    ] = 25
    cut_below_nxdomain: Annotated[
        Literal["never", "validated", "always"],
        Choice(
            ("never", "validated", "always"),
            "When a name that does not exist (NXDOMAIN with SOA) denies all names below it too, unasked (RFC 8020)."
            " validated: if the upstream says so (AD, over TLS or loopback) or it is the root that denies; Unbound and"
            " PowerDNS do the same, as servers of some CDNs deny names that others are below. What the list of public"
            " suffixes has is never cut off by a denial that nobody has validated.",
        ),
    ] = "validated"
    prefetch_percent: Annotated[
        int,
        Integer(
            0,
            50,
            "percent",
            "In this last part of its life an answer that was given three times is asked for again, if there is budget"
            " to spare, so that nobody waits for it; 0 never does. Unbound and CoreDNS have 10.",
        ),
    ] = 10
    max_entry_bytes: Annotated[
        int,
        Integer(
            512,
            65_535,
            "bytes",
            "Larger answers are passed on but not kept. Ordinary ones are under 1,500 bytes; one large"
            " answer must not push out dozens of them.",
        ),
    ] = 16_384
    stale_keep_seconds: Annotated[
        int,
        Integer(
            0,
            604_800,
            "seconds",
            "How long an expired answer may still serve when the upstream does not (RFC 8767 suggests one to"
            " three days); 0 never does. Unbound and BIND have one day.",
        ),
    ] = 86_400
    stale_answer_ttl_seconds: Annotated[
        int,
        Integer(1, 300, "seconds", "TTL written into a stale answer: the 30 recommended by RFC 8767 section 5."),
    ] = 30
    stale_wait_seconds: Annotated[
        float,
        Number(
            0.1,
            10,
            "seconds",
            "How long a client waits for a new answer while a stale one exists; 1.8 is from RFC 8767 section"
            " 5, just under the 2 after which many stubs ask again.",
        ),
    ] = 1.8
    stale_recheck_seconds: Annotated[
        int,
        Integer(
            1,
            3600,
            "seconds",
            "After a failed attempt stale answers go out at once for this long, without asking: the failure"
            " recheck timer of RFC 8767 section 5.",
        ),
    ] = 30
    failure_ttl_seconds: Annotated[
        int,
        Integer(
            1,
            300,
            "seconds",
            "How long a first failure is remembered; doubled each time. RFC 9520 section 3.2: 1 to 300.",
        ),
    ] = 5
    failure_ttl_max_seconds: Annotated[
        int,
        Integer(
            1,
            300,
            "seconds",
            "Where the doubling ends: RFC 9520 section 3.2 forbids more than five minutes.",
        ),
    ] = 300
    snapshot_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/var/lib/dohproxy/cache.snapshot",
            "Where the cache is kept from one run to the next, so that a restart does not send everybody's names"
            " to the upstreams at once. Absent by default: the file holds the names that were asked for, though"
            " not who asked, and no name is written anywhere unless you say so. Only the service's user can read"
            " it. The example is in the StateDirectory of the systemd unit.",
        ),
    ] = None
    snapshot_seconds: Annotated[
        float,
        Number(
            1,
            86_400,
            "seconds",
            "Between two snapshots, beside the one at the end: what a crash or a power cut can cost. 50,000"
            " entries are 6 MB on the disk and a quarter of a second of one core (November 2026), in small pieces.",
        ),
    ] = 300

    @property
    def max_bytes(self) -> int:
        """`max_megabytes` in bytes."""
        return self.max_megabytes * 1_048_576
