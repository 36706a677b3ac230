"""How the operator's page is used, beside its bounds."""

from dohproxy.control.console.console_figures import CONSOLE_FIGURES, ConsoleStatistics
from dohproxy.control.console.live import MOST_VIEWERS
from dohproxy.control.console.sessions import MOST_SESSIONS, LoginResult
from tests.fakes.samples import samples_of


def test_viewers_and_logins_stand_beside_their_bounds() -> None:
    results = {LoginResult.DONE: 3, LoginResult.WRONG: 1, LoginResult.TOO_MANY: 0}
    assert samples_of(CONSOLE_FIGURES, ConsoleStatistics(2, 1, results)) == {
        ("dohproxy_console_viewers", ()): 2,
        ("dohproxy_max_console_viewers", ()): MOST_VIEWERS,
        ("dohproxy_console_sessions", ()): 1,
        ("dohproxy_max_console_sessions", ()): MOST_SESSIONS,
        ("dohproxy_console_logins_total", ("done",)): 3,
        ("dohproxy_console_logins_total", ("wrong",)): 1,
        ("dohproxy_console_logins_total", ("too_many",)): 0,
    }
