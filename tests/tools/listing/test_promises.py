"""What a stamp may promise, as far as a configuration knows."""

from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import BansConfig, BlocklistConfig, Config, NamesConfig, UpstreamAddress, UpstreamConfig
from dohproxy.doh.stamp import Properties
from dohproxy.tools.listing.promises import WORDS, Promise, promises_of

NEAR = UpstreamConfig("near", UpstreamAddress("udp", "127.0.0.1", 53), validates=True)
SAFE = UpstreamConfig("safe", UpstreamAddress("tls", "192.0.2.53", 853), validates=True)
OPEN = UpstreamConfig("open", UpstreamAddress("udp", "192.0.2.53", 53), validates=True)
DOUBTED = UpstreamConfig("doubted", UpstreamAddress("udp", "127.0.0.1", 53))
LIST = BlocklistConfig("court", names=("example.net",))


def promise(config: Config, flag: Properties, wanted: dict[Properties, bool] | None = None) -> Promise:
    return next(one for one in promises_of(config, wanted or {}) if one.flag is flag)


def test_every_promise_is_judged_once_and_has_words() -> None:
    assert [one.flag for one in promises_of(Config((NEAR,)), {})] == list(Properties) == list(WORDS)


def test_what_the_operator_says_stands_there() -> None:
    promises = promises_of(Config((NEAR,)), {Properties.NO_LOGS: False, Properties.DNSSEC: True})
    assert [one.wanted for one in promises] == [True, False, None]


@pytest.mark.parametrize("upstreams", [(NEAR,), (SAFE,), (NEAR, SAFE)], ids=["near", "by TLS", "both"])
def test_dnssec_is_sure_where_every_upstream_is_believed(upstreams: tuple[UpstreamConfig, ...]) -> None:
    found = promise(Config(upstreams), Properties.DNSSEC)
    assert (found.is_sure, found.against) == (True, "")


@pytest.mark.parametrize("one", [OPEN, DOUBTED], ids=["an open path", "no trust"])
def test_dnssec_does_not_hold_where_one_upstream_is_not_believed(one: UpstreamConfig) -> None:
    found = promise(Config((NEAR, one)), Properties.DNSSEC)
    assert not found.is_sure
    assert found.against.startswith(f"{one.name} is not trusted to validate")


@pytest.mark.parametrize(
    ("config", "flag", "words"),
    [
        (replace(Config((NEAR,)), blocklists=(LIST,)), Properties.NO_FILTER, "the blocklist court withholds names"),
        (
            replace(Config((NEAR,)), names=NamesConfig(withhold_private_addresses=True)),
            Properties.NO_FILTER,
            "private addresses are withheld",
        ),
        (
            replace(Config((NEAR,)), bans=BansConfig(log_file=Path("/var/log/bans.log"))),
            Properties.NO_LOGS,
            "the addresses of banned clients are written to /var/log/bans.log",
        ),
    ],
    ids=["a blocklist", "private addresses", "a ban log"],
)
def test_what_the_configuration_does_speaks_against_a_promise(config: Config, flag: Properties, words: str) -> None:
    assert promise(config, flag).against.startswith(words)
    assert promise(Config((NEAR,)), flag).against == ""
    assert not promise(Config((NEAR,)), flag).is_sure


@pytest.mark.parametrize(
    "harmless",
    [
        replace(LIST, mode="shadow"),
        replace(LIST, mode="off"),
        replace(LIST, action="allow"),
        BlocklistConfig("clients", file=Path("/etc/dohproxy/clients"), format="networks"),
    ],
    ids=["only tried", "off", "lets through", "of clients"],
)
def test_a_list_that_withholds_no_name_speaks_against_nothing(harmless: BlocklistConfig) -> None:
    assert promise(replace(Config((NEAR,)), blocklists=(harmless,)), Properties.NO_FILTER).against == ""
