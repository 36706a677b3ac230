"""Logins: a token is good once and not for long, guessing is limited, and tables do not grow."""

from itertools import count

import pytest

from dohproxy.control.console.sessions import (
    FAILURE_SECONDS,
    MOST_FAILURES,
    MOST_SESSIONS,
    MOST_TOKENS,
    RANDOM_BYTES,
    SESSION_SECONDS,
    TOKEN_SECONDS,
    LoginResult,
    Sessions,
    draw,
)


@pytest.fixture
def sessions() -> Sessions:
    """Secrets that are counted through: secret-1, secret-2."""
    numbers = count(1)
    return Sessions(lambda: f"secret-{next(numbers)}")


def test_a_token_is_good_once(sessions: Sessions) -> None:
    token = sessions.issue(0.0)
    result, secret = sessions.log_in(token, 1.0)
    assert (result, sessions.login_of(secret, 2.0), sessions.login_of(token, 2.0)) == (LoginResult.DONE, 1, None)
    assert sessions.log_in(token, 3.0) == (LoginResult.WRONG, "")
    assert sessions.results == {LoginResult.DONE: 1, LoginResult.WRONG: 1, LoginResult.TOO_MANY: 0}


def test_its_time_ends(sessions: Sessions) -> None:
    token = sessions.issue(0.0)
    assert sessions.log_in(token, TOKEN_SECONDS)[0] is LoginResult.WRONG


def test_a_session_ends_with_its_time_or_when_somebody_logs_out(sessions: Sessions) -> None:
    _, first = sessions.log_in(sessions.issue(0.0), 0.0)
    _, second = sessions.log_in(sessions.issue(0.0), 0.0)
    assert sessions.login_of(first, SESSION_SECONDS - 1) == 1
    assert sessions.login_of(first, SESSION_SECONDS) is None
    sessions.log_out(second, 1.0)
    sessions.log_out("another", 1.0)
    assert sessions.login_of(second, 1.0) is None
    assert (sessions.count(1.0), sessions.count(SESSION_SECONDS)) == (1, 0)


@pytest.mark.parametrize("secret", ["", "secret-9", "\ud800", "ä" * 1_000], ids=ascii)
def test_what_is_no_secret_opens_nothing(sessions: Sessions, secret: str) -> None:
    sessions.log_in(sessions.issue(0.0), 0.0)
    assert sessions.login_of(secret, 1.0) is None


def test_guessing_is_limited_for_a_minute(sessions: Sessions) -> None:
    token = sessions.issue(0.0)
    for number in range(MOST_FAILURES):
        assert sessions.log_in(f"wrong-{number}", 0.0)[0] is LoginResult.WRONG
    assert sessions.log_in(token, 1.0) == (LoginResult.TOO_MANY, "")
    assert sessions.log_in(token, FAILURE_SECONDS)[0] is LoginResult.DONE


def test_neither_tokens_nor_sessions_grow_without_end(sessions: Sessions) -> None:
    tokens = [sessions.issue(0.0) for _ in range(MOST_TOKENS + 1)]
    assert [sessions.log_in(token, 1.0)[0] for token in (tokens[0], tokens[1], tokens[-1])] == [
        LoginResult.WRONG,
        LoginResult.DONE,
        LoginResult.DONE,
    ]
    opened = [sessions.log_in(sessions.issue(0.0), 1.0)[1] for _ in range(MOST_SESSIONS + 1)]
    assert sessions.count(1.0) == MOST_SESSIONS
    # Two had logged in before, and what is wrong has no number.
    assert (sessions.login_of(opened[0], 1.0), sessions.login_of(opened[1], 1.0)) == (None, 4)


def test_secrets_are_long_and_none_comes_twice() -> None:
    drawn = {draw() for _ in range(100)}
    assert len(drawn) == 100
    assert min(map(len, drawn)) >= RANDOM_BYTES


def test_no_secret_is_kept_as_it_is(sessions: Sessions) -> None:
    sessions.log_in(sessions.issue(0.0), 0.0)
    sessions.issue(0.0)
    kept = repr((sessions._tokens, sessions._sessions))
    assert "secret-" not in kept
