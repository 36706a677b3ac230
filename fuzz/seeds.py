"""Where each fuzz target begins: some of what is sent in earnest, and some of what it must be told from.

`python -m fuzz.seeds DIRECTORY` writes them as files, a directory for each target, as libFuzzer and OSS-Fuzz take them.
"""

import base64
import gzip
import random
import struct
import sys
from collections.abc import Iterable
from hashlib import blake2b, sha256
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Final

from dohproxy.config import reference
from dohproxy.doh.stamp import Properties, Protocol, Stamp
from dohproxy.doh.stamp_codec import encode
from dohproxy.nft.protocol import Begin, Change, Command, Drop, End, Look, Spare, read_network, write_command
from dohproxy.tools.backup.archive import MANIFEST_NAME, ArchiveWriter
from dohproxy.tools.backup.manifest import LeftOut, Manifest, Part, Why, part_name
from dohproxy.tools.backup.manifest import encode as encode_manifest
from fuzz import worst_cases
from fuzz.http2_traffic import Traffic
from tests.wire import messages as m

_PREFACE_AND_SETTINGS: Final = 24 + 9


def queries() -> list[bytes]:
    """Return queries as clients send them, and the costliest."""
    subnet = m.subnet()
    usual = [m.query(m.question(m.name(name), qtype)) for name in ("", "example.net") for qtype in (1, 2, 28, 65, 255)]
    with_opt = [m.query(m.question(), m.opt(options)) for options in (b"", subnet, m.option(12, bytes(9)), subnet * 2)]
    pointer_cut_short = m.query(m.question(), b"\xff")
    return [*usual, *with_opt, pointer_cut_short, *worst_cases.QUERIES.values()]


def dot() -> list[bytes]:
    """Return what clients of DoT send: queries one after the other, and what ends a connection."""
    several = [m.query(m.question(m.name(f"{number}.example.net"), 1), m.opt(b"")) for number in range(12)]
    stream = b"".join(len(wire).to_bytes(2) + wire for wire in several)
    response = several[0][:2] + b"\x81\x80" + several[0][4:]
    ends = (b"\x00\x00", b"\x02\x01", b"\x00\x0c" + bytes(12), len(response).to_bytes(2) + response)
    return [*queries(), stream, stream * 3, *(stream + end + stream for end in ends), stream[:-1]]


def answers() -> list[bytes]:
    """Return answers of each kind, and the costliest."""
    alias = m.record(m.CNAME, m.name("other.example.net"))
    mail = m.record(15, b"\x00\x0a\x04mail" + m.QNAME)
    of_another_class = m.soa().replace(b"\x00\x06\x00\x01", b"\x00\x06\x00\x03")
    service = m.record(m.HTTPS, b"\x00\x01\x00\x00\x01\x00\x03\x02h2\x00\x04\x00\x04\xc0\x00\x02\x01")
    usual = [
        m.answer(m.record()),
        m.answer(m.record(), m.record(), additional=(m.opt(m.option(15, b"\x00\x16")),)),
        m.answer(alias, m.record(owner=m.name("other.example.net"))),
        m.answer(mail, asked=m.question(qtype=15)),
        m.answer(service, asked=m.question(qtype=m.HTTPS)),
        m.answer(authority=(m.soa(),)),
        m.answer(authority=(m.soa(),), flags=m.QR | m.RD | m.RA | 3),
        m.answer(authority=(m.soa(), of_another_class), flags=m.QR | m.RD | m.RA | 3),
        m.answer(authority=(m.record(m.NS, m.QNAME),)),
        m.answer(m.record(7, b"\x04mail" + m.QNAME), asked=m.question(qtype=7)),
        m.answer(flags=m.QR | m.RD | m.RA | m.TC),
        m.message(m.QR | 5, []),
    ]
    return [*usual, *worst_cases.ANSWERS.values()]


def opts() -> list[bytes]:
    """Return OPT records."""
    subnets = (m.subnet(), m.subnet(2, 56, 0, bytes(7)), m.subnet(0, 0, 0, b""), m.subnet(1, 20, 0, b"\xc6\x33\x6f"))
    options = (b"", *subnets, m.option(12, bytes(60)), m.option(10, bytes(8)), b"\x00\x08\x00\x09ab", m.option(9) * 17)
    return [m.opt(option, dnssec_ok=True) for option in options] + [m.opt(version=1)]


def cookies() -> list[bytes]:
    """Return exchanges: for each reply what kind it is, how long its cookie, the hours before it, and the cookie."""
    returned = b"\x02\x10\x00" + bytes(16)
    return [returned * 5, b"\x04\x00\x01" * 5, returned * 4 + b"\x82\x30\x04" + bytes(48), b"\x00\x18\x00" + bytes(24)]


