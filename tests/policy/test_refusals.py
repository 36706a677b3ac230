"""Questions that are understood and not answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.outcomes import Reason
from dohproxy.policy.refusals import refuse
from dohproxy.wire.query import Query, parse_query
from tests.wire import messages as m
from tests.wire.strategies import deterministic


def asked(qtype: int = m.A, qclass: int = 1, *, flags: int = m.RD, version: int | None = None) -> Query:
    additional = () if version is None else (m.opt(version=version),)
    return parse_query(m.query(m.question(m.name("www.example.net"), qtype, qclass), *additional, flags=flags))


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        pytest.param(asked(252), Reason.TYPE_REFUSED, id="AXFR"),
        pytest.param(asked(251), Reason.TYPE_REFUSED, id="IXFR"),
        pytest.param(asked(249), Reason.TYPE_REFUSED, id="TKEY"),
        pytest.param(asked(250), Reason.TYPE_REFUSED, id="TSIG"),
        pytest.param(asked(253), Reason.TYPE_REFUSED, id="MAILB"),
        pytest.param(asked(254), Reason.TYPE_REFUSED, id="MAILA"),
        pytest.param(asked(128), Reason.TYPE_REFUSED, id="the first meta type"),
        pytest.param(asked(41), Reason.TYPE_REFUSED, id="OPT, which is no type of data"),
        pytest.param(asked(0), Reason.TYPE_REFUSED, id="the reserved type"),
        pytest.param(asked(16, 3), Reason.CLASS_REFUSED, id="CHAOS"),
        pytest.param(asked(m.A, 4), Reason.CLASS_REFUSED, id="Hesiod"),
        pytest.param(asked(m.A, 255), Reason.CLASS_REFUSED, id="any class"),
        pytest.param(asked(m.A, 254), Reason.CLASS_REFUSED, id="no class"),
        pytest.param(asked(m.ANY, 3), Reason.CLASS_REFUSED, id="ANY in CHAOS"),
        pytest.param(asked(252, 3), Reason.TYPE_REFUSED, id="a transfer in whatever class"),
        pytest.param(asked(version=1), Reason.BAD_VERSION, id="a version of EDNS that does not exist yet"),
        pytest.param(asked(version=255), Reason.BAD_VERSION, id="the last version of EDNS"),
        pytest.param(asked(flags=0), Reason.RECURSION_NOT_DESIRED, id="what others have asked"),
        pytest.param(asked(flags=m.AD | m.CD), Reason.RECURSION_NOT_DESIRED, id="other flags than RD"),
    ],
)
def test_a_question_is_refused(query: Query, reason: Reason) -> None:
    assert refuse(query) is reason


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(asked(), id="an address"),
        pytest.param(asked(m.ANY), id="ANY, which has an answer of its own"),
        pytest.param(asked(127), id="the last type of data before the meta types"),
        pytest.param(asked(256), id="URI"),
        pytest.param(asked(65_535), id="the last type"),
        pytest.param(asked(m.HTTPS), id="HTTPS"),
        pytest.param(asked(43), id="DS"),
        pytest.param(asked(version=0), id="EDNS as it is"),
        pytest.param(asked(flags=m.RD | m.CD | m.AD), id="a validating client"),
    ],
)
def test_a_question_goes_on(query: Query) -> None:
    assert refuse(query) is None


@given(st.integers(0, 65_535), st.integers(0, 65_535))
@deterministic
def test_only_data_and_any_of_the_internet_class_go_on(qtype: int, qclass: int) -> None:
    is_data = (0 < qtype < 128 and qtype != m.OPT) or qtype >= 255
    assert (refuse(asked(qtype, qclass)) is None) is (is_data and qclass == 1)
