"""The rules about names are built from their section, and change their list together."""

from dataclasses import replace

from dohproxy.config import NamesConfig
from dohproxy.policy.suffixes import PublicSuffixes
from dohproxy.wire.name import from_text
from dohproxy.wire.query import parse_query
from tests.fakes.walk import CLIENT, ask_for, names

NOW = 1_000.0
FEW = NamesConfig(
    domain_misses_per_second=1,
    domain_misses_burst=3,
    domain_failures_per_second=1,
    domain_failures_burst=1,
    exempt_domains=("www.example.org",),
)


def test_the_numbers_of_the_section_are_in_force() -> None:
    rules = names(FEW)
    for domain, failed, most in (("example.net", False, 3), ("example.com", True, 1), ("example.org", True, 100)):
        qname = from_text(f"www.{domain}")
        admitted = 0
        while admitted < 100 and rules.domains.admit(qname, CLIENT, NOW):
            rules.domains.charge(qname, NOW, failed=failed)
            admitted += 1
        assert admitted == most


def test_a_new_list_reaches_every_rule() -> None:
    rules = names(replace(FEW, exempt_domains=()))
    query = parse_query(ask_for("www.example.net"))
    assert rules.undelegated.answer(query) is None
    rules.use(PublicSuffixes({from_text("example.com"): 1}, frozenset({from_text("com")}), 0.0), may_deny=True)
    assert rules.undelegated.answer(query) is not None
    rules.domains.charge(from_text("a.one.example.com"), NOW, failed=True)
    assert rules.domains.admit(from_text("a.two.example.com"), CLIENT, NOW)
