"""Sends messages about alerts: starts the operator's command for each, and one of ours for the webhook.

Both are a process of their own: whatever hangs there, a name that is not resolved, a server that does not answer, is
killed after `alerts.message_seconds` and is in nobody's way here. They are started one after the other, without a
shell, with an environment that has nothing of ours but the message.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from dohproxy.config import AlertsConfig
from dohproxy.jobs import webhook
from dohproxy.observability.alert_messages import MessageCounts, MessageResult, Pacer, encoded, message_of
from dohproxy.observability.detectors.judgement import AlertEvent
from dohproxy.sharing.alert_claims import Claim

MOST_WAITING: Final = 32
"""Messages that wait while one is being sent: each kind of alert twice."""
END_SECONDS: Final = 2.0
"""For a program that was killed to be gone; one that the kernel cannot end is left to it."""
MOST_SAID: Final = 300
"""Bytes of what a command says on its standard error that are logged."""
LATER_SECONDS: Final = 3.0
"""Between two looks whether another node has sent what it was about to."""
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""Of the environment, what a script cannot do without; not what systemd says to the service alone."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_log = structlog.get_logger("dohproxy.alerts")


class Claims(Protocol):
    """Who knows which node is to send a message."""

    async def claim(self, message: Mapping[str, Any], seconds: float) -> Claim:
        """Claim a message that takes up to so many seconds to be sent."""

    async def conclude(self, message: Mapping[str, Any], *, is_sent: bool) -> None:
        """Say that a message was sent, or could not be."""


class AlertSender:
    """The line of messages, and whoever works it off."""

    def __init__(self, config: AlertsConfig, service: str) -> None:
        """`service` is the name that messages bear."""
        self._config = config
        self._service = service
        self._pacer = Pacer(config.repeat_seconds, config.messages_per_hour)
        self._line: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_WAITING)
        self._results: Counter[MessageResult] = Counter()
        self._node = ""
        self._claims: Claims | None = None

    def share(self, node: str, claims: Claims) -> None:
        """Leave to another node what it sends; `node` is the name of this one."""
        self._node, self._claims = node, claims

    def adopt(self, config: AlertsConfig, service: str) -> None:
        """Take another configuration; what waits goes where it says now."""
        self._config, self._service = config, service
        self._pacer.adopt(config.repeat_seconds, config.messages_per_hour)

    def tell(self, event: AlertEvent, wall: float) -> None:
        """Put a message about an event into the line; `wall` is now, in seconds of the epoch."""
        if not self._config.command and self._config.webhook is None:
            return
        dropped = self._pacer.judge(event)
        if dropped is None and self._line.full():
            dropped = MessageResult.QUEUE_FULL
        if dropped is not None:
            self._results[dropped] += 1
            return
        self._line.put_nowait(message_of(event, self._service, wall, self._node))

    def counts(self) -> MessageCounts:
        """Return what became of all messages."""
        return MessageCounts(dict(self._results), self._line.qsize(), MOST_WAITING)

    async def send_forever(self) -> None:
        """Send what is in the line, one message after the other."""
        while True:
            await self.send_one(await self._line.get())

    async def send_one(self, message: dict[str, Any]) -> None:
        """Send one message by every way that is configured, if no other node does."""
        if self._claims is None:
            await self._send(message)
            return
        ways = bool(self._config.command) + (self._config.webhook is not None)
        claim = await self._claims.claim(message, ways * (self._config.message_seconds + END_SECONDS))
        if claim is Claim.SENT:
            self._results[MessageResult.SENT_ELSEWHERE] += 1
        elif claim is Claim.LATER:
            asyncio.get_running_loop().call_later(LATER_SECONDS, self._ask_again, message)
        else:
            await self._claims.conclude(message, is_sent=await self._send(message))

    def _ask_again(self, message: dict[str, Any]) -> None:
        if self._line.full():
            self._results[MessageResult.QUEUE_FULL] += 1
        else:
            self._line.put_nowait(message)

    async def _send(self, message: Mapping[str, Any]) -> bool:
        """Return whether the message has reached somebody."""
        config, results = self._config, []
        if config.command:
            results.append(await self._send_by("command", config.command, message, {}))
        if config.webhook is not None:
            # By its file: it needs nothing of this program, and so starts in the time of a bare interpreter. The URL
            # is no argument, as those are everybody's to see.
            program = (sys.executable, "-I", str(Path(webhook.__file__).with_suffix(".py")))
            more = {webhook.URL: config.webhook, webhook.SECONDS: str(config.message_seconds)}
            results.append(await self._send_by("webhook", program, message, more))
        return any(results)

    async def _send_by(
        self, way: str, program: Sequence[str], message: Mapping[str, Any], more: dict[str, str]
    ) -> bool:
        result, said = await run(program, message, more, self._config.message_seconds)
        self._results[result] += 1
        if result is not MessageResult.SENT:
            _log.error("an alert was not sent", way=way, result=result.value, said=said, alert=message["alert"])
        return result is MessageResult.SENT


async def run(
    program: Sequence[str], message: Mapping[str, Any], more: dict[str, str], seconds: float
) -> tuple[MessageResult, str]:
    """Start a program with a message on its standard input; return what became of it, and why.

    It and all that it has started are killed when the time is over, or when this is cancelled.
    """
    try:
        with in_memory(encoded(message)) as standard_input:
            process = await asyncio.create_subprocess_exec(
                *program,
                stdin=standard_input,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env=environment(os.environ, message) | more,
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        return MessageResult.FAILED, f"cannot be started: {error}"
    try:
        async with asyncio.timeout(seconds):
            said = await _hear(process)
            code = await process.wait()
    except TimeoutError:
        return MessageResult.TIMED_OUT, f"not done after {seconds:g} s"
    finally:
        await _end(process)
    if code == 0:
        return MessageResult.SENT, ""
    return MessageResult.FAILED, f"exit code {code}: {said}"


@contextlib.contextmanager
def in_memory(content: bytes) -> Iterator[int]:
    """Give the descriptor of a file without a name, in memory, that holds this: who reads it waits for nobody, and who
    does not keeps nobody waiting, as a pipe would."""
    descriptor = os.memfd_create("alert")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def environment(ours: Mapping[str, str], message: Mapping[str, Any]) -> dict[str, str]:
    """Return what a command finds in its environment: what no script can do without, and the message's fields, for
    those that do not read JSON."""
    kept = {name: ours[name] for name in _KEPT if name in ours}
    fields = {f"DOHPROXY_{name.upper()}": str(value) for name, value in message.items()}
    return {"PATH": _PATH} | kept | fields


async def _hear(process: asyncio.subprocess.Process) -> str:
    """Return the beginning of what is said on standard error; the rest is thrown away."""
    said = b""
    while process.stderr is not None and (part := await process.stderr.read(4_096)):
        said += part[: MOST_SAID - len(said)]
    return said.decode(errors="replace").strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a program that still runs, and all that it has started."""
    if process.returncode is None:
        # Its number is still its own, as nobody has taken notice of its end.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # What it has started may have left its group and hold the pipe: before Python 3.12 nobody is told of the end of a
    # process whose pipes are open, and the transport would be left to the garbage collector.
    process._transport.close()  # type: ignore[attr-defined]  # there is no other way to say so
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