def snapshots() -> list[bytes]:
    """Return a file without entries, and one that was sealed for others."""
    content = struct.pack("!8sHQ", b"dohcache", 1, 1_800_000_000) + struct.pack("!I", 0)
    return [b"", content + blake2b(content, digest_size=32).digest(), content]


BACKED_UP: Final = {
    "configuration": b"""[server]
state_directory = "/var/lib/dohproxy"
[[blocklist]]
name = "ads"
file = "../ads.txt"
[[upstream]]
name = "ns0"
url = "udp://127.0.0.1:9"
""",
    "blocklist #1.file": b"ads.example\n",
    "server.state_directory/state": bytes(9),
}
"""What is in the backups here."""


def backups() -> list[bytes]:
    """Return a backup, as it is and without gzip, a newer one, and the manifest alone."""
    written, parts = BytesIO(), []
    with ArchiveWriter(written.write, 1_800_000_000) as writer:
        for number, (key, content) in enumerate(BACKED_UP.items(), start=1):
            name = part_name(number, key)
            writer.add(name, content)
            parts.append(Part(name, key, len(content), sha256(content).hexdigest(), 0o640, "root", "dohproxy"))
        left_out = (LeftOut("server.state_directory/key", Why.KEYS),)
        made = Manifest("1.0", 1_800_000_000, "localhost", "/etc/dohproxy/a.toml", tuple(parts), left_out)
        writer.add(MANIFEST_NAME, encode_manifest(made))
    whole = written.getvalue()
    plain = gzip.decompress(whole)
    return [whole, plain, plain.replace(b"1\n", b"2\n", 1), encode_manifest(made)]


