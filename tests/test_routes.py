"""Where a question goes."""

from dataclasses import dataclass, field, fields

import pytest

from dohproxy.cache import Cache
from dohproxy.config import CacheConfig
from dohproxy.routes import Route, Routes
from dohproxy.wire.name import from_text
from dohproxy.wire.query import parse_query
from tests.fakes.resolver import FakeResolver
from tests.fakes.walk import address_of, ask_for

A, PTR, DS = 1, 12, 43


def route(*, is_general: bool = False) -> Route:
    return Route(Cache(CacheConfig()), FakeResolver(lambda *_: None, address_of), is_general=is_general)


@dataclass(frozen=True, slots=True)
class Ways:
    """Routes, and what they lead to."""

    world: Route = field(default_factory=lambda: route(is_general=True))
    home: Route = field(default_factory=route)
    lan: Route = field(default_factory=route)
    intern: Route = field(default_factory=route)
    reverse: Route = field(default_factory=route)

    def taken_by(self, name: str, qtype: int = A) -> str:
        """Whose a name is."""
        routes = Routes(
            self.world,
            {
                from_text("home.arpa"): self.home,
                from_text("lan"): self.lan,
                from_text("printer.lan"): self.home,
                from_text("intern.example.org"): self.intern,
                from_text("10.in-addr.arpa"): self.home,
                from_text("in-addr.arpa"): self.reverse,
                from_text("test"): self.lan,
            },
        )
        taken = routes.of(parse_query(ask_for(name, qtype)))
        return next(one.name for one in fields(self) if getattr(self, one.name) is taken)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("home.arpa", "home"),
        ("a.b.home.arpa", "home"),
        ("HOME.ARPA", "home"),
        ("xhome.arpa", "world"),
        ("lan", "lan"),
        ("scanner.lan", "lan"),
        ("printer.lan", "home"),
        ("tray.printer.lan", "home"),
        ("intern.example.org", "intern"),
        ("www.intern.example.org", "intern"),
        ("example.org", "world"),
        ("org", "world"),
        (".", "world"),
        ("1.0.0.10.in-addr.arpa", "home"),
        ("4.3.2.1.in-addr.arpa", "reverse"),
        ("a.test", "lan"),
    ],
)
def test_the_longest_domain_that_holds_a_name_has_it(name: str, expected: str) -> None:
    assert Ways().taken_by(name) == expected


@pytest.mark.parametrize("name", ["1.1.168.192.in-addr.arpa", "168.192.in-addr.arpa", "1.0.0.127.in-addr.arpa"])
def test_a_special_zone_within_a_domain_is_none_of_it(name: str) -> None:
    assert Ways().taken_by(name, PTR) == "world"


def test_the_delegation_of_a_domain_is_its_parents() -> None:
    assert Ways().taken_by("intern.example.org", DS) == "world"
    assert Ways().taken_by("sub.intern.example.org", DS) == "intern"


def test_without_routes_everything_goes_the_ordinary_way() -> None:
    world = route(is_general=True)
    assert Routes(world).of(parse_query(ask_for("home.arpa"))) is world
