"""Nobody's address and no name stands anywhere: in no file, log, figure, page or export, whatever is sent and at every
level, but where a setting or a command says so.

Services run as operators run them, with all that can write something. Ordinary and hostile clients come with words and
addresses by which they would be known again (`traffic.py`, `hostile.py`); then all that was written and said
(`places.py`) is searched for these, in every spelling (`markers.py`). That a search finds what is there is seen where
something may stand: there it has to be.
"""

import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.hostile import misbehave
from tests.e2e.markers import Evidence, Found, Kind, search
from tests.e2e.processes import wait_until
from tests.e2e.proxy import PROJECT
from tests.e2e.traffic import ask_in_the_old_way, behave
from tests.e2e.whole_run import Places, Posture, Run, Tried, ask_as_a_member, judged, running, try_all
from tests.fakes.store import SECRET, StoreProcess, store_process

ALWAYS: Final[Places] = {
    "what upstreams are sent": {Kind.ASKED, Kind.ANSWERED},
    "POST /v1/member/add": {Kind.OWN_URL},
    "POST /v1/bans": {Kind.ADDRESS},
    "an error of metrics or console": {Kind.SAID},
    "an error of the admin socket": {Kind.SAID},
}
"""Without any setting: an upstream is told what it is asked for, a member the own URL, once, and whoever is on duty who
is banned; and who sends what is no request to the listeners of those on duty is told what that was."""
ENDED: Final = frozenset({
    *("forwarded", "cached", "local", "undelegated", "minimal_any", "wrong_path", "unknown_token"),
    *("method_not_allowed", "method_unknown", "target_too_long", "headers_too_large", "body_too_large"),
    *("media_type", "not_acceptable"),
    *("dns_parameter", "base64", "empty_body", "bad_http", "transfer_coding", "unreadable", "format_error"),
    *("not_implemented", "bad_version", "class_refused", "type_refused", "banned", "client_limit", "miss_limit"),
    *("domain_limit", "upstream_refused", "failure_remembered"),
})  # fmt: skip
"""For which requests have to end here, or less was tried than is said."""
CLOSED: Final = frozenset({"banned", "handshake", "header_flood", "http2_fault"})
"""The same of connections, in one posture or another."""
SETTINGS: Final[Places] = {
    "cache.snapshot": {Kind.ASKED, Kind.ANSWERED},
    "bans.log": {Kind.ADDRESS},
    "state/blocks.json": {Kind.ASKED},
    "POST /v1/blocks": {Kind.ASKED},
    "POST /v1/block": {Kind.ASKED},
    "POST /v1/ban": {Kind.ADDRESS},
    "POST /v1/explain": {Kind.ASKED},
    "top by network": {Kind.ADDRESS},
    "top by domain": {Kind.ASKED},
}
"""What stands where once somebody has said so, by a setting or a command: `docs/privacy.md` has a row for each."""
# Each is as talkative as can be in the end: `log-level debug` is among what is tried.
POSTURES: Final = (
    # Python's own remarks as well, on what was left open and on callbacks that are slow.
    Posture("error", "text", "connection", tls=True, variables={"PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1"}),
    Posture("debug", "json", "x-forwarded-for", then="forwarded"),
)
WITH_SETTINGS: Final = Posture("info", "text", "proxy-protocol", tls=True, at_a_terminal=True)
SAID_SO: Final = {
    "cache.snapshot": "`cache.snapshot_file`",
    "bans.log": "`bans.log_file`",
    "state/blocks.json": "`server.state_directory`",
    "POST /v1/blocks": "`blocks`",
    "POST /v1/block": "`block`",
    "POST /v1/bans": "`bans`",
    "POST /v1/ban": "`ban`",
    "POST /v1/explain": "`explain`",
    "top by network": "`top --by network`",
    "top by domain": "`top --by domain`",
    "POST /v1/member/add": "`member add`",
    "an error of metrics or console": "`metrics.listen`",
    "an error of the admin socket": "the admin socket",
}
"""What the page for operators has for each of these."""

# A connection that is cut before its handshake has begun leaves an open socket behind, somewhere in `ssl`.
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]


def as_places(found: Sequence[Found]) -> Places:
    """Return which kinds of marker stand where."""
    places: dict[str, set[Kind]] = {}
    for one in found:
        places.setdefault(one.place, set()).add(one.kind)
    return places


def try_without(posture: Posture, authority: CertificateAuthority) -> Tried:
    """Run a service that nobody has told to write any of it down."""
    with running(posture, authority) as run:
        try_all(run)
        return judged(run)


