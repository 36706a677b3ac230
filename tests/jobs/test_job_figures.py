"""The figures of what runs in the background."""

from dohproxy.jobs.job_figures import SUFFIX_FIGURES
from dohproxy.jobs.suffix_watch import ListResult, SuffixStatistics
from tests.fakes.samples import samples_of


def test_the_age_of_the_list_stands_beside_its_bound() -> None:
    statistics = SuffixStatistics(100.0, 200.0, 10_397, 1_448, True, dict.fromkeys(ListResult, 2), False)
    expected: dict[tuple[str, tuple[str, ...]], float] = {
        ("dohproxy_suffix_list_age_seconds", ()): 100,
        ("dohproxy_suffix_list_max_age_seconds", ()): 200,
        ("dohproxy_suffix_list_rules", ()): 10_397,
        ("dohproxy_suffix_list_top_level_domains", ()): 1_448,
        ("dohproxy_suffix_list_denies", ()): 1,
        **{("dohproxy_suffix_list_reloads_total", (result.value,)): 2 for result in ListResult},
        ("dohproxy_suffix_list_last_reload_success", ()): 0,
    }
    assert samples_of(SUFFIX_FIGURES, statistics) == expected
