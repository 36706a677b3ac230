"""Where a question goes."""

import pytest

from dohproxy.cache import Cache
from dohproxy.config import CacheConfig
from dohproxy.routes import Route, Routes
from dohproxy.wire.name import from_text
from dohproxy.wire.query import parse_query
from tests.fakes.resolver import FakeResolver
from tests.fakes.walk import address_of, ask_for


def route(*, is_general: bool = False) -> Route:
    return Route(Cache(CacheConfig()), FakeResolver(lambda *_: None, address_of), is_general=is_general)


WORLD = route(is_general=True)
HOME, LAN, INTERN, REVERSE = route(), route(), route(), route()
ROUTES = Routes(
    WORLD,
    {
        from_text("home.arpa"): HOME,
        from_text("lan"): LAN,
        from_text("printer.lan"): HOME,
        from_text("intern.example.org"): INTERN,
        from_text("10.in-addr.arpa"): HOME,
        from_text("in-addr.arpa"): REVERSE,
        from_text("test"): LAN,
    },
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("home.arpa", HOME),
        ("a.b.home.arpa", HOME),
        ("HOME.ARPA", HOME),
        ("xhome.arpa", WORLD),
        ("lan", LAN),
        ("scanner.lan", LAN),
        ("printer.lan", HOME),
        ("tray.printer.lan", HOME),
        ("intern.example.org", INTERN),
        ("www.intern.example.org", INTERN),
        ("example.org", WORLD),
        ("org", WORLD),
        (".", WORLD),
        ("1.0.0.10.in-addr.arpa", HOME),
        ("4.3.2.1.in-addr.arpa", REVERSE),
        ("a.test", LAN),
    ],
)
def test_the_longest_domain_that_holds_a_name_has_it(name: str, expected: Route) -> None:
    assert ROUTES.of(parse_query(ask_for(name))) is expected


@pytest.mark.parametrize("name", ["1.1.168.192.in-addr.arpa", "168.192.in-addr.arpa", "1.0.0.127.in-addr.arpa"])
def test_a_special_zone_within_a_domain_is_none_of_it(name: str) -> None:
    assert ROUTES.of(parse_query(ask_for(name, 12))) is WORLD


def test_the_delegation_of_a_domain_is_its_parents() -> None:
    ds = 43
    assert ROUTES.of(parse_query(ask_for("intern.example.org", ds))) is WORLD
    assert ROUTES.of(parse_query(ask_for("sub.intern.example.org", ds))) is INTERN


def test_without_routes_everything_goes_the_ordinary_way() -> None:
    assert Routes(WORLD).of(parse_query(ask_for("home.arpa"))) is WORLD