def try_with_settings(authority: CertificateAuthority) -> Tried:
    """Run one that was told so by each setting and command that there is for it."""
    cache, bans = {"snapshot_file": "cache.snapshot"}, {"log_file": "bans.log"}
    with running(WITH_SETTINGS, authority, cache=cache, bans=bans) as run:
        blocked, banned = run.door.markers.name("blocked"), str(run.door.markers.client(9))
        run.command("block", name=blocked)
        run.command("ban", network=banned)
        ask_in_the_old_way(run.door, run.door.clients()[0], ["blocked"])
        with looking_who_asks_most(run):
            behave(run.door, "looked-at")
        run.command("explain", name=blocked)
        try_all(run)
        return judged(run)


@contextmanager
def looking_who_asks_most(run: Run) -> Iterator[None]:
    """Look, by network and by domain."""
    with ThreadPoolExecutor(2) as pool:
        looks = [
            pool.submit(run.command, "top", f"top by {by}", **{"by": by, "for": "2s"}) for by in ("network", "domain")
        ]
        wait_until(lambda: run.proxy.child.log_text().count("command=top ") == 2, 5, "somebody who looks")
        yield
        for look in looks:
            look.result()


def test_no_address_and_no_name_is_anywhere_but_where_somebody_has_said_so(authority: CertificateAuthority) -> None:
    with ThreadPoolExecutor(len(POSTURES) + 1) as pool:
        runs = [pool.submit(try_without, posture, authority) for posture in POSTURES]
        with_settings = pool.submit(try_with_settings, authority).result()
        without = [run.result() for run in runs]
    for tried, where in (*((one, ALWAYS) for one in without), (with_settings, {**ALWAYS, **SETTINGS})):
        assert as_places(tried.found) == where, "\n".join(map(str, tried.found))
        assert ENDED - tried.ended == set()
        assert " bug" not in tried.log
    assert "blocked" in with_settings.ended
    assert set().union(*(tried.closed for tried in without)) >= CLOSED


def test_no_address_and_no_name_is_in_the_store_that_nodes_share(
    authority: CertificateAuthority, find_program: FindProgram, tmp_path: Path
) -> None:
    """By everything that is said to it and by it, and by all that lies in it at the end."""
    (tmp_path / "nodes.key").write_bytes(SECRET)
    with store_process(find_program("redis-server", "redis-server"), tmp_path) as store:
        nodes = {"store": str(store.address), "key_file": str(tmp_path / "nodes.key")}
        posture = Posture("info", "text", "connection", tls=True)
        with listening_at_the_store(store) as said, running(posture, authority, nodes=nodes) as run:
            behave(run.door, "first")
            misbehave(run.door, "first")
            ask_as_a_member(run)
            run.command("ban", network=str(run.door.markers.client(9)))
            run.command("block", name=run.door.markers.name("blocked"))
            behave(run.door, "then")
            wait_until(lambda: b"EVALSHA" in b"".join(said), 10, "something that is shared")
        everything = b"".join(said) + all_of(store)
    assert everything.count(b"EVALSHA") > 10
    assert search([Evidence("the store", everything)], run.door.markers.spellings(run.token)) == []


@contextmanager
def listening_at_the_store(store: StoreProcess) -> Iterator[list[bytes]]:
    """Yield what is said to a store, as it is said."""
    said: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(store.path))
        connection.sendall(b"MONITOR\r\n")

        def read() -> None:
            while part := connection.recv(65_536):
                said.append(part)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield said
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def all_of(store: StoreProcess) -> bytes:
    """Return every key and what lies there."""

    def ask(*command: str) -> bytes:
        return subprocess.run(["redis-cli", "-s", str(store.path), *command], check=True, capture_output=True).stdout

    keys = ask("KEYS", "*").decode().split()
    assert keys
    return b"\n".join((*map(str.encode, keys), *(ask("GET", key) + ask("XRANGE", key, "-", "+") for key in keys)))


def test_operators_are_told_of_each_place_by_what_says_so() -> None:
    page = (PROJECT / "docs" / "privacy.md").read_text(encoding="utf-8")
    [table] = re.findall(r"## Where something stands.*?\n\n(\|.*?)\n\n", page, re.DOTALL)
    assert SAID_SO.keys() == {*SETTINGS, *ALWAYS} - {"what upstreams are sent"}
    assert [place for place, words in SAID_SO.items() if words not in table] == []
