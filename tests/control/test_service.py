"""The runtime has everything that the commands ask of a service."""

import inspect

import pytest

from dohproxy.control.service import Service
from dohproxy.runtime import Runtime

ASKED = [name for name, _ in inspect.getmembers(Service, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", ASKED)
def test_the_runtime_can_be_asked(name: str) -> None:
    asked, given = getattr(Service, name), getattr(Runtime, name)
    assert inspect.signature(asked).parameters.keys() == inspect.signature(given).parameters.keys()
