"""What cannot be tried on the compiled form, and why: the only place that leaves tests out of `make test-native`.

Compiled code has bound its names and laid out its classes for good, and no tracer sees it. So what stands here measures
the code itself, by its lines, its looks or its attributes, or replaces what is part of the program. Everything else
reaches what it needs by what it passes: a stand-in for the upstreams, a clock, settings, something that is broken.

What a test patches in a compiled module has no effect there; it then runs with the numbers of the service.
"""

from collections.abc import Mapping
from typing import Final

_LINES: Final = "counts lines of Python as they run"
_LOOKS: Final = "counts how often a byte is looked at, which compiled code does without its method"
_ATTRIBUTES: Final = "looks through all attributes of an object, which a compiled one does not list"
_SERVICE: Final = "has another class in the place of the service behind a frontend"
_PROGRAM: Final = "puts another rule in the place of one that is part of the program"
_NUMBERS: Final = "has a smaller number in the place of a constant, as a list of two million takes its time"
_BUG: Final = "puts a bug into what is part of the program"
_DERIVED: Final = "counts by a class derived from a compiled one, which cannot be derived from"
_NOTHING: Final = "has nothing in the place of what a request came with, where a compiled class wants that"
_KERNEL: Final = "says in the kernel's place that nothing has arrived"

_RULES: Final = "tests/test_pipeline_rules_version.py::test_a_rule_acts_on_the_next_request_after_a_hundred_cached_ones"
_TARGETS: Final = "tests/fuzz/test_targets.py::test_a_target_holds_on"
ONLY_INTERPRETED: Final[Mapping[str, str]] = {
    "tests/cache/test_lru.py::test_each_key_by_recency_takes_as_few_steps_however_many_there_are": _LINES,
    "tests/fuzz/test_targets.py::test_the_coverage_of_a_target_is_told": _LINES,
    "tests/wire/test_cost.py::test_an_ordinary_record_takes_two_looks": _LOOKS,
    "tests/http2/test_connection_fuzzed.py::test_what_an_engine_keeps_is_measured": _ATTRIBUTES,
    "tests/http2/test_connection_limits.py::test_a_stream_that_ended_leaves_nothing_behind": _ATTRIBUTES,
    "tests/observability/test_front_proxy.py::test_no_address_is_kept": _ATTRIBUTES,
    "tests/http1/test_connection_fuzzed.py"
    "::test_the_frontend_answers_each_request_of_odd_traffic_once_and_in_order": _SERVICE,
    **{
        f"{_TARGETS}_{what}[{frontend}]": _SERVICE
        for what in ("its_own_seeds", "the_seeds_of_all_others", "our_own_packets", "foreign_packets")
        for frontend in ("http1", "dot")
    },
    **{
        f"{_RULES}[{stage}-{protocol}]": _PROGRAM
        for stage in ("parse", "refused questions", "local answers", "probes")
        for protocol in ("http1", "http2")
    },
    **{
        f"tests/frontends/dot/test_connection_flow.py::test_{what}": _SERVICE
        for what in (
            "no_query_is_begun_while_large_answers_wait_for_their_client",
            "all_are_answered_as_their_client_takes_them",
            "answers_that_come_while_nothing_is_taken_wait_unwritten_and_are_accounted_for",
            "no_more_than_may_be_in_flight_can_bring_answers_beyond_the_bound",
            "who_takes_nothing_is_cut_after_its_deadline_and_who_takes_what_it_can_is_not",
            "draining_answers_what_has_been_read_whole_and_nothing_behind_it",
            "draining_waits_for_the_message_that_has_begun_and_for_nothing_behind_it",
            "a_connection_that_has_had_its_queries_answers_those_that_had_come_with_the_last",
        )
    },
    **{
        f"tests/frontends/test_misses.py::test_{what}": _NOTHING
        for what in (
            "a_miss_that_is_left_gives_back_its_slot_and_stops_its_work_once",
            "a_miss_that_was_answered_while_it_was_asked_for_leaves_nothing_to_be_stopped",
            "a_miss_for_which_nothing_is_asked_upstream_gives_back_its_slot_alone",
        )
    },
    "tests/sharing/test_hand_words.py::test_where_there_is_no_room_for_a_name_that_is_said": _NUMBERS,
    "tests/frontends/dot/test_connection.py::test_a_bug_ends_the_connection_and_no_other": _BUG,
    "tests/frontends/dot/test_connection.py::test_a_bug_is_told_to_each_under_the_name_it_asked_for": _BUG,
    "tests/test_runtime_members.py::test_a_token_stands_in_no_log_no_figure_no_explanation_and_no_file": _BUG,
    "tests/jobs/test_kernel_bans.py::test_what_is_spared_is_put_in_order_only_when_it_is_another": _DERIVED,
    "tests/policy/blocklists/test_reading.py::test_a_list_holds_no_more_names_than_it_may": _NUMBERS,
    "tests/policy/blocklists/test_reading.py::test_a_list_holds_no_more_networks_than_it_may": _NUMBERS,
    "tests/upstream/transports/test_stream.py"
    "::TestLateReplies::test_where_nothing_arrives_there_is_nothing_to_wait_for": _KERNEL,
}
"""Why each of them is left out, by what pytest calls a test; without parameters it stands for all of them."""


def reason(node_id: str) -> str | None:
    """Return why a test can only be run on the source, None if it runs on the compiled form too."""
    return ONLY_INTERPRETED.get(node_id) or ONLY_INTERPRETED.get(node_id.partition("[")[0])
