"""The listeners for scrapers and commands come up beside the service, which has its turns meanwhile."""

import sys
import threading

import pytest

from dohproxy.control.management import IMPORT_TURN_SECONDS, import_in_turns, import_servers


def test_a_thread_that_imports_keeps_nobody_waiting_for_long_and_nothing_of_it_stays() -> None:
    usual = sys.getswitchinterval()
    seen: list[float] = []
    thread = threading.Thread(target=import_in_turns, args=[lambda: seen.append(sys.getswitchinterval())])
    thread.start()
    thread.join()
    assert seen == [pytest.approx(IMPORT_TURN_SECONDS)]
    assert sys.getswitchinterval() == usual


def test_a_bug_in_it_leaves_the_turns_as_they_were() -> None:
    usual = sys.getswitchinterval()

    def fail() -> None:
        raise ImportError

    with pytest.raises(ImportError):
        import_in_turns(fail)
    assert sys.getswitchinterval() == usual


def test_what_the_servers_need_is_there_afterwards() -> None:
    import_servers(with_metrics=True)
    assert {"dohproxy.control.management_server", "dohproxy.control.metrics_page", "dohproxy.control.server"} <= set(
        sys.modules
    )