def http1() -> list[bytes]:
    """Return what HTTP/1.1 clients send, several requests at a time, and what none should."""
    host = b"Host: localhost\r\n"
    get = b"GET /dns-query?dns=AAAA HTTP/1.1\r\n" + host + b"Accept: application/dns-message\r\n\r\n"
    post = b"POST /dns-query HTTP/1.1\r\n" + host + b"Content-Type: application/dns-message\r\n%b\r\n%b"
    chunks = b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: a\r\n\r\n"
    return [
        get,
        get * 3 + b"GET / HTTP/1.1\r\n" + host + b"X : y\r\n\r\n",
        post % (b"Content-Length: 5\r\n", b"hello") + get,
        post % (b"Content-Length: 5, 5\r\n", b"hello"),
        post % (b"Transfer-Encoding: chunked\r\n", chunks) + b"\r\n" + get,
        post % (b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
        post % (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks),
        post % (b"Transfer-Encoding: gzip, chunked\r\n", chunks),
        post % (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\nz\r\n"),
        get.replace(host, host + b"Connection: close\r\n") + get,
        get.replace(host, host + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n") + get,
        get.replace(b"1.1", b"1.0") + get,
        get.replace(b"1.1", b"1.2").replace(host, b""),
        get.replace(b"localhost", b"user@localhost"),
        b"OPTIONS * HTTP/1.1\r\n" + host + b"\r\nCONNECT [::1]:443 HTTP/1.1\r\n" + host + b"\r\n",
        b"GET http://localhost/dns-query HTTP/1.1\nHost: localhost\n\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 5_000 + b"\r\n\r\n",
    ]


def http2() -> list[bytes]:
    """Return what clients send behind their settings."""
    return [
        Traffic(random.Random(seed), oddity).wire(steps)[_PREFACE_AND_SETTINGS:]  # noqa: S311 - no secret
        for seed, (oddity, steps) in enumerate(((0.0, 2), (0.0, 9), (0.2, 9), (0.5, 20)))
    ]


def base64url() -> list[bytes]:
    """Return spellings of queries, one right and the others not."""
    right = base64.urlsafe_b64encode(m.query()).rstrip(b"=")
    return [right, right + b"=", right[:-1] + b"_", right[:-1], right.replace(b"A", b"+"), b"", b"A", "é".encode()]


def media() -> list[bytes]:
    """Return media fields of real clients and of none."""
    return [
        b"application/dns-message",
        b"Application/DNS-Message ; charset=utf-8",
        b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        b"application/dns-message;q=0, */*",
        b"*/*;q=0.000",
        b"a/b;q=nan, application/*;q=-1;q=1",
        b"," * 300,
        b'text/plain;a="b,c;q=0"',
    ]


def requests() -> list[bytes]:
    """Return requests of all dialects, in the lines of `request_invariants.request_of`."""
    dns = base64.urlsafe_b64encode(m.query()).rstrip(b"=").decode()
    body = m.query()
    gets = [
        f"/dns-query?dns={dns}",
        f"/dns-query/{'A' * 22}?dns={dns}",
        f"/dns-query/{'A' * 20}%41A?dns={dns}",
        f"/dns-query/{'A' * 21}B?dns={dns}",
        f"/dns-query?ct=&dns={dns}",
        f"/dns-query?ct=application/dns-message&dns={dns}",
        f"/dns-query?ct=application%2Fdns-message&dns={dns}&random_padding=x",
        f"/dns-query?dns={dns}&dns={dns}",
        f"/%64ns-query?dns={dns.replace('A', '%41')}",
        f"https://doh.example.net/dns-query?dns={dns}",
        "/dns-query?name=example.net&type=A",
        "/resolve?name=example.net",
        "*",
    ]
    accept = b"application/dns-message"
    return [
        *(b"GET\n%s\n%s\n\n\n" % (target.encode(), accept) for target in gets),
        b"POST\n/dns-query\n%s\n%s\n\n%s" % (accept, accept, body),
        b"POST\n/dns-query?body_hash=abc\n*/*\napplication/dns-udpwireformat\n\n%s" % body,
        b"POST\n/dns-query\n\n%s\ngzip\n%s" % (accept, body),
        b"BREW\n/dns-query\n\n\n\n",
    ]


def metrics() -> list[bytes]:
    """Return runs of several requests."""
    every = requests()
    return [b"\n\x00\n".join(every[start : start + 8]) for start in range(0, len(every), 8)]


def proxy_headers() -> list[bytes]:
    """Return PROXY headers of both versions."""
    signature = bytes.fromhex("0d0a0d0a000d0a515549540a")
    block4, block6 = bytes.fromhex("c0000207cb007101dc0401bb"), bytes(range(36))
    return [
        b"PROXY TCP4 192.0.2.7 203.0.113.1 56324 443\r\nGET",
        b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n",
        b"PROXY UNKNOWN anything\r\n",
        signature + b"\x21\x11\x00\x0c" + block4,
        signature + b"\x21\x21\x00\x29" + block6 + b"\x01\x00\x02h2\x16",
        signature + b"\x20\x00\x00\x00",
        signature + b"\x21\x31\x02\x00" + bytes(216),
    ]


def forwarded() -> list[bytes]:
    """Return lines of both header fields."""
    return [
        b"203.0.113.7, 192.0.2.5",
        b"203.0.113.7\n192.0.2.9, 192.0.2.5",
        b'for="[2001:db9::7]:4711";proto=https, for=192.0.2.5;by=_x',
        b'for=unknown, for="_gazonk"',
        b'for="\\"192.0.2.1, for=203.0.113.7',
        b"2001:db9::1, [2001:db8::2]:443,,",
        b"for=203.0.113.7;For=203.0.113.8",
    ]


def nft_commands() -> list[bytes]:
    """Return what the service sends to dohproxy-nft, and what it never would."""
    evil, wide = read_network("192.0.2.7"), read_network("2001:db8::/48")
    own = read_network("127.0.0.1")
    snapshot: tuple[Command, ...] = (Begin(), Spare((wide, own)), Drop(((evil, 60_000), (own, 1))), End())
    whole = [b"".join([write_command(command) for command in snapshot])]
    whole += [whole[0] + write_command(Change(((wide, 1), (evil, 2)), (evil,))) + write_command(Look())]
    scope = b'{"do":"begin"}\n{"do":"drop","networks":[["fe80::1%}; flush ruleset; #",1]]}\n{"do":"end"}\n'
    return [*whole, *whole[0].splitlines(), scope, b"[" * 2_000, b'{"do":' + b"9" * 5_000]


def stamps() -> list[bytes]:
    """Return stamps of several protocols, and broken ones."""
    whole = Properties.DNSSEC | Properties.NO_LOGS
    doh = encode(
        Stamp(Protocol.DOH, whole, "192.0.2.1", hashes=(bytes(32),), host="doh.example.net:8443", path="/dns-query")
    )
    dot = encode(Stamp(Protocol.DOT, whole, "[2001:db8::1]", host="dot.example.net"))
    plain = encode(Stamp(Protocol.PLAIN, whole, "192.0.2.53"))
    with_empty_set = "sdns://A_MAAAAAAQAADVsyMDAxOmRiODo6MV0AD2RvdC5leGFtcGxlLm5wMAA"
    broken = (doh[:-1], f"{doh}A", f"{plain}/{doh}", "sdns://", "sdns://AA==")
    return [text.encode() for text in (doh, dot, plain, with_empty_set, *broken)]


def listings() -> list[bytes]:
    """Return a list of resolvers with entries of every kind, its parts, and single stamps."""
    head = "# public-resolvers\n\nA list of resolvers.\n\n--\n\n\n"
    good, *others = [text.decode() for text in stamps()]
    entries = [f"## here-{number}\n\nA resolver.\n\n{text}\n" for number, text in enumerate((good, *others))]
    both = f"## both-ipv6\nOperated by Example Association\n{good}\n{others[0]}\n{good.replace('A', 'B')}\n"
    whole = [head + "\n\n".join([*entries, both]), "## \n", "## a\n\nno stamp\n", "##\n" + good, "## a\r\n" + good]
    return [text.encode() for text in [*whole, *entries, both, good, *others]]


def configurations() -> list[bytes]:
    """Return the shipped configuration, a short one, and wrong ones."""
    shipped = reference().encode()
    short = b'[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'
    return [
        shipped,
        short,
        short + b'[server]\nlisten = ["[::]:443", "unix:/run/x"]\nhost = "https://x"\n',
        short + b"[limits]\nrequests_per_second = -1\nrequests_burst = 1e999\n",
        b"\xef\xbb\xbf" + short,
        b"[upstream]\n",
        b"a = [[[[",
        b"x = " + b"9" * 5_000,
    ]


def resolv_confs() -> list[bytes]:
    """Return a machine's own file, as different programs write it."""
    return [
        b"# Generated by NetworkManager\nsearch example.net\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n",
        b"nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n",
        b"nameserver fe80::1%eth0\nnameserver resolver.example.net\nnameserver\n;\n",
    ]


def suffix_lists() -> list[bytes]:
    """Return a page of a list, the beginning of the installed one, and what is none."""
    page = (
        b"// VERSION: 2024-01-31_00-00-00_UTC\n// ===BEGIN ICANN DOMAINS===\ncom\nuk\nco.uk\n*.ck\n!www.ck\narpa\n"
        b"xn--p1ai\n\xd1\x80\xd1\x84\n// ===END ICANN DOMAINS===\n"
        b"// ===BEGIN PRIVATE DOMAINS===\ngithub.io\n// ===END PRIVATE DOMAINS===\n"
    )
    installed = resources.files("publicsuffixlist").joinpath("public_suffix_list.dat").read_bytes()
    private_exception = page.replace(b"github.io", b"*.uk\n!co.uk")
    exception_to_nothing = page.replace(b"github.io", b"!com")
    broken = (page[:-5], page.replace(b"com", b"c om"), exception_to_nothing, b"<html>not found</html>", b"")
    return [page, private_exception, installed[:2_000], *broken]


def blocklists() -> list[bytes]:
    """Return some lines of each format behind the byte that names it, guessed and not."""
    pages = (
        b"# names\nads.example.com\n*.x.example.com # all\n.b\xc3\xbccher.example\nnot a name\n",
        b"127.0.0.1 localhost\n0.0.0.0 ads.example.com www.ck\n192.0.2.1 nas\n",
        b"address=/example.com/0.0.0.0\nserver=/local/\nserver=/intern.example/192.0.2.53\n",
        b"[Adblock Plus]\n! x\n||example.com^$important\n@@||www.example.co.uk^\nexample.com##.x\n||a^$third-party\n",
        b"$TTL 60\n@ SOA a. b. (1 2\n 3 4 5)\nexample.com CNAME .\n*.example.com CNAME rpz-passthru.\n A 192.0.2.1\n",
        b"x " + b"1" * 200 + b"x IN CNAME .\n",
        b"192.0.2.0/24 ; x\n2001:db8::1\n0.0.0.0/0\n",
        b"$ORIGIN rpz.example.\nads.example.com.rpz.example. IN 60 CNAME *.\n8.0.0.0.10.rpz-ip CNAME .\n",
    )
    return [bytes([number]) + page for page in pages for number in range(7)]


def write(directory: Path, name: str, seeds: Iterable[bytes]) -> None:
    """Write the seeds of one target as files named by what is in them."""
    place = directory / name
    place.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (place / blake2b(seed, digest_size=8).hexdigest()).write_bytes(seed)


def main() -> None:
    """Write the seeds of all targets below a directory."""
    from fuzz.targets import TARGETS  # That table names the functions of this file.

    (directory,) = sys.argv[1:]
    for name, target in TARGETS.items():
        write(Path(directory), name, target.seeds())


if __name__ == "__main__":
    main()
