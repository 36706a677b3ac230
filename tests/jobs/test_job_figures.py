"""The figures of what runs in the background."""

from pathlib import Path

from dohproxy.config import BlocklistConfig
from dohproxy.jobs.blocklist_watch import BlocklistWatch
from dohproxy.jobs.job_figures import BLOCKLIST_FIGURES, HAND_BLOCK_FIGURES, KERNEL_BAN_FIGURES, SUFFIX_FIGURES
from dohproxy.jobs.kernel_bans import KernelBansStatistics
from dohproxy.jobs.suffix_watch import ListResult, SuffixStatistics
from dohproxy.policy.blocklists.by_hand import MOST_ENTRIES
from dohproxy.policy.blocklists.lists import Blocklists
from dohproxy.policy.blocklists.reading import MOST_NAMES
from dohproxy.policy.kernel_drops import LeftOut
from dohproxy.wire.name import from_text
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


def test_what_a_blocklist_holds_and_withholds_stands_beside_its_bounds() -> None:
    blocklists = Blocklists()
    config = BlocklistConfig("ads", file=Path("/nowhere"), names=("a.example", "b.example"))
    watch = BlocklistWatch((config,), blocklists, lambda: None, 0.0)
    found = blocklists.find(from_text("a.example"))
    assert found is not None
    found.count()
    assert samples_of(BLOCKLIST_FIGURES, watch.statistics(0.0)) == {
        ("dohproxy_blocklist_hits_total", ("ads",)): 1,
        ("dohproxy_blocklist_shadowed_total", ("ads",)): 0,
        ("dohproxy_blocklist_names", ("ads",)): 2,
        ("dohproxy_blocklist_max_names", ("ads",)): MOST_NAMES,
        ("dohproxy_blocklist_networks", ("ads",)): 0,
        ("dohproxy_blocklist_bytes", ("ads",)): blocklists.lists[0].loaded.held_bytes,
        ("dohproxy_blocklist_bad_lines", ("ads",)): 0,
        ("dohproxy_blocklist_loaded_seconds", ("ads",)): 0,
        ("dohproxy_blocklist_last_load_success", ("ads",)): 0,
    }
    assert samples_of(HAND_BLOCK_FIGURES, blocklists.by_hand) == {
        ("dohproxy_blocks_by_hand_hits_total", ()): 0,
        ("dohproxy_blocks_by_hand", ()): 0,
        ("dohproxy_max_blocks_by_hand", ()): MOST_ENTRIES,
    }


def test_what_the_kernel_drops_stands_beside_its_bound() -> None:
    statistics = KernelBansStatistics(
        is_connected=True,
        networks=3,
        max_networks=65_536,
        left_out=dict.fromkeys(LeftOut, 4),
        told=5,
        refused=6,
        packets=7,
        failures=8,
    )
    expected: dict[tuple[str, tuple[str, ...]], float] = {
        ("dohproxy_kernel_bans_connected", ()): 1,
        ("dohproxy_kernel_bans", ()): 3,
        ("dohproxy_max_kernel_bans", ()): 65_536,
        **{("dohproxy_kernel_bans_left_out", (reason.value,)): 4 for reason in LeftOut},
        ("dohproxy_kernel_bans_told_total", ()): 5,
        ("dohproxy_kernel_bans_refused_total", ()): 6,
        ("dohproxy_kernel_bans_packets_total", ()): 7,
        ("dohproxy_kernel_bans_failures_total", ()): 8,
    }
    assert samples_of(KERNEL_BAN_FIGURES, statistics) == expected
