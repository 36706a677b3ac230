"""How upstreams answer, in the doctor's words."""

from dataclasses import replace

from dohproxy.tools.doctor.findings import Severity
from dohproxy.tools.doctor.upstreams import judge
from dohproxy.tools.observation import Trouble
from tests.tools.test_upstream_report import GOOD, NOW

SILENT = replace(GOOD, reply=None, answer_seconds=None, trouble=Trouble.SILENT)


def test_one_that_answers() -> None:
    [found] = judge([GOOD], NOW)
    assert (found.severity, found.what) == (Severity.OK, "ns0 answers within 11 ms")


def test_one_of_two_that_says_nothing_is_a_warning_with_a_command() -> None:
    found = list(judge([GOOD, replace(SILENT, upstream=replace(GOOD.upstream, name="ns1"))], NOW))
    assert [one.severity for one in found] == [Severity.OK, Severity.WARNING]
    assert found[1].what.startswith("ns1 says nothing")
    assert "dohproxy upstream test ns1" in found[1].remedy


def test_where_none_answers_it_is_a_fault() -> None:
    assert [one.severity for one in judge([SILENT, SILENT], NOW)] == [Severity.FAULT, Severity.FAULT]
