"""What an operator hears of an upstream that cannot stand something: a sentence in the log, once, and a metric."""

from dataclasses import replace

from structlog.testing import capture_logs

from dohproxy.config.additions import Addition
from dohproxy.observability.left_out import LEFT_OUT_FIGURE, WorkaroundWatch, all_words
from dohproxy.upstream.statistics import ResolverStatistics
from dohproxy.upstream.workarounds.workarounds import LeftOut
from tests.fakes.statistics import resolver_of, well

COOKIE = LeftOut(Addition.COOKIE, over_stream=False, since=5.0, how="silence")
EDNS = LeftOut(Addition.EDNS, over_stream=True, since=5.0, how="FORMERR")


def _resolver(*left_out: LeftOut) -> ResolverStatistics:
    return resolver_of(replace(well(), left_out=left_out))


def test_it_is_said_in_a_sentence() -> None:
    assert all_words(_resolver(COOKIE, EDNS)) == (
        "upstream ns0 cannot stand DNS cookies: over UDP it is silent, and answers without",
        "upstream ns0 cannot stand EDNS (an OPT record): over TCP or TLS it says FORMERR, and answers without",
    )
    assert all_words(_resolver()) == ()


def test_it_is_logged_when_it_begins_and_when_it_ends_and_not_between() -> None:
    watch = WorkaroundWatch()
    with capture_logs() as log:
        watch.poll(_resolver())
        watch.poll(_resolver(COOKIE))
        watch.poll(_resolver(COOKIE))
        watch.poll(_resolver())
    assert [(line["log_level"], line["event"]) for line in log] == [
        ("warning", "upstream cannot stand it"),
        ("info", "upstream stands it again"),
    ]
    assert log[0]["says"] == all_words(_resolver(COOKIE))[0]
    assert 'leave_out = ["cookie"]' in log[0]["remedy"]


def test_there_is_a_series_for_each_while_it_lasts() -> None:
    assert LEFT_OUT_FIGURE.values(_resolver(COOKIE, EDNS)) == {
        ("ns0", "cookie", "udp"): 1.0,
        ("ns0", "edns", "stream"): 1.0,
    }
    assert LEFT_OUT_FIGURE.values(_resolver()) == {}
