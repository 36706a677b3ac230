"""What must hold whatever text an operator, a list or a stamp gives us.

1. A stamp that is read is written as it was, but for an empty set at its end, or would be refused by today's clients;
   it can be explained either way.
2. A configuration is usable, or every problem is told in one line under a path; nothing else is raised.
3. Of a resolv.conf a few addresses are taken, and nothing else.
4. A list of public suffixes is taken or refused as one; each name has one registered domain, which it ends with.
5. A blocklist is read to its end however it is cut; each line has names, is left out or is told, and nothing is raised.
6. An entry of a list of resolvers is read or refused in a sentence, and nothing is found wrong with the corrected one.
7. Whatever lines dohproxy-nft is sent, what it tells nft is about its own table, and drops nobody who is spared.
"""

import base64
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from dohproxy.config import Config, ConfigError, Problem, check_warnings, read, render
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.config.resolv_conf import MOST_NAMESERVERS, nameservers_in
from dohproxy.doh.stamp import BadStamp, Properties, Protocol, Stamp, explain, refusal
from dohproxy.doh.stamp_codec import decode, decode_route, encode
from dohproxy.nft.drops import ALWAYS_SPARED, Drops, Spared
from dohproxy.nft.protocol import Malformed, read_command, write_command
from dohproxy.policy.blocklists.formats import Format
from dohproxy.policy.blocklists.name_set import EXACT, hash_name
from dohproxy.policy.blocklists.reading import MOST_FAULTS_TOLD, LoadedNames, Reading
from dohproxy.policy.suffixes import BadList, PublicSuffixes, parse_suffixes
from dohproxy.tools.doctor.findings import Severity
from dohproxy.tools.listing.audit import Audit, audit
from dohproxy.tools.listing.doors import Door
from dohproxy.tools.listing.entries import BadEntry, read_entries
from dohproxy.tools.listing.promises import Promise
from dohproxy.tools.listing.stamp_audit import Service
from dohproxy.tools.stamps import StampAddress
from dohproxy.wire.name import from_text

NAMES: Final = tuple(
    from_text(name)
    for name in (
        "",
        "com",
        "example.com",
        "www.example.co.uk",
        "a.b.c.ck",
        "www.ck",
        "x.y.github.io",
        "local",
        "1.in-addr.arpa",
    )
)


_PLACES: Final = (StampAddress("192.0.2.1", 443), StampAddress("2001:db8::1", 8_443))
_LISTED: Final = Service(
    read(
        '[server]\nlisten = ["192.0.2.1:443", "[2001:db8::1]:8443"]\nhost = "doh.example.net"\n'
        '[[upstream]]\nname = "ns0"\nurl = "udp://127.0.0.1"\nvalidates = true\n[about]\nname = "Example Association"',
        directory=Path("/etc/dohproxy"),
    ),
    {
        Protocol.DOH: Door(Protocol.DOH, "doh.example.net", "server.host", "/dns-query", _PLACES),
        Protocol.DOT: Door(Protocol.DOT, "dot.example.net", "dot.host", "", (StampAddress("", 853),)),
    },
    None,
    (
        Promise(Properties.DNSSEC, True),
        Promise(Properties.NO_LOGS, None),
        Promise(Properties.NO_FILTER, None, "a list"),
    ),
)


def check_stamp(data: bytes) -> Stamp | None:
    """Hold the promises about stamps on a text of these characters; return what it says."""
    text = data.decode("latin-1")
    try:
        stamp = decode(text)
    except BadStamp as bad:
        _is_a_sentence(str(bad))
        stamp = None
    if stamp is not None:
        assert decode_route(text) == (stamp,)
        assert explain(stamp).isprintable() or "\n" in explain(stamp)
        if not refusal(stamp):
            assert text in _spellings(encode(stamp))
        return stamp
    try:
        relay, server = decode_route(text)
    except BadStamp as bad:
        _is_a_sentence(str(bad))
        return None
    if not refusal(relay) and not refusal(server):
        assert text in _spellings(encode(server, relay=relay))
    return server


def _spellings(text: str) -> set[str]:
    """Return a stamp as we write it, and with an empty set of bootstrap addresses, which we leave out."""
    before, _, last = text.rpartition("/")
    payload = base64.urlsafe_b64decode(last + "=" * (-len(last) % 4)) + b"\x00"
    return {text, f"{before}/{base64.urlsafe_b64encode(payload).decode().rstrip('=')}"}


def check_listing(data: bytes) -> tuple[Audit, ...]:
    """Hold the promises about lists of resolvers on a text of these bytes; return what was found of its entries."""
    try:
        entries = read_entries(data.decode("utf-8", "replace"))
    except BadEntry as bad:
        _is_a_sentence(str(bad))
        return ()
    assert entries
    audits = tuple(audit(entry, _LISTED) for entry in entries)
    for one in audits:
        assert not one.entry.name or read_entries(str(one.entry)) == (one.entry,)
        for finding in one.findings:
            _is_a_sentence(f"{finding.what}{finding.remedy}")
            assert finding.what.isprintable()
        again = audit(one.corrected, _LISTED)
        assert again.corrected == one.corrected
        faults = [finding for finding in again.findings if finding.severity is Severity.FAULT]
        assert not faults, faults
    return audits


