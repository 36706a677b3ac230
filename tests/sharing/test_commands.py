"""Who asks the store is told once."""

from dohproxy.sharing.commands import Asked, Reply, Script, StoreFailure


class Timer:
    """Is cancelled, or not."""

    is_cancelled = False

    def cancel(self) -> None:
        """Note it."""
        self.is_cancelled = True


def test_who_asks_is_told_once_and_the_clock_is_stopped() -> None:
    told: list[Reply] = []
    asked = Asked(told.append)
    asked.timer = timer = Timer()
    asked.end(b"first")
    asked.end(StoreFailure.DOWN)
    assert told == [b"first"]
    assert timer.is_cancelled
    assert not asked.is_waited_for


def test_who_has_given_up_is_told_nothing() -> None:
    told: list[Reply] = []
    asked = Asked(told.append)
    asked.timer = timer = Timer()
    asked.stop()
    asked.end(b"late")
    assert told == []
    assert timer.is_cancelled


def test_a_script_is_named_by_its_digest_or_told_whole() -> None:
    script = Script("return 1")
    assert script.command(["k"], [7]) == ("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 1, "k", 7)
    assert script.whole(["k"], [7]) == ("EVAL", "return 1", 1, "k", 7)
