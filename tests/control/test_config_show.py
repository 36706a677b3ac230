"""The configuration that holds, told by the service."""

import pytest

from dohproxy.config.effective import Effective
from dohproxy.control.config_show import line, show
from tests.control.command_samples import FakeService


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (Effective("a.b", "x", "line 3", 3), 'a.b = "x"  # line 3'),
        (Effective("a.b", None, "default"), "a.b = absent  # default"),
        (Effective("a.b", ["x", "y"], "default"), 'a.b = ["x", "y"]  # default'),
        (Effective("a.b", True, "default"), "a.b = true  # default"),
    ],
    ids=["text", "absent", "list", "switch"],
)
def test_a_key_is_a_line_of_toml_with_its_origin(key: Effective, told: str) -> None:
    assert line(key) == told


async def test_it_is_told_whole_or_by_section_or_only_what_was_written() -> None:
    service = FakeService()
    service.config.lines["log.level"] = 7  # type: ignore[index]
    whole = await show(service, {"section": None, "written": False})
    assert whole.sentence.endswith(" keys hold, of which 1 stand in the file.")
    assert len(whole.lines) == len(whole.figures["keys"]) > 80
    log = await show(service, {"section": "log", "written": False})
    assert [key["path"] for key in log.figures["keys"]] == ["log.level", "log.format", "log.lines_per_second"]
    written = await show(service, {"section": None, "written": True})
    assert written.lines == ['log.level = "info"  # line 7']
