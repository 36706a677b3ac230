"""What is left out of the compiled form is there: a test that is gone or has another name would stand for nothing."""

import ast
from pathlib import Path

import pytest

from tests.interpreted import ONLY_INTERPRETED, reason

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("node_id", ONLY_INTERPRETED)
def test_each_test_that_is_left_out_is_there(node_id: str) -> None:
    file, *names = node_id.partition("[")[0].split("::")
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    for name in names:
        found = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
        (one,) = (node for node in found if node.name == name)
        body = one.body


def test_parameters_are_left_out_with_their_test_or_by_themselves() -> None:
    target = "tests/fuzz/test_targets.py::test_a_target_holds_on_its_own_seeds"
    assert reason(f"{target}[http1]") is not None
    assert reason(f"{target}[http2]") is None
    assert reason("tests/http1/test_connection_fuzzed.py::test_every_promise_holds_for_random_bytes[3]") is None
    frontend = "test_the_frontend_answers_each_request_of_odd_traffic_once_and_in_order"
    assert reason(f"tests/http1/test_connection_fuzzed.py::{frontend}[3]") is not None
