"""What a command may be told, and what is said to who tells it something else."""

from dataclasses import replace

import pytest

from dohproxy.control.command import WrongArguments, advise, find
from tests.control.command_samples import Handlers, commands

CHANGE, LOOK, REFUSE, *_ = commands(Handlers())


def test_arguments_are_read_and_those_left_out_have_their_defaults() -> None:
    assert CHANGE.read({"name": "NS0"}) == {"name": "ns0", "minutes": 5, "mode": None, "below": False}
    given = {"name": "x", "minutes": 60, "mode": "b", "below": True}
    assert CHANGE.read(given) == given


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "NAME is missing: The name."),
        ({"name": 1}, "name must be a string in quotes, not a whole number."),
        ({"name": "x", "minutes": 0}, "minutes is 0, outside of 1 to 60 minutes."),
        ({"name": "x", "minutes": "5"}, "minutes must be a whole number, not a string."),
        ({"name": "x", "mode": "c"}, 'mode is "c", which is not one of "a", "b".'),
        ({"name": "x", "below": 1}, "below must be true or false, without quotes, not a whole number."),
        ({"nome": "x"}, "nome is no argument of this command; did you mean name?"),
        ({"\n" * 99: "x"}, "is no argument of this command; there are name, minutes, mode, below."),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_argument_is_told_in_a_sentence(given: dict[str, object], told: str) -> None:
    with pytest.raises(WrongArguments) as caught:
        CHANGE.read(given)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_command_without_arguments_takes_none() -> None:
    with pytest.raises(WrongArguments, match="it takes none"):
        REFUSE.read({"x": 1})


def test_what_is_private_is_not_repeated() -> None:
    private = replace(CHANGE, arguments=(replace(CHANGE.arguments[0], is_private=True), *CHANGE.arguments[1:]))
    values = private.read({"name": "secret.example.net"})
    assert private.repeatable(values) == {"name": "(not written)", "minutes": 5, "below": False}


def test_a_command_of_several_words_has_a_path_of_several_parts() -> None:
    assert find((CHANGE, LOOK), "/v1/look/at/it") is LOOK
    assert find((CHANGE, LOOK), "/v1/look") is None


@pytest.mark.parametrize(
    ("path", "told"),
    [("/v1/chnge", "did you mean change?"), ("/v1/zzz", "there are change, look at it."), ("/v1/", '"" is no command')],
)
def test_who_asks_for_a_command_that_there_is_not_is_told_which_there_are(path: str, told: str) -> None:
    assert told in advise((CHANGE, LOOK), path)
