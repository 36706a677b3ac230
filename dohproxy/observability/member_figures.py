"""The figures of how members fare, beside those of everybody: what of theirs only an upstream could answer."""

from typing import Final

from dohproxy.observability.figures import Figure, FigureGroup, Kind, Unit, counter, distribution
from dohproxy.policy.member_books import BOUNDS, MemberStatistics

MEMBER_QUESTION_FIGURES: Final = FigureGroup[MemberStatistics](
    "Members' questions beyond the cache",
    (
        counter(
            "member_questions",
            "Questions of members that the cache had no fresh answer to.",
            lambda members: members.questions,
        ),
        counter("member_failures", "Of these, those that came to nothing.", lambda members: members.failures),
        Figure(
            "member_answer_seconds",
            "From a member's question to its answer, where an upstream gave it.",
            Kind.HISTOGRAM,
            Unit.SECONDS,
            lambda members: {(): distribution(BOUNDS, members.seconds, members.total_seconds)},
        ),
    ),
)
