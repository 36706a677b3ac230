"""The policy page: what is logged, kept and passed on, under the headings of RFC 8932 section 6, from the settings that
hold. So it cannot say anything else than what is done.

What a paragraph depends on stands beside it. A key that changes what becomes of people's data has to change a paragraph
here: `tests/pages/test_policy_page.py` has a row for each.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from dohproxy.config import Config, UpstreamConfig
from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.facts import Facts, Place, WithheldList
from dohproxy.pages.frame import filled, link, page
from dohproxy.pages.markup import Markup, element
from dohproxy.pages.own_text import OwnText, with_links
from dohproxy.pages.texts import Texts, texts_in

MOST_LISTS: Final = 16
"""Of names withheld; as many as there can be in the configuration."""
MOST_DOMAINS: Final = 12


def policy_page(facts: Facts, config: Config, own: OwnText, language: Language, place: Place) -> Document:
    """Return the page. Raises TooLong."""
    texts = texts_in(language)
    title = texts.say("page", "policy_title", host=facts.host)
    content = (
        element("h1", texts.say("policy", "heading", host=facts.host)),
        element("p", texts.say("policy", "intro")),
        element("h2", texts.say("policy", "part_policy")),
        *_addresses(texts, config),
        *_part(texts, "data", *_data(config)),
        *_part(texts, "exceptions", *_exceptions(config)),
        *_associated(texts, config),
        *_part(texts, "correlation", "correlation_none"),
        *_filtering(texts, facts, config),
        element("h2", texts.say("policy", "part_practice")),
        *_part(texts, "deviations", "deviations_none"),
        *_client_side(texts, facts, config),
        *_part(texts, "upstream_side", *_upstream_side(config)),
        *_support(texts, facts),
        *_processing(texts, facts),
        *_own(texts, own[language]),
    )
    body = page(Kind.POLICY, texts, place, facts.host, title, *content, at=facts.at)
    return Document(Kind.POLICY, language, body)


def _part(texts: Texts, heading: str, *paragraphs: str) -> Iterator[Markup]:
    yield element("h3", texts.say("policy", heading))
    for key in paragraphs:
        yield element("p", texts.say("policy", key))


def _addresses(texts: Texts, config: Config) -> Iterator[Markup]:
    kept = "addresses_restart" if config.server.state_directory is None else "addresses_state"
    yield from _part(texts, "addresses", "addresses_memory", kept)
    if config.clients.member_file is not None:
        hours = texts.length(config.clients.member_seconds)
        members = "addresses_members" if config.server.state_directory is None else "addresses_members_state"
        yield element("p", texts.say("policy", members, hours=hours))


def _data(config: Config) -> Iterator[str]:
    yield "data_log"
    yield "data_counters"
    yield "data_cache_memory" if config.cache.snapshot_file is None else "data_cache_file"
    yield "data_shared"


def _exceptions(config: Config) -> Iterator[str]:
    yield "exceptions_incident"
    if config.bans.mode != "off":
        yield "exceptions_bans"
        if config.bans.kernel_socket is not None:
            yield "exceptions_kernel"
    if config.bans.log_file is not None:
        yield "exceptions_ban_log"


def _associated(texts: Texts, config: Config) -> Iterator[Markup]:
    yield from _part(texts, "associated", "associated_general")
    yield element("ul", *(element("li", _upstream(texts, one)) for one in config.general_upstreams))
    domains = [domain for route in config.routes for domain in route.domains]
    if domains:
        shown = ", ".join(domains[:MOST_DOMAINS]) + (" …" if len(domains) > MOST_DOMAINS else "")
        yield element("p", texts.say("policy", "associated_routes", domains=shown))
    yield element("p", texts.say("policy", "associated_sent"))


def is_near(upstream: UpstreamConfig) -> bool:
    """Tell whether an upstream is on this machine or in a network that is nobody else's: whose address says nothing."""
    return not ip_address(upstream.url.bare_host).is_global


