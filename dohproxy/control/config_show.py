"""The command `config show`: what holds, and where each value comes from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Protocol

from dohproxy.config import Config
from dohproxy.config.effective import Effective
from dohproxy.config.keys import Choice, Switch
from dohproxy.config.sections import SECTIONS
from dohproxy.control.command import Argument, Result
from dohproxy.control.hand_limits import HandLimits
from dohproxy.control.limit import shown

ARGUMENTS: Final = (
    Argument("section", Choice(tuple(section.name for section in SECTIONS), "One section alone.")),
    Argument("written", Switch("Only what stands in the file."), is_option=True, default=False),
)


class HasConfig(Protocol):
    """A service that holds to a configuration."""

    config: Config
    hand_limits: HandLimits

    def waiting(self) -> Sequence[str]:
        """Return the keys that differ from the file until a restart."""


async def show(service: HasConfig, values: Mapping[str, Any]) -> Result:
    """Tell it."""
    every = shown(service)
    wanted = [key for key in every if _is_wanted(key, values["section"], is_written=values["written"])]
    return Result(sentence(every), {"keys": [asdict(key) for key in wanted]}, [line(key) for key in wanted])


def sentence(keys: list[Effective]) -> str:
    """Return how much of it was written by somebody."""
    written = sum(key.line is not None for key in keys)
    return f"{len(keys)} keys hold, of which {written} stand in the file."


def line(key: Effective) -> str:
    """Return one key as a line of TOML with its origin."""
    value = "absent" if key.value is None else json.dumps(key.value, ensure_ascii=False)
    return f"{key.path} = {value}  # {key.origin}"


def _is_wanted(key: Effective, section: str | None, *, is_written: bool) -> bool:
    of_section = section is None or key.path.partition(".")[0].partition(" ")[0] == section
    return of_section and (key.line is not None or not is_written)
