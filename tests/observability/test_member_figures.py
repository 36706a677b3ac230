"""The figures of members' questions: what the books say, as Prometheus has it."""

from prometheus_client import generate_latest

from dohproxy.observability.exposition import Exposition
from dohproxy.observability.member_figures import MEMBER_QUESTION_FIGURES
from dohproxy.outcomes import Reason
from dohproxy.policy.member_books import MemberBooks
from tests.fakes.samples import registry_of, samples_of


def test_questions_failures_and_how_long_answers_took_are_told() -> None:
    books = MemberBooks()
    for reason, seconds in ((Reason.FORWARDED, 0.02), (Reason.FORWARDED, 0.3), (Reason.UPSTREAM_TIMEOUT, 5.0)):
        books.note(reason, seconds)
    samples = samples_of(MEMBER_QUESTION_FIGURES, books.statistics())
    assert samples["dohproxy_member_questions_total", ()] == 3
    assert samples["dohproxy_member_failures_total", ()] == 1
    text = generate_latest(Exposition(registry_of(MEMBER_QUESTION_FIGURES, books.statistics()))).decode()
    assert 'dohproxy_member_answer_seconds_bucket{le="0.025"} 1.0' in text
    assert 'dohproxy_member_answer_seconds_bucket{le="+Inf"} 2.0' in text
    assert "dohproxy_member_answer_seconds_sum 0.32" in text
