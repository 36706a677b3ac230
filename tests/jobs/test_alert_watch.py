"""The watch: one line a beginning and one an end, and everybody told who is to be."""

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address

from structlog.testing import capture_logs

from bench.incident.strangers import Flood, strangers
from bench.names import Popularity
from dohproxy.jobs.alert_watch import AlertWatch, detectors
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind
from dohproxy.observability.detectors.normal import LEARNING_SECONDS
from dohproxy.observability.detectors.reading import HISTORY_SECONDS, LOOK_SECONDS, Reading, Trouble
from dohproxy.outcomes import Reason
from dohproxy.policy.identity import Identities
from dohproxy.policy.visitors import Visitors

START = 1_000.0


class Watched:
    """A watch over made-up readings."""

    def __init__(self) -> None:
        self.now = START
        self.told: list[AlertEvent] = []
        self.reading = Reading(START)
        self.watch = AlertWatch(lambda _: self.reading, 12.0, self.told.append, START)

    def look(self, **changed: object) -> None:
        self.now += LOOK_SECONDS
        self.reading = Reading(self.now, **changed)  # type: ignore[arg-type]
        self.watch.poll(self.now)


FULL = (Trouble("state", "the disk is full", "make room"),)


def test_every_kind_of_alert_has_one_detector_with_a_remedy() -> None:
    found = detectors(12.0)
    assert sorted(one.kind for one in found) == sorted(AlertKind)
    assert all(one.remedy for one in found)


def test_single_detectors_can_be_off() -> None:
    assert {one.kind for one in detectors(12.0, ("disk", "listed"))} == set(AlertKind) - {
        AlertKind.DISK,
        AlertKind.LISTED,
    }


def test_a_beginning_and_an_end_have_one_line_each() -> None:
    watched = Watched()
    with capture_logs() as logs:
        for number in range(100):
            watched.look(disk=FULL if 10 <= number < 50 else ())
    assert [(line["event"], line["log_level"], line["alert"], line["subject"]) for line in logs] == [
        ("alert begins", "warning", "disk", "state"),
        ("alert ends", "info", "disk", "state"),
    ]
    assert (logs[0]["says"], logs[0]["remedy"], logs[1]["lasted"]) == ("the disk is full", "make room", "5 min 20 s")
    assert [event.has_begun for event in watched.told] == [True, False]


def test_what_is_wrong_now_is_known() -> None:
    watched = Watched()
    watched.look(disk=FULL)
    assert [(alert.kind, alert.words) for alert in watched.watch.active()] == [(AlertKind.DISK, "the disk is full")]


def test_what_an_upstreams_own_watch_logs_is_told_and_not_logged_again() -> None:
    watched = Watched()
    with capture_logs() as logs:
        watched.look(upstreams=(Trouble("ns0", "upstream ns0 has banned us"),))
    assert logs == []
    assert [event.kind for event in watched.told] == [AlertKind.UPSTREAM]


def test_a_public_list_is_known_as_such() -> None:
    watched = Watched()
    newcomers = 0.0
    for _ in range(round((LEARNING_SECONDS + HISTORY_SECONDS) / LOOK_SECONDS) + 1):
        watched.look(newcomers=newcomers)
    assert watched.watch.active() == []
    for _ in range(12):
        newcomers += 2.0
        watched.look(newcomers=newcomers)
    assert watched.watch.is_listed
    watched.watch.adopt(1_000.0)
    assert len(watched.watch.active()) == 1


class TestIncidentOf2019:
    """The flood as `bench.incident` reconstructs it, from addresses to the alert: hashing, sketches, detectors."""

    def play(self) -> tuple[AlertEvent, int]:
        """Return what is told, and how many requests of strangers had come by then."""
        visitors = Visitors(iter(range(1, 100)).__next__, START)
        identities = Identities(bytes(32), note=visitors.note)
        counts: Counter[str] = Counter()
        told: list[AlertEvent] = []

        def read(now: float) -> Reading:
            if visitors.turn(now):
                identities.forget()
            figures = visitors.statistics()
            return Reading(
                now,
                requests={Reason.CACHED: counts["members"] + counts["strangers"]},
                stub_requests=counts["stubs"],
                newcomers=figures.newcomers,
                networks=figures.hour,
            )

        watch = AlertWatch(read, 12.0, told.append, START)
        now = START
        for second in range(0, 7_200, 5):  # Two hours of 60 members in 15 networks, 42 requests a minute.
            now += 5.0
            counts["members"] += 3 + second % 2
            identities.client(bytes((192, 0, second % 15, 1)))
            watch.poll(now)
        assert told == []
        flood_begins = now
        for asked in strangers(Flood(), Popularity([f"{number}.example.net" for number in range(1_000)])):
            while flood_begins + asked.due > now + 5.0:
                now += 5.0
                watch.poll(now)
                if told:
                    return told[0], counts["strangers"]
            identities.client(ip_address(asked.caller.address).packed)
            counts["strangers"] += 1
            counts["stubs"] += asked.kind.startswith("probe")
        raise AssertionError("nobody was told")

    def test_it_is_told_within_a_minute_and_after_some_hundred_requests(self) -> None:
        event, requests = self.play()
        assert event.kind is AlertKind.LISTED
        assert event.at - (START + 7_200.0) <= 60.0
        # That is a thousandth of what came in that day, before its upstream took offence.
        assert requests < 565
        assert "this service is probably on a public list" in event.words


def test_floods_are_judged_by_what_all_nodes_have_counted_and_the_rest_by_this_one_alone() -> None:
    watched = Watched()
    watched.watch.judge_all(
        lambda reading: replace(
            reading, requests={Reason.CLIENT_LIMIT: 50 * int(reading.at - START)}, disk=FULL, accepted=7
        )
    )
    for _ in range(6):
        watched.look(requests={Reason.CLIENT_LIMIT: 1})
    assert [event.kind for event in watched.told] == [AlertKind.REQUEST_FLOOD]
    assert "50 requests a second" in watched.told[0].words
    assert (watched.watch.last.accepted, watched.watch.last_of_all.accepted) == (0, 7)


def test_a_node_alone_is_all_nodes() -> None:
    watched = Watched()
    watched.look(accepted=3)
    assert watched.watch.last_of_all is watched.watch.last
