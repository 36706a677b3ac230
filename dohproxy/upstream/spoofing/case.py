"""0x20: each letter of a name sent over UDP is drawn in upper or lower case (draft-vixie-dnsext-dns0x20).

Servers copy the question into the reply, so the case is a bit for each letter that a forger has to guess beside port
and ID. The DNS itself does not care for case (RFC 4343), and a few servers change it; what they do is found out with
the first replies.
"""

from typing import Final

from dohproxy.upstream.spoofing.echo_support import EchoState, EchoSupport
from dohproxy.wire.name import letters_in, vary_case

TELLING_LETTERS: Final = 8
"""A name with so many letters is a proof when its echo has our case: an upstream with a case of its own hits ours once
in 256 times."""


class Case0x20:
    """The case of names towards one upstream."""

    def __init__(self) -> None:
        self.echo_support = EchoSupport()

    def spell(self, question: bytes, noise: bytes, now: float) -> bytes:
        """Return the lower-case `question` as it is to be sent; `noise` is as many random bytes."""
        if self.echo_support.state(now) is EchoState.GIVEN_UP:
            return question
        return vary_case(question[:-4], noise[:-4]) + question[-4:]

    def may_be_reply(self, now: float, *, has_our_case: bool) -> bool:
        """Tell whether a reply that is right in all else, its case or not, can be the upstream's."""
        return has_our_case or self.echo_support.state(now) is not EchoState.ESTABLISHED

    def learn(self, sent: bytes, now: float, *, has_our_case: bool) -> None:
        """Learn from the accepted reply to the question `sent`, as spelled."""
        qname = sent[:-4]
        if not has_our_case:
            self.echo_support.give_up(now)
        elif qname != qname.lower() and letters_in(qname.lower()) >= TELLING_LETTERS:
            self.echo_support.shown(now)
