"""The command `mode`: whom the service is for at the moment."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from dohproxy.config import Config
from dohproxy.config.keys import Choice, Duration, Switch
from dohproxy.control.command import Argument, Refused, Result
from dohproxy.durations import in_words
from dohproxy.outcomes import Reason, told_as
from dohproxy.policy.mode import Mode, ModeNow, ModeSwitch, Source

AUTO: Final = "auto"
ARGUMENTS: Final = (
    Argument(
        "mode",
        Choice(
            (Mode.MEMBERS.value, Mode.OPEN.value, AUTO),
            "members: members and exempt networks alone are served. open: everybody is, whatever rule says otherwise."
            " auto: the rules decide again. Without it the mode is told.",
        ),
    ),
    Argument(
        "for",
        # A month is no remedy any more, but a decision.
        Duration(60, 30 * 86_400, "How long; then the rules decide again."),
        is_option=True,
        default=3_600,
    ),
    Argument(
        "shadow",
        Switch("Only try it: count whom `mode members` would turn away, and serve everybody as ever."),
        is_option=True,
        default=False,
    ),
)


class HasMode(Protocol):
    """A service that is for everybody, or for its members."""

    config: Config
    mode: ModeSwitch

    def apply_mode(self) -> ModeNow:
        """Let the walk know what holds now, and return it."""


async def mode(service: HasMode, values: Mapping[str, Any]) -> Result:
    """Enter a mode, leave it to the rules, or tell which one holds."""
    wanted, now = values["mode"], time.monotonic()
    if values["shadow"] and wanted != Mode.MEMBERS:
        raise Refused("--shadow tries `mode members`, and there is nothing to be counted of another mode.")
    if wanted == AUTO:
        service.mode.leave()
    elif wanted is not None:
        if wanted == Mode.MEMBERS and not service.config.clients.can_have_members:
            raise Refused(
                "clients.member_networks is empty, so nobody would be served: name your members' networks there, and"
                " reload, or give them URLs of their own (clients.member_file)."
            )
        _say(service.mode, Mode(wanted), now, values)
    held = service.apply_mode()
    return Result(sentence(held, now), figures(held, now))


def _say(switch: ModeSwitch, wanted: Mode, now: float, values: Mapping[str, Any]) -> None:
    """Enter a mode, or only try it. Raises Refused."""
    until = now + values["for"]
    if not values["shadow"]:
        switch.enter(wanted, until)
        return
    if switch.now(now).mode is wanted:
        raise Refused("Members alone are served already, so there is nothing to be tried; `mode auto` ends it.")
    switch.attempt(wanted, until)


def sentence(held: ModeNow, now: float) -> str:
    """Return what a mode means."""
    if held.tried is not None and held.tried.source is Source.OPERATOR:
        return f"{sentence(replace(held, tried=None), now)} {_of_trial(held.tried, now)}"
    span = "" if held.until is None else f" for {in_words(round(held.until - now))} more; then the rules decide again"
    match held.mode, held.source:
        case Mode.MEMBERS, Source.OPERATOR:
            refused = told_as(Reason.MEMBERS_ONLY)
            return f"Members and exempt networks alone are served{span}. Everybody else gets {refused}."
        case Mode.MEMBERS, _:
            return "Members and exempt networks alone are served while a public list has us (listed.reaction)."
        case Mode.OPEN, Source.OPERATOR:
            return f"Everybody is served, whatever a rule says{span}."
        case Mode.OPEN, Source.LISTED:
            return (
                "Everybody is served, members first: strangers get older answers while a public list has us"
                " (listed.reaction)."
            )
        case _ if held.tried is not None:
            return (
                "Everybody is served as ever. A public list has us, and what listed.reaction would do is counted, as"
                " rules.listed_reaction is shadow."
            )
        case _:
            return "Everybody is served."


def _of_trial(tried: ModeNow, now: float) -> str:
    span = "" if tried.until is None else f" for {in_words(round(tried.until - now))} more"
    return f"It is counted{span} whom `mode members` would turn away; `status` has how many."


def figures(held: ModeNow, now: float) -> dict[str, Any]:
    """Return what holds, ready for JSON."""
    left = None if held.until is None else max(0, math.ceil(held.until - now))
    tried = {} if held.tried is None else {"tried": figures(held.tried, now)}
    return {"mode": held.mode.value, "source": held.source.value, "seconds_left": left} | tried
