"""Against forged replies over UDP: what a packet must show to be taken for the reply to a query.

Address and port are the socket's matter. Here it is the ID and the question (RFC 5452), and where the upstream is known
for it the case of the name and our cookie. What lacks any of it is ignored and the wait goes on: to fall back on
anything at the first bad packet would hand the forger a switch (TuDoor).

An error may come without a question (Unbound refuses so whom it does not know), and then has but ID and port to show.
That is enough where nothing more is known to come. Elsewhere it is waited past as anything unproven is; if nothing
better comes the question goes over TCP, and it is a suspicion that a probe has to clear up.
"""

from collections.abc import Callable
from typing import Final

from dohproxy.config.additions import Addition
from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.spoofing.case import Case0x20
from dohproxy.upstream.spoofing.cookies import Cookies
from dohproxy.upstream.spoofing.echo_support import EchoState
from dohproxy.upstream.statistics import DefenceStatistics
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.upstream.workarounds.workarounds import OVER_UDP, Workarounds, write_query
from dohproxy.wire.answer import Answer, UpstreamReply, parse_reply
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.matching import is_reply_to, is_reply_without_question, repeats_case
from dohproxy.wire.name import letters_in
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.upstream_query import upstream_question

MOST_READ_IN_VAIN: Final = 65_536
"""Bytes of replies to one query that may turn out to be of no use; whoever goes beyond that has ended its wait. Two of
the largest do so, or a hundred small ones. Only who sees our queries, or the upstream, gets so far."""
PACKET_BYTES: Final = 512
"""What reading a packet costs besides its bytes, in bytes."""


class Defences:
    """What one upstream's replies have to show. `draw` returns so many random bytes; `workarounds` are the upstream's
    over UDP."""

    def __init__(self, draw: Callable[[int], bytes], workarounds: Workarounds | None = None) -> None:
        self.workarounds = Workarounds(OVER_UDP) if workarounds is None else workarounds
        self.casing = Case0x20()
        self.cookies = Cookies(draw)
        self.ignored_packets = 0
        """Datagrams from the upstream's address that were no reply to our query, or could not be read."""
        self.wrong_case = 0
        self.wrong_cookie = 0
        self._draw = draw

    def begin(self, query: Query, own_address: str, now: float, additions: Additions | None = None) -> "Wait":
        """Return the wait for the reply to `query`, sent from `own_address` with these `additions`, or what the
        upstream can stand."""
        wanted = self.workarounds.in_use if additions is None else additions
        question = upstream_question(query)
        drawn = self._draw(2 + len(question))
        spelled = self.casing.spell(question, drawn[2:], now) if Addition.CASE in wanted else question
        cookie = self.cookies.option(own_address, now) if Addition.COOKIE in wanted else b""
        # What is really in this query: a name may have no letters, or have been drawn in lower case.
        added = wanted if spelled != question else wanted - {Addition.CASE}
        added = added if cookie else added - {Addition.COOKIE}
        return Wait(self, query, int.from_bytes(drawn[:2]), spelled, cookie, added)

    def statistics(self, now: float) -> DefenceStatistics:
        """Return a snapshot at `now`."""
        return DefenceStatistics(
            wrong_case=self.wrong_case,
            wrong_cookie=self.wrong_cookie,
            checks_case=self.casing.echo_support.state(now) is EchoState.ESTABLISHED,
            checks_cookies=self.cookies.echo_support.state(now) is EchoState.ESTABLISHED,
        )


