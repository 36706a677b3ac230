"""The ways in which real clients ask a DoH server: raw sockets, dnspython's client, curl's resolver."""

import ipaddress
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import dns.message
import dns.query
import dns.rdatatype
import httpx2

from tests.e2e.answers import Said, says
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import free_port
from tests.e2e.proxy import Proxy, environment

Question = tuple[str, dns.rdatatype.RdataType]

# One curl process for so many names: a few megabytes of trace, far below its --max-time.
CURL_SECONDS = 60

# curl 7 writes "* DoH Host name: x" and "* DoH A: 192.0.2.1"; curl 8 "* [DoH] hostname: x" and "* [DoH] A: 192.0.2.1".
# Some versions write their progress at the start of the line although they were told to be silent.
RESOLVED = re.compile(r"\* \[?DoH\]? (?:(?:Host name|hostname): (?P<name>\S+)|(?:A|AAAA): (?P<address>\S+))\s*\n")


def ask_by_raw_socket(proxy: Proxy, method: Literal["GET", "POST"], questions: Sequence[Question]) -> list[Said]:
    """Ask over one connection kept open, with EDNS and a random ID, which must come back."""
    said: list[Said] = []
    with proxy.client() as client:
        for qname, qtype in questions:
            query = dns.message.make_query(qname, qtype, use_edns=0, payload=1232)
            answer = client.get(query.to_wire()) if method == "GET" else client.post(query.to_wire())
            message = answer.message()
            assert query.is_response(message)
            said.append(says(message))
    return said


def ask_by_dnspython(proxy: Proxy, authority: CertificateAuthority, questions: Sequence[Question]) -> list[Said]:
    """Ask over one HTTP/1.1 session with ID 0 and no EDNS, every other question by POST."""
    said: list[Said] = []
    context = authority.client_context()
    with httpx2.Client(http1=True, http2=False, verify=context, trust_env=False) as session:
        for number, (qname, qtype) in enumerate(questions):
            query = dns.message.make_query(qname, qtype, id=0)
            answer = dns.query.https(query, proxy.url, timeout=20, session=session, post=number % 2 == 1)
            said.append(says(answer))
    return said


def resolve_by_curl(
    curl: str, proxy: Proxy, authority: CertificateAuthority, qnames: Sequence[str], directory: Path
) -> dict[str, set[str]]:
    """The addresses that `curl --doh-url` finds for each name, asking A and AAAA by POST.

    Every address is a loopback one where nobody listens on the port, so each fetch ends right after its resolution.
    Several names at once, because curl 7 sometimes sleeps for a second when both its answers come in one read.
    """
    port = free_port()
    urls = directory / "urls.txt"
    urls.write_text("".join(f'url = "http://{qname}:{port}/"\n' for qname in qnames), encoding="ascii")
    arguments = ["-q", "--silent", "--verbose", "--parallel", "--parallel-max", "8", "--connect-timeout", "5"]
    arguments += ["--noproxy", "*", "--cacert", str(authority.file), "--doh-url", proxy.url, "--config", str(urls)]
    run = subprocess.run(
        [curl, *arguments],
        capture_output=True,
        text=True,
        timeout=CURL_SECONDS,
        check=False,
        env=environment(),
    )
    return read_curl_trace(run.stderr)


def read_curl_trace(trace: str) -> dict[str, set[str]]:
    """The names and addresses in what `curl --verbose` writes."""
    found: dict[str, set[str]] = {}
    addresses: set[str] = set()
    for line in RESOLVED.finditer(trace):
        if line["name"] is not None:
            addresses = found.setdefault(line["name"], set())
        else:
            addresses.add(str(ipaddress.ip_address(line["address"])))
    return found


def addresses_said(answers: Iterable[Said]) -> set[str]:
    """The addresses in several answers for one name, written as `read_curl_trace` writes them."""
    records = [record.split(" ") for answer in answers for record in answer.answer]
    return {str(ipaddress.ip_address(rdata)) for _, qtype, rdata in records if qtype in {"A", "AAAA"}}
