"""What of a message the walk gets to see, and what is read or said once for how many of them."""

import dns.message
import dns.rcode
import pytest

from dohproxy.config import ConnectionsConfig
from dohproxy.frontends.connections import Connections
from dohproxy.frontends.dot.requests import LONGEST_KEEPALIVE, RequestReader, render_refusal
from dohproxy.frontends.service import Service
from dohproxy.outcomes import Frontend, Reason, Refused
from dohproxy.parsed_request import ParsedRequest
from dohproxy.wire.query import parse_query
from tests.fakes.walk import Walk
from tests.frontends.dot_client import query


@pytest.fixture
def service() -> Service:
    return Walk().service


def reader(service: Service, idle_seconds: float = 20.0) -> RequestReader:
    """One at a service whose connections may be idle for so long."""
    return RequestReader(service, Connections(ConnectionsConfig(idle_seconds=idle_seconds)))


def test_a_message_is_read_without_its_id_and_found_again(service: Service) -> None:
    requests = reader(service)
    spelled = query(number=77)[2:]
    assert requests.find(spelled) is None
    parsed = requests.read(spelled)
    assert (parsed.frontend, parsed.variant, parsed.wire) == (Frontend.DOT, "query", b"\0\0" + spelled)
    assert requests.find(spelled) is parsed
    assert requests.find(query("other.example.net")[2:]) is None


def test_what_was_read_under_other_rules_is_read_anew(service: Service) -> None:
    requests = reader(service)
    requests.read(query()[2:])
    service.pipeline.rules_changed()
    assert requests.find(query()[2:]) is None


@pytest.mark.parametrize(("seconds", "told"), [(20.0, 200), (12.5, 125), (1e6, LONGEST_KEEPALIVE)])
def test_a_client_may_be_told_how_long_it_may_be_idle(service: Service, seconds: float, told: int) -> None:
    assert reader(service, seconds).read(query()[2:]).keepalive == told


def test_a_refusal_is_made_once_in_the_words_of_what_is_known_of_the_message() -> None:
    wire = query("www.example.net")
    unread = ParsedRequest(Frontend.DOT, 0, wire=wire)
    read = ParsedRequest(Frontend.DOT, 0, wire=b"")
    read.query = parse_query(wire)
    for parsed in (unread, read):
        refused = Refused(Reason.CLIENT_LIMIT)
        said = render_refusal(refused, parsed)
        assert said is not None
        answer = dns.message.from_wire(said)
        assert (str(answer.question[0].name), answer.rcode()) == ("www.example.net.", dns.rcode.REFUSED)
        assert render_refusal(refused, ParsedRequest(Frontend.DOT, 0)) is said


def test_where_nothing_can_be_said_that_is_remembered_too() -> None:
    refused = Refused(Reason.UNREADABLE)
    assert render_refusal(refused, ParsedRequest(Frontend.DOT, 0, wire=b"")) is None
    assert refused.rendered == (None,)
