"""[log]: what is written."""

from dataclasses import dataclass
from typing import Annotated, Literal

from dohproxy.config.keys import Choice, Number


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is written. No client address and no name is, at any level."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Choice(("debug", "info", "warning", "error"), "The least important kind of message written."),
    ] = "info"
    format: Annotated[
        Literal["text", "json"],
        Choice(("text", "json"), "text for people and journald, json (one object a line) for collectors."),
    ] = "text"
    lines_per_second: Annotated[
        float,
        Number(
            0.1,
            1000,
            "lines a second",
            "For each kind of message, the rest is counted: CVE-2025-69230 was a flood of log lines that any"
            " client could start.",
        ),
    ] = 10
