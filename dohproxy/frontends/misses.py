"""The misses of one connection: each has its slot, and what can be stopped of the work for it, until it is answered or
nobody waits for it any more."""

from dohproxy.exits import Miss
from dohproxy.upstream.sends import Stoppable


class Misses:
    """Those that wait, by numbers of their connection's own."""

    __slots__ = ("_asked", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[int, Miss] = {}
        """From the request to the response."""
        self._asked: dict[int, Stoppable] = {}
        """What those wait for that have been asked upstream."""

    def note_asked(self, number: int, asked: Stoppable | None) -> None:
        """Remember what a miss waits for, if it still does: it may have been answered while it was asked for."""
        if asked is not None and number in self.waiting:
            self._asked[number] = asked

    def leave(self, number: int) -> None:
        """The work for an answer has ended, whichever way: its slot is free. Nothing happens if it had before."""
        miss = self.waiting.pop(number, None)
        if miss is not None:
            miss.slot.give_back()
        asked = self._asked.pop(number, None)
        if asked is not None:
            asked.stop()
