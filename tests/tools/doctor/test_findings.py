"""Findings: in their order, and none lost to a bug in another look."""

from collections.abc import Iterator

from dohproxy.config import Problem
from dohproxy.tools.doctor.findings import BUG_REMEDY, MOST_CHARACTERS, Finding, Severity, look_at, of_problems, worst

WELL = Finding("clock", Severity.OK, "it is right")
NOTE = Finding("kernel", Severity.NOTE, "it cannot be seen")


def test_foreign_text_steers_no_terminal_and_fills_no_screen() -> None:
    found = Finding("records", Severity.OK, "CAA lets \x1b]0;owned\x07\u202e\nok it in", "ask \x9b2J")
    assert (found.what, found.remedy) == ("CAA lets ?]0;owned???ok it in", "ask ?2J")
    [long, fits] = [Finding("records", Severity.OK, "a" * length) for length in (MOST_CHARACTERS + 1, MOST_CHARACTERS)]
    assert long.what == "a" * (MOST_CHARACTERS - 1) + "…"
    assert fits.what == "a" * MOST_CHARACTERS


def test_what_all_looks_find_comes_in_their_order() -> None:
    assert look_at({"clock": lambda: [WELL], "nothing": list, "kernel": lambda: [NOTE]}) == [WELL, NOTE]


def test_a_bug_in_one_look_is_a_finding_and_keeps_no_other_from_being_taken() -> None:
    def broken() -> Iterator[Finding]:
        yield NOTE
        raise KeyError("figures")

    found = look_at({"service": broken, "clock": lambda: [WELL]})
    bug = Finding("service", Severity.WARNING, "this could not be looked at: KeyError: 'figures'", BUG_REMEDY)
    assert found == [NOTE, bug, WELL]


def test_a_problem_of_the_configuration_has_its_remedy_in_its_sentence() -> None:
    [found] = of_problems("configuration", Severity.FAULT, [Problem("tls.key", "names k.pem, which is absent.", 3)])
    assert found == Finding("configuration", Severity.FAULT, "tls.key (line 3) names k.pem, which is absent")


def test_the_gravest_decides() -> None:
    warning, fault = (Finding("x", severity, "y") for severity in (Severity.WARNING, Severity.FAULT))
    assert worst([]) is Severity.OK
    assert worst([WELL, NOTE]) is Severity.NOTE
    assert worst([fault, WELL, warning]) is Severity.FAULT