def check_configuration(data: bytes) -> Config | None:
    """Hold the promises about configurations on a file of these bytes; return it if it can be used."""
    try:
        config = read(data.decode("utf-8", "replace"), directory=Path("/etc/dohproxy"))
    except ConfigError as error:
        _are_sentences(error.problems)
        return None
    for warning in check_warnings(config):
        _is_a_sentence(str(warning))
    return config


def _are_sentences(problems: tuple[Problem, ...]) -> None:
    assert problems
    for problem in problems:
        _is_a_sentence(problem.sentence)
        assert problem.path
    assert render(ConfigError(problems)).count("\n") == len(problems) - 1


def check_suffix_list(data: bytes) -> PublicSuffixes | None:
    """Hold the promises about lists of public suffixes on a file of these bytes; return it if it is one."""
    text = data.decode("utf-8", "replace")
    try:
        suffixes = parse_suffixes(text, last_changed=1.0)
    except BadList as bad:
        _is_a_sentence(str(bad))
        return None
    assert suffixes.is_delegated(b"\x00")
    # An exception prevails over any rule: a private one also over those of registries that are longer.
    has_exceptions = any(line.strip().startswith("!") for line in text.partition("BEGIN PRIVATE")[2].split("\n"))
    for name in NAMES:
        registered, registrant = suffixes.registered_domain(name), suffixes.registrant_domain(name)
        assert name.endswith(registered)
        assert name.endswith(registrant)
        assert registered.endswith(registrant) or has_exceptions, "private rules can only make domains longer"
    return suffixes


def check_blocklist(data: bytes) -> LoadedNames:
    """Hold the promises about blocklists on a file whose first byte says its format; return what it holds."""
    formats: list[Format | None] = [None, *Format]
    # Longer ones only say the same for longer.
    written, content = formats[data[0] % len(formats)] if data else None, data[1:4_096]
    whole, cut = Reading(written, EXACT), Reading(written, EXACT)
    for _ in whole.feed(content):
        pass
    for position in range(0, len(content), 61):
        for _ in cut.feed(content[position : position + 61]):
            pass
    loaded, again = _finished(whole), _finished(cut)
    lines = content.count(b"\n") + 1
    assert loaded.bad_lines + loaded.left_out <= lines
    assert len(loaded.faults) == min(loaded.bad_lines, MOST_FAULTS_TOLD)
    for fault in loaded.faults:
        _is_a_sentence(fault)
    assert (loaded.faults, loaded.left_out, loaded.written) == (again.faults, again.left_out, again.written)
    assert (loaded.names.names, loaded.excepted.names) == (again.names.names, again.excepted.names)
    for name in NAMES:
        assert loaded.names.kind(hash_name(name)) == again.names.kind(hash_name(name))
    return loaded


def _finished(reading: Reading) -> LoadedNames:
    for _ in reading.finish():
        pass
    return reading.loaded()


def check_resolv_conf(data: bytes) -> tuple[str, ...]:
    """Hold the promises about a machine's own resolvers on a file of these bytes; return their addresses."""
    text = data.decode("utf-8", "replace")
    addresses = nameservers_in(text)
    assert len(addresses) == len(set(addresses)) <= MOST_NAMESERVERS
    for address in addresses:
        assert address in text
        url = UpstreamAddress("udp", address, 53)
        assert str(url).startswith("udp://")
        assert url.is_open_path is not ip_address(address).is_loopback
    return addresses


def _is_a_sentence(text: str) -> None:
    assert text
    assert len(text) < 2_000
    assert "\n" not in text
    assert "Traceback" not in text


_STATEMENT: Final = re.compile(
    r"(add|delete|flush) (table|counter|chain|rule|set|element) inet dohproxy[a-z0-9_ (){},|&;:.!=@/\"]*"
)
_OWN: Final = Spared(ALWAYS_SPARED)


def check_nft_commands(data: bytes) -> int:
    """Hold the promises about what the service sends to dohproxy-nft on these lines; return how many were taken."""
    drops, taken = Drops([443], (), most=8), 0
    for line in data.split(b"\n"):
        try:
            command = read_command(line)
            assert read_command(write_command(command)) == command
            step = drops.take(command, float(taken))
        except Malformed:
            drops.begin()
            continue
        taken += 1
        if step is not None:
            assert step.done.held == len(drops) <= 8
            assert all(_STATEMENT.fullmatch(statement) for statement in step.script.splitlines())
        assert not any(network in _OWN for network in drops.networks(float(taken)))
    return taken
