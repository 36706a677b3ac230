"""0x20: which names are varied, and what echoes say."""

import pytest

from dohproxy.upstream.spoofing.case import Case0x20
from dohproxy.upstream.spoofing.echo_support import PAUSE_SECONDS, EchoState
from tests.wire import messages as m

QUESTION = m.question(m.name("www.example.net"), m.HTTPS)
VARIED = m.question(m.name("WWW.EXAMPLE.NET"), m.HTTPS)
ALL = b"\xff" * len(QUESTION)
NONE = bytes(len(QUESTION))


def _preserving() -> Case0x20:
    casing = Case0x20()
    for _ in range(3):
        casing.learn(VARIED, 0.0, has_our_case=True)
    assert casing.echo_support.state(0.0) is EchoState.ESTABLISHED
    return casing


def test_the_case_of_the_name_is_drawn_and_type_and_class_stay() -> None:
    casing = Case0x20()
    # HTTPS is type 65, in which a careless hand would see a letter.
    assert casing.spell(QUESTION, ALL, 0.0) == VARIED
    assert casing.spell(QUESTION, NONE, 0.0) == QUESTION


@pytest.mark.parametrize("has_our_case", [True, False])
def test_as_long_as_nothing_is_known_a_reply_in_any_case_is_taken(*, has_our_case: bool) -> None:
    assert Case0x20().may_be_reply(0.0, has_our_case=has_our_case)


def test_once_it_is_known_to_preserve_case_a_reply_in_another_one_is_not_taken() -> None:
    casing = _preserving()
    assert casing.may_be_reply(0.0, has_our_case=True)
    assert not casing.may_be_reply(0.0, has_our_case=False)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(m.question(m.ROOT), id="the root"),
        pytest.param(m.question(m.name("T.CO")), id="a short name"),
        pytest.param(m.question(m.name("1.2.3.4.5.6.7.8.9")), id="a long one without letters"),
        pytest.param(QUESTION, id="one that happened to be drawn in lower case"),
    ],
)
def test_an_echo_that_proves_nothing_is_no_proof(sent: bytes) -> None:
    casing = Case0x20()
    for _ in range(10):
        casing.learn(sent, 0.0, has_our_case=True)
    assert casing.echo_support.state(0.0) is EchoState.UNKNOWN


def test_one_reply_in_another_case_before_anything_is_known_ends_the_varying_for_a_while() -> None:
    casing = Case0x20()
    casing.learn(VARIED, 0.0, has_our_case=True)
    casing.learn(VARIED, 0.0, has_our_case=False)
    assert casing.spell(QUESTION, ALL, 1.0) == QUESTION
    assert casing.may_be_reply(1.0, has_our_case=False)
    assert casing.spell(QUESTION, ALL, PAUSE_SECONDS) == VARIED


def test_questions_that_find_only_another_case_end_the_checking() -> None:
    casing = _preserving()
    for number in range(4):
        assert not casing.may_be_reply(0.0, has_our_case=False)
        casing.echo_support.missed(b"\x01%d\x00" % number, 0.0)
    assert casing.may_be_reply(0.0, has_our_case=False)
    assert casing.spell(QUESTION, ALL, 0.0) == QUESTION
