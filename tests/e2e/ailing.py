"""A service that very much is wrong with, at the same time and for real: what each alert rule is to fire at.

Of its four upstreams one is gone, one refuses everything, one fails, one cuts every answer over UDP; their budgets are
tiny. Its certificate lasts for some minutes more, its configuration was spoilt while it ran, nobody drops its banned
clients, scrapers hold all places there are, and more is asked than it may answer: by members, by strangers who ask for
random names below one domain, and by strangers who ask too often.
"""

import datetime
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Final

import dns.rcode

from bench.asking import asking
from bench.ban.process import simulator_in_thread
from bench.ban.signals import Signal
from bench.ban.simulator import Behaviour
from bench.callers import Asked, Caller
from bench.questions import A, get, query
from dohproxy.descriptors import MANAGEMENT_CONNECTIONS
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import LOOPBACK, free_port
from tests.e2e.proxy import Proxy, ProxySettings, Sections, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

MEMBERS: Final = "127.5.0."
STRANGERS: Final = "127.6.0."
VICTIM: Final = "victim.example.net"
ROUNDS_PER_SECOND: Final = 5
"""Of one member's question for a new name in a new zone, eight random names, and eight questions for a known name."""
EACH: Final = 8
TOTAL_PER_SECOND: Final = 50
"""Of the 85 requests in a second."""
LASTS: Final = datetime.timedelta(minutes=20)
"""For as long as the certificate is valid, of an hour and as long in all."""

FIRING: Final = (
    "DohproxyFailing",
    "DohproxyMembersSuffer",
    "DohproxyServfailShare",
    "DohproxyUpstreamThrottles",
    "DohproxyUpstreamBans",
    "DohproxyUpstreamGone",
    "DohproxyUpstreamBroken",
    "DohproxyBudgetNearlySpent",
    "DohproxyBudgetSpent",
    "DohproxyRequestFlood",
    "DohproxyRandomNames",
    "DohproxyCertificate",
    "DohproxyCertificateExpires",
    "DohproxyReloadFailed",
    "DohproxyBoundFull",
    "DohproxyTableFull",
    "DohproxyKernelBans",
)
"""The alerts that it is to bring."""


@contextmanager
def ailing_service(directory: Path, authority: CertificateAuthority) -> Iterator[Proxy]:
    """Run it, with all who ask."""
    directory.mkdir()
    with ExitStack() as running:
        refusing, failing = (
            running.enter_context(answering(partial(make_reply, rcode=rcode)))
            for rcode in (dns.rcode.REFUSED, dns.rcode.SERVFAIL)
        )
        cutting = running.enter_context(simulator_in_thread(Behaviour(always=Signal.TRUNCATION))).port
        sections: Sections = {
            "clients": {"member_networks": [f"{MEMBERS}0/24"]},
            "limits": {"total_requests_per_second": TOTAL_PER_SECOND, "total_requests_burst": TOTAL_PER_SECOND},
            "names": {"domain_misses_per_second": 0.1, "domain_misses_burst": 1},
            "bans": {"kernel_socket": str(directory / "nobody")},
        }
        settings = ProxySettings(
            tuple(f"udp://{LOOPBACK}:{port}" for port in (free_port(), refusing, failing, cutting)),
            authority,
            tls=authority.issue([LOOPBACK], valid_for=LASTS),
            sections=sections,
            upstream={"preset": "own", "queries_per_second": 4, "burst": 8},
            limited=True,
        )
        proxy = running.enter_context(running_proxy(directory, settings))
        with proxy.file.open("a", encoding="utf-8") as file:
            file.write("\n[nonsense]\n")
        proxy.child.signal(signal.SIGHUP)
        running.enter_context(asking(proxy.port, questions(), context=authority.client_context()))
        running.enter_context(scrapers(proxy.metrics_port))
        yield proxy


def questions() -> Iterator[Asked]:
    """Yield what is asked, without end."""
    member = Caller(f"{MEMBERS}1", 4, keeps=True)
    curious = [Caller(f"{STRANGERS}{number}", 2, keeps=True) for number in range(1, EACH + 1)]
    greedy = [Caller(f"{STRANGERS}{number}", 2, keeps=True) for number in range(101, 101 + EACH)]
    for number in count():
        due = number / ROUNDS_PER_SECOND
        yield Asked(due, member, get(query(f"www.zone{number}-bench.net", A)), "member")
        for place in range(EACH):
            yield Asked(due, curious[place], get(query(f"n{number * EACH + place}.{VICTIM}", A)), "random name")
            yield Asked(due, greedy[place], get(query("www.example.com", A)), "too often")


@contextmanager
def scrapers(port: int) -> Iterator[None]:
    """Keep all connections but one that there are for scrapers."""
    with ExitStack() as opened:
        for _ in range(MANAGEMENT_CONNECTIONS - 1):
            connection = HTTPConnection(LOOPBACK, port, timeout=10)
            opened.callback(connection.close)
            connection.request("GET", "/metrics")
            connection.getresponse().read()
        yield
