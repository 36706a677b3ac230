"""How the times of one question stand to each other."""

from dohproxy.config import ResolverConfig

DEFAULTS = ResolverConfig()


def test_every_attempt_fits_in_the_deadline() -> None:
    assert DEFAULTS.max_sends * DEFAULTS.attempt_seconds <= DEFAULTS.deadline_seconds


def test_a_question_that_had_to_wait_for_the_budget_can_still_be_sent() -> None:
    assert DEFAULTS.budget_wait_seconds + DEFAULTS.attempt_seconds <= DEFAULTS.deadline_seconds
