"""[resolver]: how a question is carried to the upstreams."""

from dataclasses import dataclass
from typing import Annotated, Literal

from dohproxy.config.keys import Choice, Integer, Number


@dataclass(frozen=True, slots=True)
class ResolverConfig:
    """How a question is carried to the upstreams."""

    choice: Annotated[
        Literal["ordered", "fastest"],
        Choice(
            ("ordered", "fastest"),
            "ordered asks the first upstream of the file that is well; fastest prefers the one that has been"
            " answering soonest.",
        ),
    ] = "ordered"
    deadline_seconds: Annotated[
        float,
        Number(
            0.5,
            30,
            "seconds",
            "From the arrival of a question to the last moment of its answer, all attempts together. A stub"
            " waits 5 by default (resolv.conf(5)), so a later answer is for nobody.",
        ),
    ] = 5
    attempt_seconds: Annotated[
        float,
        Number(
            0.1,
            10,
            "seconds",
            "Before another attempt is made, so that three fit in the deadline. Nearly all answers of a recursive"
            " resolver come within 1; a later one still counts, and one that is slow is given more time by itself.",
        ),
    ] = 1.5
    max_sends: Annotated[
        int,
        Integer(
            1,
            3,
            "sends",
            "Times one question may go out, over all upstreams and transports: RFC 9520 section 3.1 allows"
            " three to one server, and a guest asks no more in all.",
        ),
    ] = 3
    budget_wait_seconds: Annotated[
        float,
        Number(
            0,
            5,
            "seconds",
            "How long a question may wait for its turn while all budgets are spent, in order: members, then networks by"
            " how long they have been asking here, those that ask little first. No more wait than can be served in it;"
            " just under the 2 after which many stubs ask again.",
        ),
    ] = 1.5
    waiters_per_query: Annotated[
        int,
        Integer(
            1,
            10_000,
            "clients",
            "Clients that may share one question under way; BIND's clients-per-query ends at 100. Further ones get"
            " something stale; where there is nothing, as many again wait for budget_wait_seconds, and who comes then"
            " is told to come back (503).",
        ),
    ] = 100
