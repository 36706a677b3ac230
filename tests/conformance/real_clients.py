"""What real DoH clients send, read in their own sources: one row for each client, with all its forms.

Some of them would come over HTTP/2 or HTTP/3 only. A front proxy turns those into the same requests over HTTP/1.1, so
their methods, fields and messages are here as well. Two of them (Windows, MikroTik) are closed and stand here with the
plain forms of RFC 8484. Users of JSON are not here: they are refused, see `test_dialects`.
"""

import hashlib
from dataclasses import dataclass

from tests.conformance.exchange import ACCEPT, CONTENT_TYPE, Request, get, post
from tests.conformance.queries import CLIENT_COOKIE, EMPTY_ERROR, NO_SUBNET, PADDING, SUBNET, option, query


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a client asks."""

    client: str
    what: str
    request: Request
    wire: bytes
    """The DNS message inside."""
    rcode: int = 0


NXDOMAIN = 3
NAME = "www.example.com"

LOWER_ACCEPT = ("accept", ACCEPT[1])
LOWER_CONTENT_TYPE = ("content-type", CONTENT_TYPE[1])
ANYTHING = ("Accept", "*/*")


def _agent(name: str) -> tuple[str, str]:
    return ("User-Agent", name)


def _body_hash(wire: bytes) -> str:
    return "body_hash=" + hashlib.sha512(wire).digest()[:32].hex()


def _dnscrypt_proxy_2019() -> list[Form]:
    client = "dnscrypt-proxy 2.0.25 to 2.0.36"
    agent = _agent("dnscrypt-proxy")
    probe = query(".", "NS", identifier=0xCAFE, dnssec_ok=True)
    pad = ("X-Pad", "X" * 36)
    asked = query(NAME, edns=None)
    return [
        Form(client, "its probe, POST", post(probe, agent, ACCEPT, CONTENT_TYPE, pad, query=_body_hash(probe)), probe),
        Form(client, "its probe, GET", get(probe, agent, ACCEPT, query="ct=&dns={dns}"), probe),
        Form(client, "a query, POST", post(asked, agent, ACCEPT, CONTENT_TYPE, pad, query=_body_hash(asked)), asked),
        Form(client, "a query, GET", get(asked, agent, ACCEPT, query="ct=&dns={dns}"), asked),
    ]


def _dnscrypt_proxy_2020() -> list[Form]:
    client = "dnscrypt-proxy 2.0.38 to 2.0.42"
    agent = _agent("dnscrypt-proxy")
    wire = query(NAME, pad_to=64)
    return [
        Form(client, "POST", post(wire, agent, ACCEPT, CONTENT_TYPE, query=_body_hash(wire)), wire),
        Form(client, "GET", get(wire, agent, ACCEPT, query="ct=&dns={dns}"), wire),
    ]


def _dnscrypt_proxy() -> list[Form]:
    client = "dnscrypt-proxy today"
    fields = (_agent("dnscrypt-proxy"), ("Cache-Control", "max-stale"), ACCEPT)
    padding = option(PADDING, bytes(range(1, 17)))
    probe = query(".", "NS", padding, identifier=0xCAFE)
    absent = query("qwertyuiopasdfgh.test.dnscrypt", "NS", padding, identifier=0xCAFE)
    wire = query(NAME, pad_to=64)
    subnet = query("resolver.dnscrypt.info", "TXT", SUBNET)
    check = query("nonexistent-zone.dnscrypt-test", "A", authentic=True)
    return [
        Form(client, "its probe", post(probe, *fields, CONTENT_TYPE, query=_body_hash(probe)), probe),
        Form(client, "its probe, GET", get(probe, *fields), probe),
        Form(client, "its lie test", post(absent, *fields, CONTENT_TYPE, query=_body_hash(absent)), absent, NXDOMAIN),
        Form(client, "its lie test, GET", get(absent, *fields), absent, NXDOMAIN),
        Form(client, "POST", post(wire, *fields, CONTENT_TYPE, query=_body_hash(wire)), wire),
        Form(client, "GET", get(wire, *fields), wire),
        Form(client, "-resolve, ECS", post(subnet, *fields, CONTENT_TYPE, query=_body_hash(subnet)), subnet),
        Form(client, "-resolve -check", post(check, *fields, CONTENT_TYPE), check, NXDOMAIN),
    ]


def _firefox() -> list[Form]:
    fields = (ACCEPT, ("Accept-Encoding", ""), ("Cache-Control", "no-store"), ("Pragma", "no-cache"), CONTENT_TYPE)
    forms = []
    for rdtype in ("A", "AAAA", "HTTPS", "NS", "TXT"):
        wire = query(NAME, rdtype, NO_SUBNET, pad_to=128)
        forms.append(Form("Firefox", f"POST of {rdtype}", post(wire, *fields), wire))
    wire = query("example.com", "NS", NO_SUBNET, pad_to=128)
    return [
        *forms,
        Form("Firefox", "its confirmation", post(wire, *fields), wire),
        Form("Firefox", "GET", get(wire, *fields[:2]), wire),
        Form("Firefox", "GET behind another parameter", get(wire, *fields[:2], query="x=1&dns={dns}"), wire),
    ]


def _chromium() -> list[Form]:
    fields = (ACCEPT, ("Accept-Language", "*"), _agent("Chrome"), ("Accept-Encoding", "identity"))
    probe = query("www.gstatic.com", "A", pad_to=128)
    wire = query(NAME, "HTTPS", EMPTY_ERROR, pad_to=128)
    return [
        Form("Chromium", "its probe, GET", get(probe, *fields), probe),
        Form("Chromium", "its probe, POST", post(probe, *fields, CONTENT_TYPE), probe),
        Form("Chromium", "an empty EDE, GET", get(wire, *fields), wire),
        Form("Chromium", "an empty EDE, POST", post(wire, *fields, CONTENT_TYPE), wire),
    ]


def _telephones() -> list[Form]:
    apple = query("apple.com", "NS", pad_to=128)
    android = query("aBcD3f-dnsohttps-ds.metric.gstatic.com", "AAAA", identifier=0x7A31, edns=None)
    wire = query(NAME, pad_to=128)
    padded_intra = post(wire, ACCEPT, CONTENT_TYPE, _agent("Intra"))
    rethink = post(wire, LOWER_CONTENT_TYPE, LOWER_ACCEPT, _agent(""))
    return [
        Form("Apple", "its probe, GET with a Content-Type", get(apple, ACCEPT, CONTENT_TYPE), apple),
        Form("Android", "its probe", get(android, _agent("quiche"), ACCEPT), android),
        Form("Android", "GET", get(wire, _agent("quiche"), ACCEPT), wire),
        Form("AdGuard apps", "GET", get(wire, LOWER_ACCEPT), wire),
        Form("Intra", "POST", padded_intra, wire),
        Form("Rethink", "POST with an empty User-Agent", rethink, wire),
        Form("Outline", "POST", post(wire, ACCEPT, CONTENT_TYPE), wire),
        Form("OkHttp", "GET", get(query(NAME, edns=None), ACCEPT, _agent("okhttp/5.1.0")), query(NAME, edns=None)),
        Form("OkHttp", "POST", post(query(NAME, edns=None), ACCEPT, CONTENT_TYPE), query(NAME, edns=None)),
    ]


def _tools() -> list[Form]:
    bare = {rdtype: query(NAME, rdtype, edns=None) for rdtype in ("A", "AAAA", "HTTPS")}
    dig = query(NAME, "A", CLIENT_COOKIE, identifier=0x9C21, edns=1232, authentic=True)
    dig_fields = (CONTENT_TYPE, ACCEPT, ("Cache-Control", "no-cache, no-store, must-revalidate"))
    kdig = query(NAME, "A", identifier=0x1D0F, edns=4096, pad_to=128)
    q = query(NAME, "A", identifier=0xBEEF, edns=1232)
    plain = query(NAME, "A")
    return [
        *(Form("curl", f"POST of {rdtype}", post(wire, CONTENT_TYPE, ANYTHING), wire) for rdtype, wire in bare.items()),
        Form("dig", "POST", post(dig, *dig_fields), dig),
        Form("dig", "GET", get(dig, *dig_fields), dig),
        Form("kdig", "POST", post(kdig, LOWER_ACCEPT, LOWER_CONTENT_TYPE), kdig),
        Form("kdig", "GET", get(kdig, LOWER_ACCEPT), kdig),
        Form("q", "GET", get(q, ACCEPT, _agent("Go-http-client/2.0")), q),
        Form("q", "POST", post(q, ACCEPT, CONTENT_TYPE), q),
        Form("doggo", "POST without Accept", post(q, CONTENT_TYPE, _agent("Go-http-client/2.0")), q),
        Form("dnspython", "POST", post(plain, LOWER_ACCEPT, LOWER_CONTENT_TYPE), plain),
        Form("dnspython", "GET", get(plain, LOWER_ACCEPT), plain),
        Form("dnslookup", "the list's check", get(query("one.net"), ACCEPT), query("one.net")),
    ]


def _forwarders() -> list[Form]:
    wire = query(NAME, "AAAA", identifier=0)
    padded = query(NAME, "A", pad_to=128)
    go = _agent("Go-http-client/2.0")
    probe = query("probe-test.dns.nextdns.io")
    nextdns = (CONTENT_TYPE, _agent("nextdns-cli/1.44.3 (linux; amd64; host)"), ("X-Conf-Last-Modified", "x"))
    device = (("X-Device-Id", "AB12C"), ("X-Device-Ip", "192.0.2.9"), ("X-Device-Name", "tv"))
    forwarded = (("X-Forwarded-For", "192.0.2.9:4242"), ("X-Forwarded-Proto", "dns"), ("X-Forwarded-Port", "53"))
    xray = query(NAME, "A", option(PADDING, 77 * b"\x00"))
    browser = (_agent("Mozilla/5.0 (X11; Linux x86_64)"), ("Sec-Fetch-Mode", "no-cors"), ("Accept-Language", "en"))
    dnsdist = (LOWER_ACCEPT, LOWER_CONTENT_TYPE, ("user-agent", "nghttp2-1.52.0/dnsdist"))
    return [
        Form("dnsproxy and AdGuard Home", "GET", get(wire, ACCEPT), wire),
        Form("RouteDNS", "POST", post(padded, LOWER_ACCEPT, LOWER_CONTENT_TYPE, go), padded),
        Form("RouteDNS", "GET", get(padded, LOWER_ACCEPT, go), padded),
        Form("cloudflared", "POST without Accept", post(wire, CONTENT_TYPE, go), wire),
        Form("NextDNS", "its probe", post(probe, *nextdns), probe),
        Form("NextDNS", "POST with fields of its own", post(wire, *nextdns, *device), wire),
        Form("Technitium", "POST", post(padded, LOWER_ACCEPT, CONTENT_TYPE, _agent("DoH client")), padded),
        Form("https_dns_proxy", "POST", post(wire, ACCEPT, CONTENT_TYPE, _agent("https_dns_proxy/0.4")), wire),
        Form("blocky", "POST without Accept", post(wire, CONTENT_TYPE, _agent("blocky")), wire),
        Form("CoreDNS", "GET with a Content-Type", get(wire, CONTENT_TYPE, ACCEPT), wire),
        Form("mosdns", "GET", get(wire, ACCEPT), wire),
        Form("smartdns", "POST", post(wire, ACCEPT, CONTENT_TYPE, _agent("smartdns")), wire),
        Form("hickory", "POST", post(wire, LOWER_ACCEPT, LOWER_CONTENT_TYPE), wire),
        Form("dnsdist", "POST with the client's address", post(wire, *dnsdist, *forwarded), wire),
        Form("Xray", "100 bytes of X-Padding", post(xray, *browser, CONTENT_TYPE, ("X-Padding", "X" * 100)), xray),
        Form("Xray", "1000 bytes of X-Padding", post(xray, *browser, CONTENT_TYPE, ("X-Padding", "X" * 1000)), xray),
        Form("mihomo", "GET", get(wire, ACCEPT), wire),
        Form("systemd-resolved", "POST", post(wire, ACCEPT, CONTENT_TYPE), wire),
        Form("systemd-resolved", "GET", get(wire, ACCEPT), wire),
    ]


def _m13253() -> list[Form]:
    agent = _agent("DNS-over-HTTPS/2.3.10 (+https://github.com/m13253/dns-over-https)")
    accept = ("Accept", "application/dns-message, application/dns-udpwireformat, application/json")
    wire = query(NAME, "A", SUBNET)
    with_type = get(wire, agent, accept, query="ct=application/dns-message&dns={dns}")
    return [
        Form("m13253 doh-client 2.x", "GET", with_type, wire),
        Form("m13253 doh-client 2.x", "POST", post(wire, agent, accept, CONTENT_TYPE), wire),
        Form("m13253 doh-client 2.x", "GET without ECS", get(query(NAME), agent, accept), query(NAME)),
    ]


def _others() -> list[Form]:
    monitor = query("example.com", "A", identifier=0x0B0B, edns=None)
    agent = _agent("DNSCrypt Public DNS Servers Monitor https://status.dnscrypt.info")
    close = ("Connection", "close")
    plain, edns = query(NAME, edns=None), query(NAME)
    return [
        Form("status.dnscrypt.info", "POST", post(monitor, agent, ACCEPT, CONTENT_TYPE, close), monitor),
        Form("status.dnscrypt.info", "GET", get(monitor, agent, ACCEPT, close), monitor),
        Form("Windows", "the plain GET", get(edns, ACCEPT), edns),
        Form("Windows", "the plain POST", post(edns, ACCEPT, CONTENT_TYPE), edns),
        Form("MikroTik", "the plain POST", post(plain, ACCEPT, CONTENT_TYPE), plain),
        Form("MikroTik", "the plain GET", get(plain, ACCEPT), plain),
    ]


FORMS: list[Form] = [
    *_dnscrypt_proxy_2019(),
    *_dnscrypt_proxy_2020(),
    *_dnscrypt_proxy(),
    *_firefox(),
    *_chromium(),
    *_telephones(),
    *_tools(),
    *_forwarders(),
    *_m13253(),
    *_others(),
]
