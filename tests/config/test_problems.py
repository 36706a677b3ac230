"""How problems reach whoever wrote the configuration."""

from dohproxy.config.problems import ConfigError, Problem, render

PROBLEMS = (Problem("limits.requests_burst", "is 0, outside of 1 to 10."), Problem("cashe", "is no section."))


def test_every_problem_stands_on_a_line_of_its_own() -> None:
    assert render(ConfigError(PROBLEMS)) == (
        "- limits.requests_burst is 0, outside of 1 to 10.\n- cashe is no section."
    )


def test_the_error_itself_reads_the_same() -> None:
    error = ConfigError(PROBLEMS)
    assert str(error) == render(error)
    assert error.problems == PROBLEMS
