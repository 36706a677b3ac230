"""Commands about the service as a whole: what they say."""

import pytest

from dohproxy.adoption import Changes
from dohproxy.config import ConfigError, Problem
from dohproxy.control import lifecycle
from dohproxy.control.command import Refused
from tests.control.command_samples import FakeService


@pytest.mark.parametrize(
    ("changed", "waiting", "sentence"),
    [
        ((), (), "The configuration was read again: nothing in it has changed."),
        (("a.b",), (), "The configuration was read again: 1 key has changed."),
        (("a.b", "a.c"), (), "The configuration was read again: 2 keys have changed."),
        (
            (),
            ("tls", "x.y"),
            "The configuration was read again: nothing in it has changed. tls, x.y will change with the next restart.",
        ),
    ],
    ids=["nothing", "one key", "two keys", "what has to wait"],
)
async def test_a_reload_says_what_it_has_changed(
    changed: tuple[str, ...], waiting: tuple[str, ...], sentence: str
) -> None:
    service = FakeService()
    service.changes = Changes(service.config, changed, waiting)
    result = await lifecycle.reload(service, {})
    assert result.sentence == sentence
    assert result.figures == {"changed": list(changed), "waiting_for_restart": list(waiting)}


async def test_a_configuration_that_is_refused_is_told_with_every_fault() -> None:
    service = FakeService()
    service.changes = ConfigError((Problem("a.b", "is wrong.", 3), Problem("c", "too.")))
    with pytest.raises(Refused, match="nothing has changed") as caught:
        await lifecycle.reload(service, {})
    assert caught.value.lines == ["a.b (line 3) is wrong.", "c too."]


async def test_the_end_is_begun_and_told() -> None:
    service = FakeService()
    result = await lifecycle.drain(service, {})
    assert service.is_ending
    assert "3 clients are connected. To have it back, start it." in result.sentence
    assert result.figures["connections"] == 3
