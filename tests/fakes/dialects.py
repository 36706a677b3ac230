"""Dialects as configured, which count how many requests in one of them are read."""

from dataclasses import replace
from typing import Any, Self

from dohproxy.frontends.service import Service
from tests.frontends.client import get

PARAMETER = "&random_padding=x"
"""Behind its target, it makes a GET one in a dialect that could be refused."""
POST_FIELD = "X-Pad: aaa\r\n"
"""The same for a POST."""


def get_in_dialect(name: str = "localhost", fields: str = "") -> bytes:
    """Return a GET in such a dialect."""
    return get(name, fields).replace(b" HTTP/", PARAMETER.encode() + b" HTTP/", 1)


class CountedDialects(dict[str, str]):
    """Serves all; each request that is read in one of them is looked up here once."""

    reads = 0

    @classmethod
    def of(cls, service: Service) -> Self:
        """Have those that a service reads counted from now on."""
        counted = cls()
        service.adopt(replace(service.rules, dialects=counted))
        return counted

    def get(self, key: str, default: Any = None) -> Any:
        """Count, and know of nothing that is configured."""
        self.reads += 1
        return default


class BrokenDialects(dict[str, str]):
    """A bug on the way of every request in one of them."""

    def get(self, key: str, default: Any = None) -> Any:
        """Raise, with a word that nobody may log."""
        raise ValueError("secret.example.net")


def break_reading(service: Service) -> None:
    """Have a service meet a bug while it reads a request in one of the dialects."""
    service.adopt(replace(service.rules, dialects=BrokenDialects()))