class Wait:
    """One query as it is sent, and the packets that come while its reply is waited for."""

    def __init__(
        self,
        defences: Defences,
        query: Query,
        identifier: int,
        question: bytes,
        cookie: bytes,
        added: Additions,
    ) -> None:
        self.wire = write_query(query, identifier, added, question=question, cookie=cookie)
        """What to send."""
        self._added = added
        self._defences = defences
        self._query = query
        self._identifier = identifier
        self._question = question
        self._cookie = cookie
        self._had_unreadable_reply = False
        self._had_wrong_case = False
        self._had_wrong_cookie = False
        self._was_silent = False
        self._read_in_vain = 0
        self._unproven: Answer | None = None
        """The last reply without a question that had too little to show."""

    def take(self, packet: bytes, now: float) -> Answer | SendStatus | None:
        """Return the answer if `packet` is the reply; None: it is counted, and the wait goes on. A Result: too much has
        been read in vain, and the wait is over before its time."""
        answer = self._take(packet, now)
        if answer is not None:
            return answer
        self._defences.ignored_packets += 1
        if self._read_in_vain <= MOST_READ_IN_VAIN:
            return None
        # Nothing is concluded of the upstream's ways: its own reply may have been on its way.
        is_doubtful = self._had_wrong_case or self._had_wrong_cookie or self._unproven is not None
        return SendStatus.UNPROVEN if is_doubtful else SendStatus.UNUSABLE

    def result(self, now: float) -> Unproven | SendStatus:
        """Say what it means that the time is over, and once more if the wait went on for what is late."""
        result = self._result(now)
        if result is not SendStatus.TIMEOUT or not self._was_silent:
            self._defences.workarounds.heard(self._added, result, now)
        self._was_silent = result is SendStatus.TIMEOUT
        return result

    def _result(self, now: float) -> Unproven | SendStatus:
        if self._had_wrong_case:
            self._defences.casing.echo_support.missed(self._query.qname, now)
        if self._had_wrong_cookie:
            self._defences.cookies.echo_support.missed(self._query.qname, now)
        if self._unproven is not None:
            return self._doubt(self._unproven, now)
        if self._had_wrong_case or self._had_wrong_cookie:
            return SendStatus.UNPROVEN
        return SendStatus.UNUSABLE if self._had_unreadable_reply else SendStatus.TIMEOUT

    def _take(self, packet: bytes, now: float) -> Answer | None:
        if not is_reply_to(packet, self._identifier, self._question):
            is_bare = is_reply_without_question(packet, self._identifier)
            return self._take_without_question(packet, now) if is_bare else None
        has_our_case = repeats_case(packet, self._question)
        if not self._defences.casing.may_be_reply(now, has_our_case=has_our_case):
            self._had_wrong_case = True
            self._defences.wrong_case += 1
            return None
        reply = self._read(packet)
        return None if reply is None else self._take_reply(reply, now, has_our_case=has_our_case)

    def _read(self, packet: bytes) -> UpstreamReply | None:
        self._read_in_vain += len(packet) + PACKET_BYTES
        try:
            return parse_reply(packet, self._query, is_datagram=True)
        except Malformed:
            self._had_unreadable_reply = True
            return None

    def _take_without_question(self, packet: bytes, now: float) -> Answer | None:
        reply = self._read(packet)
        if reply is None:
            return None
        cookies = self._defences.cookies
        cookie = None if reply.edns is None else reply.edns.cookie
        if cookie is None or not self._cookie:
            is_proven = not self._is_more_expected(now)
        else:
            is_proven = cookies.may_be_reply(self._cookie, cookie, now)
        if not is_proven:
            self._unproven = reply.answer
            return None
        cookies.learn(self._cookie, cookie, now)
        self._defences.workarounds.heard(self._added, reply.answer, now)
        return reply.answer

    def _doubt(self, said: Answer, now: float) -> Unproven | SendStatus:
        """Say what it means that nothing better came than this, without a question."""
        if said.truncated:
            return SendStatus.UNPROVEN
        if said.rcode in (Rcode.FORMERR, Rcode.NOTIMP):
            # A refusal says nothing about case and cookie, which have no place in it; a complaint about our message
            # may well be about these.
            for echo_support in (self._defences.casing.echo_support, self._defences.cookies.echo_support):
                if echo_support.state(now) is EchoState.ESTABLISHED:
                    echo_support.missed(self._query.qname, now)
        return Unproven(said)

    def _is_more_expected(self, now: float) -> bool:
        """Tell whether this upstream is known to show in its replies to such a query what no forger can guess."""
        shows_case = letters_in(self._query.qname) > 0
        return (shows_case and not self._defences.casing.may_be_reply(now, has_our_case=False)) or (
            not self._defences.cookies.may_be_reply(self._cookie, None, now)
        )

    def _take_reply(self, reply: UpstreamReply, now: float, *, has_our_case: bool) -> Answer | None:
        defences = self._defences
        cookie = None if reply.edns is None else reply.edns.cookie
        if not defences.cookies.may_be_reply(self._cookie, cookie, now):
            self._had_wrong_cookie = True
            defences.wrong_cookie += 1
            return None
        defences.casing.learn(self._question, now, has_our_case=has_our_case)
        defences.cookies.learn(self._cookie, cookie, now)
        defences.workarounds.heard(self._added, reply.answer, now)
        return reply.answer
