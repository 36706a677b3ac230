"""What is written."""

from dohproxy.config import LogConfig


def test_people_are_written_for_and_a_flood_of_lines_is_bounded() -> None:
    defaults = LogConfig()
    assert (defaults.level, defaults.format) == ("info", "text")
    assert defaults.lines_per_second <= 10
