"""The policy page: each setting that changes what becomes of people's data changes what it says."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from dohproxy.config import AboutConfig, Config, RouteConfig, TlsConfig, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.pages.document import MOST_BYTES, Language
from dohproxy.pages.facts import Facts, WithheldList
from dohproxy.pages.own_text import MOST_PARAGRAPHS, NOTHING, read_own_text
from dohproxy.pages.policy_page import policy_page
from tests.fakes.pages import AT, CONFIG, PLACE, PUBLIC, facts
from tests.pages.reading import read

EN = Language.ENGLISH
FILE = Path("/var/lib/dohproxy/file")
HEADINGS = (
    "IP addresses",
    "Data collection and sharing",
    "Exceptions",
    "Associated parties",
    "Correlation of data",
    "Filtering of results",
    "Deviations from this policy",
    "Towards clients",
    "Towards the upstream resolvers",
    "Support",
    "Law and data processing",
)
"""Those of RFC 8932 section 6.1, in its order."""


def text_of(config: Config = CONFIG, told: Facts | None = None, language: Language = EN) -> str:
    body = policy_page(told or facts(about=config.about), config, NOTHING, language, PLACE).body
    return " ".join(read(body).text.split())


def with_upstream(url: UpstreamAddress, *, validates: bool = False) -> Config:
    return replace(CONFIG, upstreams=(UpstreamConfig("ns0", url, validates=validates),))


def with_key(section: str, **keys: object) -> Config:
    return replace(CONFIG, **{section: replace(getattr(CONFIG, section), **keys)})


@pytest.mark.parametrize("language", Language)
def test_it_has_the_headings_of_rfc_8932(language: Language) -> None:
    found = read(policy_page(facts(), CONFIG, NOTHING, language, PLACE).body).headings
    assert len(found) == 3 + len(HEADINGS)
    if language is EN:
        assert [heading for heading in found if heading in HEADINGS] == list(HEADINGS)


ROWS = [
    pytest.param(
        with_key("server", state_directory=FILE),
        "Between two runs it keeps, on its disk",
        "With a restart all of it is forgotten",
        id="server.state_directory",
    ),
    pytest.param(
        with_key("clients", member_file=FILE), "known for 12 hours, in memory alone", "", id="clients.member_file"
    ),
    pytest.param(
        replace(
            CONFIG,
            clients=replace(CONFIG.clients, member_file=FILE),
            server=replace(CONFIG.server, state_directory=FILE),
        ),
        "in memory, and between two runs on the disk as a keyed hash",
        "",
        id="clients.member_file and server.state_directory",
    ),
    pytest.param(
        replace(CONFIG, clients=replace(CONFIG.clients, member_networks=(ip_network("192.0.2.0/24"),))),
        "Members go first",
        "",
        id="clients.member_networks",
    ),
    pytest.param(
        with_key("cache", snapshot_file=FILE),
        "on the disk of the service so that a restart",
        "",
        id="cache.snapshot_file",
    ),
    pytest.param(with_key("bans", log_file=FILE), "is written to a file, with the time", "", id="bans.log_file"),
    pytest.param(
        with_key("bans", kernel_socket=FILE),
        "The packet filter of the same machine is told",
        "",
        id="bans.kernel_socket",
    ),
    pytest.param(with_key("bans", mode="off"), "", "is kept out for a time", id="bans.mode"),
    pytest.param(
        with_key("cache", stale_keep_seconds=0),
        "No answer is given after its time",
        "up to 24 hours after its end",
        id="cache.stale_keep_seconds",
    ),
    pytest.param(
        with_key("names", answer_undelegated=False), "", "do not exist are denied here", id="names.answer_undelegated"
    ),
    pytest.param(
        with_key("names", withhold_private_addresses=True),
        "private address are withheld",
        "",
        id="names.withhold_private_addresses",
    ),
    pytest.param(
        replace(CONFIG, tls=TlsConfig(FILE, FILE)), "encrypted by TLS 1.2 or newer", "The encryption ends at", id="tls"
    ),
    pytest.param(
        with_upstream(UpstreamAddress("udp", PUBLIC, 53)),
        "ns0 (9.9.9.9), over UDP: not encrypted",
        "quad9 (dns.quad9.net), over TLS: encrypted",
        id="an upstream in the clear",
    ),
    pytest.param(
        with_upstream(UpstreamAddress("udp", "127.0.0.1", 53)),
        "ns0, a resolver on the same machine or network",
        "127.0.0.1",
        id="an upstream of one's own",
    ),
    pytest.param(
        with_upstream(UpstreamAddress("tls", "10.0.0.1", 853)),
        "ns0, a resolver on the same network, over TLS",
        "10.0.0.1",
        id="an upstream in one's own network",
    ),
    pytest.param(
        with_upstream(UpstreamAddress("tls", PUBLIC, 853), validates=True),
        "checked by the upstream resolvers",
        "are not checked here",
        id="an upstream that validates",
    ),
    pytest.param(
        replace(
            CONFIG,
            upstreams=(*CONFIG.upstreams, UpstreamConfig("home", UpstreamAddress("udp", "127.0.0.1", 53))),
            routes=(RouteConfig(domains=("home.arpa",), upstreams=("home",)),),
        ),
        "asked of other resolvers instead: home.arpa.",
        "home, a resolver",
        id="a route",
    ),
    pytest.param(replace(CONFIG, about=AboutConfig()), "have not named a contact", "dns@example.org", id="about"),
]
"""A configuration, what the page says with it and not without, and the reverse."""


@pytest.mark.parametrize(("config", "words", "without"), ROWS)
def test_what_it_says_follows_the_settings(config: Config, words: str, without: str) -> None:
    before, after = text_of(), text_of(config)
    if words:
        assert words in after
        assert words not in before
    if without:
        assert without not in after
        if not without[0].isdigit() and "a resolver" not in without:
            assert without in before


def test_an_open_upstream_is_told_where_it_is_looked_for() -> None:
    assert "reached without encryption" in text_of(with_upstream(UpstreamAddress("tcp", PUBLIC, 53)))
    assert "All of them are reached encrypted" in text_of()


def test_lists_are_told_with_reason_and_size() -> None:
    lists = (
        WithheldList("ads", "requested", 1_000, 0, None),
        WithheldList("bots", "operator", 0, 3, None),
        WithheldList("nothing", "operator", 0, 0, None),
    )
    found = text_of(told=facts(withheld=lists))
    assert "ads: because those who use this service asked for it, 1,000 names" in found
    assert "bots: by our own decision, clients of 3 networks" in found
    assert "nothing:" not in found
    assert "No list of names is in use" in text_of(told=facts(withheld=()))


def test_the_operators_own_paragraphs_stand_at_the_end_with_their_links() -> None:
    own = read_own_text(b"We are few. See https://example.org/a?b=1. <b>\n\n[fr]\nNous sommes peu.")
    body = policy_page(facts(), CONFIG, own, EN, PLACE).body
    assert b"&lt;b&gt;" in body
    found = read(body)
    assert "https://example.org/a?b=1" in found.links
    assert "Nous sommes peu" not in found.text
    assert "Nous sommes peu" in read(policy_page(facts(), CONFIG, own, Language.FRENCH, PLACE).body).text


@pytest.mark.parametrize("language", Language)
def test_the_fullest_page_fits(language: Language) -> None:
    long = 80 * "é"
    upstreams = tuple(UpstreamConfig(32 * "n", UpstreamAddress("tls", PUBLIC, 853, 250 * "v")) for _ in range(16))
    config = replace(
        CONFIG,
        upstreams=upstreams,
        routes=(RouteConfig(domains=tuple(f"{number}.{60 * 'd'}.example" for number in range(64)), upstreams=("x",)),),
        clients=replace(CONFIG.clients, member_file=FILE),
        bans=replace(CONFIG.bans, log_file=FILE),
    )
    lists = tuple(WithheldList(long, "requested", 10**6, 0, AT) for _ in range(16))
    told = facts(withheld=lists, about=AboutConfig(imprint=300 * "i", contact="a@" + 290 * "b" + ".c"))
    own = read_own_text(b"\n\n".join([126 * b"a"] * MOST_PARAGRAPHS))
    assert len(policy_page(told, config, own, language, PLACE).body) < MOST_BYTES
