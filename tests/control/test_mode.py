"""The command `mode`: what it enters, refuses and tells."""

import time
from dataclasses import replace
from ipaddress import ip_network

import pytest

from dohproxy.config import ClientsConfig
from dohproxy.control.command import Refused
from dohproxy.control.mode import mode, sentence
from dohproxy.policy.mode import EVERYBODY, Mode, ModeNow, Reaction, Source
from tests.control.command_samples import FakeService


def with_members() -> FakeService:
    service = FakeService()
    members = ClientsConfig(member_networks=(ip_network("192.0.2.0/24"),))
    service.config = replace(service.config, clients=members)
    return service


async def test_without_a_word_it_tells_what_holds() -> None:
    result = await mode(FakeService(), {"mode": None, "for": 3_600, "shadow": False})
    assert result.sentence == "Everybody is served."
    assert result.figures == {"mode": "open", "source": "default", "seconds_left": None}


async def test_members_alone_are_served_for_a_while() -> None:
    service = with_members()
    result = await mode(service, {"mode": "members", "for": 600, "shadow": False})
    assert result.sentence == (
        "Members and exempt networks alone are served for 10 min more; then the rules decide again. Everybody else"
        " gets 403 over DoH, REFUSED over DoT."
    )
    assert result.figures == {"mode": "members", "source": "operator", "seconds_left": 600}
    assert service.mode.now(time.monotonic() + 601) == EVERYBODY


async def test_without_members_nobody_would_be_served_so_it_is_refused() -> None:
    service = FakeService()
    with pytest.raises(Refused, match=r"clients\.member_networks is empty"):
        await mode(service, {"mode": "members", "for": 600, "shadow": False})
    assert service.mode.now(time.monotonic()) == EVERYBODY


async def test_open_overrules_the_rule_and_auto_gives_it_back() -> None:
    service = with_members()
    service.mode.adopt(Reaction.MEMBERS)
    service.mode.tell_listed(is_listed=True)
    opened = await mode(service, {"mode": "open", "for": 3_600, "shadow": False})
    assert opened.sentence == "Everybody is served, whatever a rule says for 1 h more; then the rules decide again."
    given_back = await mode(service, {"mode": "auto", "for": 3_600, "shadow": False})
    assert given_back.sentence == (
        "Members and exempt networks alone are served while a public list has us (listed.reaction)."
    )


async def test_it_is_tried_and_everybody_is_served() -> None:
    service = with_members()
    result = await mode(service, {"mode": "members", "for": 600, "shadow": True})
    assert result.sentence == (
        "Everybody is served. It is counted for 10 min more whom `mode members` would turn away; `status` has how many."
    )
    tried = {"mode": "members", "source": "operator", "seconds_left": 600}
    assert result.figures == {"mode": "open", "source": "default", "seconds_left": None, "tried": tried}
    assert service.mode.now(time.monotonic()).mode is Mode.OPEN
    assert service.mode.now(time.monotonic() + 601) == EVERYBODY


async def test_a_trial_ends_nothing_that_was_said() -> None:
    service = with_members()
    await mode(service, {"mode": "open", "for": 3_600, "shadow": False})
    result = await mode(service, {"mode": "members", "for": 600, "shadow": True})
    assert result.sentence.startswith("Everybody is served, whatever a rule says for 1 h more; then the rules decide")
    assert "It is counted for 10 min more" in result.sentence
    assert service.mode.now(time.monotonic() + 601).source is Source.OPERATOR


async def test_what_holds_already_cannot_be_tried() -> None:
    service = with_members()
    await mode(service, {"mode": "members", "for": 600, "shadow": False})
    with pytest.raises(Refused, match="nothing to be tried"):
        await mode(service, {"mode": "members", "for": 60, "shadow": True})
    assert service.mode.now(time.monotonic() + 300).mode is Mode.MEMBERS


@pytest.mark.parametrize("word", [None, "open", "auto"])
async def test_nothing_but_members_can_be_tried(word: str | None) -> None:
    service = with_members()
    with pytest.raises(Refused, match="--shadow tries"):
        await mode(service, {"mode": word, "for": 600, "shadow": True})
    assert service.mode.now(time.monotonic()) == EVERYBODY


def test_a_reaction_that_is_only_tried_is_said() -> None:
    tried = ModeNow(Mode.MEMBERS, Source.LISTED, None, spares_strangers=True)
    said = sentence(replace(EVERYBODY, tried=tried), 0.0)
    assert said.startswith("Everybody is served as ever.")
    assert "rules.listed_reaction is shadow" in said


def test_that_members_go_first_is_said() -> None:
    held = ModeNow(Mode.OPEN, Source.LISTED, None, spares_strangers=True)
    assert sentence(held, 0.0).startswith("Everybody is served, members first: strangers get older answers")
