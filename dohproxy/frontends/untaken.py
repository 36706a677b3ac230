"""Since when a client has not taken what was written to it.

Somebody looks now and then. Who is written to faster than its line carries always has something waiting, though it
takes all it can; so what counts is how long the oldest byte has waited, and not how long there has been any.
"""


class Untaken:
    """What is known of one connection."""

    __slots__ = ("_since", "_written_then", "written")

    def __init__(self) -> None:
        self.written = 0
        """Bytes written in all, by whoever writes them. TLS makes a few more of them, never fewer."""
        self._since: float | None = None
        self._written_then = 0
        """What had been written by then."""

    def since(self, queued: int, now: float) -> float | None:
        """Return the instant by which the oldest of the `queued` bytes had been written; None if there are none."""
        if not queued:
            self._since = None
        elif self._since is None or self.written - self._written_then >= queued:
            # More has been written since then than waits: so all is gone that waited then.
            self._since, self._written_then = now, self.written
        return self._since
