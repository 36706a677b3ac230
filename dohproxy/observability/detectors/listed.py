"""Whether a public list has us: thousands of networks that were never here, most of them stubs that look for us.

In September 2019 that was known after two days, when the upstream had banned everybody. What could have been seen in
the first minute: before, a network that had never asked came now and then; now twenty a minute did. So networks are
counted that were not here for a day (`policy/visitors.py`), over one minute and over ten, and held against what is
usual. Their requests say why: stubs of public lists have dialects and questions of their own.

A list does not come all at once either: stubs fetch theirs anew within some days. So the networks of an hour are held
against those of an ordinary hour too. It is over when these are ordinary again: the same stubs come back every few
hours, and are new only once.
"""

from collections.abc import Iterator
from typing import Final

from dohproxy.observability.detectors.judgement import AlertKind, Detector, Judgement
from dohproxy.observability.detectors.normal import Normals
from dohproxy.observability.detectors.reading import Growth, History, percent, share

SHORT_SECONDS: Final = 60.0
LONG_SECONDS: Final = 600.0
UNUSUAL_FACTOR: Final = 8.0
"""How many times the usual: an article about the service brings several times as many people as come on their own."""
CROWD_FACTOR: Final = 5.0
"""How many times the usual networks of an hour are a crowd; the alert ends at half of that."""
FEWEST_NETWORKS: Final = 100.0
"""In an hour; fewer are no crowd whatever was usual."""
STUB_SHARE: Final = 0.3
"""Part of all requests from which on a list is the likely cause: among members' stubs it is less, or was so before."""
SLOWER: Final = 6.0
"""Over ten minutes a sixth of the rate is unusual already: a list that stubs read anew every three days brings four
networks a minute for as long as that."""
END_SECONDS: Final = 3_600.0
"""The stubs of a list come every four hours or so, spread over all of them: an hour without is an end."""


def make_listed(new_networks_per_minute: float) -> Detector:
    """Return the detector; `new_networks_per_minute` is the fewest that are news to anybody."""

    def judge(history: History, normals: Normals) -> Iterator[Judgement]:
        return _judge(history, normals, new_networks_per_minute)

    remedy = "docs/listed.md says what to do; `mode members --for 1h` keeps everything for members meanwhile"
    return Detector(AlertKind.LISTED, judge, remedy, end_seconds=END_SECONDS, judges_all=True)


def _judge(history: History, normals: Normals, fewest: float) -> Iterator[Judgement]:
    short, long = history.within(SHORT_SECONDS), history.within(LONG_SECONDS)
    now, networks = short.last.at, short.last.networks
    new_usual, crowd_usual = normals.of("newcomers_per_minute", now), normals.of("networks_per_hour", now)
    # A window that is not full yet counts as if nobody had come in what is missing.
    per_minute = 60 * short.newcomers / max(SHORT_SECONDS, short.seconds)
    slower = 60 * long.newcomers / max(LONG_SECONDS, long.seconds)
    level = max(
        per_minute / max(fewest, UNUSUAL_FACTOR * new_usual.value),
        slower / max(fewest / SLOWER, UNUSUAL_FACTOR * new_usual.value),
        networks / max(FEWEST_NETWORKS, CROWD_FACTOR * crowd_usual.value),
    )
    if normals.is_learning(long.first.at):
        # To a process without memory everybody is new, which says nothing about what is usual.
        crowd_usual.learn(networks, now, is_alarmed=False, is_new=True)
        return
    new_usual.learn(slower, now, is_alarmed=level >= 1.0)
    crowd_usual.learn(networks, now, is_alarmed=level >= 1.0)
    yield Judgement(level, words(long, short))


def words(long: Growth, short: Growth) -> str:
    """Return how many came, and why, as far as the requests of the last minute tell."""
    minutes = max(1, round(long.seconds / 60))
    span = "minute" if minutes == 1 else f"{minutes} minutes"
    told = f"{long.newcomers:,.0f} networks never seen before asked in the last {span}"
    requests = short.requests()
    stubs = share(short.last.stub_requests - short.first.stub_requests, requests)
    probes = share(short.last.stub_probes - short.first.stub_probes, requests)
    if max(stubs, probes) >= STUB_SHARE:
        return (
            f"{told}; {percent(max(stubs, probes))} of all requests are dnscrypt-proxy's health probe or in its"
            " dialect: this service is probably on a public list"
        )
    return (
        f"{told}; {percent(stubs)} of all requests are in the dialect of a public list's stubs: more people than"
        " usual have found this service, or a flood comes from many networks"
    )
