"""How problems reach whoever wrote the configuration."""

from dohproxy.config.problems import ConfigError, Problem, located, render

PROBLEMS = (Problem("limits.requests_burst", "is 0, outside of 1 to 10."), Problem("cashe", "is no section."))


def test_every_problem_stands_on_a_line_of_its_own() -> None:
    assert render(ConfigError(PROBLEMS)) == (
        "- limits.requests_burst is 0, outside of 1 to 10.\n- cashe is no section."
    )


def test_a_problem_has_a_line_once_it_is_located() -> None:
    lines = {"limits": 3, "limits.requests_burst": 7}
    found = located((*PROBLEMS, Problem("limits.misses_burst", "is 0."), Problem("limits", "is odd.", line=1)), lines)
    assert [str(problem) for problem in found] == [
        "limits.requests_burst (line 7) is 0, outside of 1 to 10.",
        "cashe is no section.",
        "limits.misses_burst (line 3) is 0.",
        "limits (line 1) is odd.",
    ]


def test_the_error_itself_reads_the_same() -> None:
    error = ConfigError(PROBLEMS)
    assert str(error) == render(error)
    assert error.problems == PROBLEMS