def _upstream(texts: Texts, upstream: UpstreamConfig) -> str:
    url = upstream.url
    if is_near(upstream):
        key = (
            "upstream_tls_own"
            if url.transport == "tls" and not ip_address(url.bare_host).is_loopback
            else "upstream_own"
        )
        return texts.say("policy", key, name=upstream.name)
    if url.transport == "tls":
        return texts.say("policy", "upstream_tls", name=upstream.name, address=url.verify_name or url.bare_host)
    transport = url.transport.upper()
    return texts.say("policy", "upstream_plain", name=upstream.name, address=url.bare_host, transport=transport)


def _filtering(texts: Texts, facts: Facts, config: Config) -> Iterator[Markup]:
    yield element("h3", texts.say("policy", "filtering"))
    lists = [one for one in facts.withheld if one.names or one.networks][:MOST_LISTS]
    if lists:
        yield element("p", texts.say("policy", "filtering_lists"))
        items = [element("li", text) for one in lists for text in _list(texts, one)]
        yield element("ul", *items)
    else:
        yield element("p", texts.say("policy", "filtering_none"))
    for key in _other_filters(config):
        yield element("p", texts.say("policy", key))
    if config.cache.stale_keep_seconds:
        stale = texts.length(config.cache.stale_keep_seconds)
        yield element("p", texts.say("policy", "filtering_ttl", stale=stale))
    else:
        yield element("p", texts.say("policy", "filtering_no_stale"))


def _list(texts: Texts, one: WithheldList) -> Iterator[str]:
    because = texts.say("policy", f"reason_{one.reason}")
    if one.names:
        counted = texts.count("blocks", "names", one.names)
        yield texts.say("policy", "filtering_list", text=one.text, reason=because, names=counted)
    if one.networks:
        counted = texts.count("policy", "networks", one.networks)
        yield texts.say("policy", "filtering_networks", text=one.text, reason=because, names=counted)


def _other_filters(config: Config) -> Iterator[str]:
    yield "filtering_local"
    if config.names.answer_undelegated:
        yield "filtering_undelegated"
    if config.names.withhold_private_addresses:
        yield "filtering_private"
    yield "filtering_dnssec_trusted" if any(one.validates for one in config.general_upstreams) else "filtering_dnssec"


def _client_side(texts: Texts, facts: Facts, config: Config) -> Iterator[Markup]:
    yield element("h3", texts.say("policy", "client_side"))
    key = "client_proxy" if config.tls is None else "client_tls"
    yield element("p", filled(texts.say("policy", key, url="{url}"), url=element("code", facts.url)))
    yield element("p", texts.say("policy", "client_padding"))
    yield element("p", texts.say("policy", "client_limits"))
    if config.clients.can_have_members:
        yield element("p", texts.say("policy", "client_members"))


def _upstream_side(config: Config) -> Iterator[str]:
    yield "upstream_budget"
    yield "upstream_minimal"
    is_open = any(one.url.transport != "tls" and not is_near(one) for one in config.upstreams)
    yield "upstream_open" if is_open else "upstream_encrypted"


def _support(texts: Texts, facts: Facts) -> Iterator[Markup]:
    yield element("h3", texts.say("policy", "support"))
    if facts.about.contact is None:
        yield element("p", texts.say("policy", "support_none"))
    else:
        yield element("p", texts.say("policy", "support_contact"), " ", link(facts.about.contact))


def _processing(texts: Texts, facts: Facts) -> Iterator[Markup]:
    yield element("h3", texts.say("policy", "processing"))
    if facts.about.imprint is not None:
        yield element("p", texts.say("policy", "processing_imprint", imprint=facts.about.imprint))
    yield element("p", texts.say("policy", "processing_orders"))
    where = facts.about.object_to or facts.about.contact
    if where is not None:
        yield element("p", texts.say("blocks", "object"), " ", link(where))
    yield element("p", texts.say("policy", "processing_nothing"))


def _own(texts: Texts, paragraphs: Sequence[str]) -> Iterator[Markup]:
    if paragraphs:
        yield element("h2", texts.say("policy", "own"))
        yield element("div", *(element("p", with_links(one)) for one in paragraphs), class_="own")
