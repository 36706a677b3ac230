"""The figures of rules: what each would have done, and how it is held."""

from dohproxy.config import RulesConfig
from dohproxy.observability.rule_figures import RULE_FIGURES
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from tests.fakes.samples import samples_of


def test_each_rule_has_its_count_and_its_mode() -> None:
    switches = RuleSwitches(RulesConfig(client_limit="shadow", list_stub="off"))
    for _ in range(3):
        switches[Rule.CLIENT_LIMIT].acts()
    found = samples_of(RULE_FIGURES, switches.statistics())
    assert found["dohproxy_shadowed_total", ("client_limit",)] == 3
    assert found["dohproxy_shadowed_total", ("bans",)] == 0
    assert [found["dohproxy_rule_mode", ("client_limit", mode)] for mode in ("enforce", "shadow", "off")] == [0, 1, 0]
    assert [found["dohproxy_rule_mode", ("list_stub", mode)] for mode in ("enforce", "shadow", "off")] == [0, 0, 1]
    assert [found["dohproxy_rule_mode", ("bans", mode)] for mode in ("enforce", "shadow", "off")] == [1, 0, 0]
