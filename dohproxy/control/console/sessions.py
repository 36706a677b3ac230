"""Who has logged in to the operator's page: tokens that are good once, and the sessions they are given for.

Both are random and kept as hashes alone, in this process and nowhere else: a restart logs everybody out. Comparisons
take the same time wherever two values differ.
"""

import hashlib
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TOKEN_SECONDS: Final = 300.0
"""From the command that shows a token to its use: to copy a line into a browser, perhaps on another machine."""
MOST_TOKENS: Final = 5
"""That wait to be used; a newer one takes the place of the oldest."""
SESSION_SECONDS: Final = 8 * 3_600.0
"""A night's duty."""
MOST_SESSIONS: Final = 10
"""Twice as many as may look: who logs in ends the oldest."""
FAILURE_SECONDS: Final = 60.0
MOST_FAILURES: Final = 10
"""Within FAILURE_SECONDS, all together, as everybody comes from this machine: more than a person mistypes. A token has
256 bits, so this spares the log and the processor rather than the token."""
RANDOM_BYTES: Final = 32


class LoginResult(StrEnum):
    """What became of an attempt to log in; metric label."""

    DONE = "done"
    WRONG = "wrong"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A token or a session."""

    until: float
    number: int = 0
    """Of a session: how many there had been with it."""


def draw() -> str:
    """Return a secret that fits a URL and a cookie."""
    return secrets.token_urlsafe(RANDOM_BYTES)


class Sessions:
    """All tokens and sessions of one process. `now` is monotonic."""

    def __init__(self, draw: Callable[[], str] = draw) -> None:
        self._draw = draw
        # By their hashes, the oldest first.
        self._tokens: dict[bytes, _Kept] = {}
        self._sessions: dict[bytes, _Kept] = {}
        self._failures: deque[float] = deque(maxlen=MOST_FAILURES)
        self.results = dict.fromkeys(LoginResult, 0)

    def issue(self, now: float) -> str:
        """Return a new token, good for one login within TOKEN_SECONDS."""
        token = self._draw()
        _put(self._tokens, token, _Kept(now + TOKEN_SECONDS), MOST_TOKENS)
        return token

    def log_in(self, token: str, now: float) -> tuple[LoginResult, str]:
        """Return what became of it, and the session's secret if it is done."""
        result, secret = self._judge(token, now), ""
        self.results[result] += 1
        if result is LoginResult.DONE:
            secret = self._draw()
            _put(self._sessions, secret, _Kept(now + SESSION_SECONDS, self.results[result]), MOST_SESSIONS)
        return result, secret

    def login_of(self, secret: str, now: float) -> int | None:
        """Return which login since the start has this secret: 1 is the first. None if it has ended, or never was."""
        found = _find(self._sessions, secret, now)
        return None if found is None else self._sessions[found].number

    def log_out(self, secret: str, now: float) -> None:
        """End a session, if it is one."""
        found = _find(self._sessions, secret, now)
        if found is not None:
            del self._sessions[found]

    def count(self, now: float) -> int:
        """Return how many sessions are open."""
        return sum(one.until > now for one in self._sessions.values())

    def _judge(self, token: str, now: float) -> LoginResult:
        if len(self._failures) == MOST_FAILURES and now - self._failures[0] < FAILURE_SECONDS:
            return LoginResult.TOO_MANY
        found = _find(self._tokens, token, now)
        if found is None:
            self._failures.append(now)
            return LoginResult.WRONG
        del self._tokens[found]
        return LoginResult.DONE


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _put(table: dict[bytes, _Kept], secret: str, kept: _Kept, most: int) -> None:
    table[_hash(secret)] = kept
    while len(table) > most:
        del table[next(iter(table))]


def _find(table: dict[bytes, _Kept], secret: str, now: float) -> bytes | None:
    """Return the hash that is meant, if it is there and its time is not over; look at all of them either way."""
    wanted, found = _hash(secret), None
    for hashed, kept in table.items():
        if hmac.compare_digest(hashed, wanted) and now < kept.until:
            found = hashed
    return found
