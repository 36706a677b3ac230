"""Our own scenarios of a caching client: what a server says from when on, who asks, what they get, how time passes.

They are written as things that happen one after the other and become what the foreign ones are when they are read.
"""

import itertools
from dataclasses import dataclass, field
from typing import Final

from tests.scenarios.replay import Entry, Range, Scenario, Step

SERVER: Final = "192.0.2.53"
SOA: Final = "example.com. 1800 IN SOA ns.example.com. hostmaster.example.com. 1 7200 3600 1209600 600"
FIRST, SECOND = "www.example.com. 3600 IN A 192.0.2.1", "www.example.com. 3600 IN A 192.0.2.2"
ADDRESS: Final = "www.example.com. IN A"
ABSENT: Final = "absent.example.com. IN TXT"
PROOF: Final = "a.example.com. 3600 IN NSEC b.example.com. A RRSIG NSEC"


@dataclass(frozen=True, slots=True)
class Message:
    """Flags and rcode, and records: answers, and others by the name of their section."""

    words: str
    answers: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()

    def entry(self, question: str, *match: str) -> Entry:
        """The message, about this question."""
        sections = {
            "QUESTION": [question], "ANSWER": [*self.answers], "AUTHORITY": [*self.authority], "ADDITIONAL": [],
        }  # fmt: skip
        return Entry(frozenset(match), frozenset(self.words.split()), sections)


@dataclass(frozen=True, slots=True)
class Server:
    """From now on it says this, and to who sets a flag, something else; nothing: it is out of reach."""

    message: Message | None
    to: dict[str, Message] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody asks, and gets this."""

    flags: str
    expected: Message
    question: str | None = None
    """If it is not that of the scenario."""


def play(question: str, *happenings: Server | Ask | int) -> Scenario:
    """Return the scenario; a number is seconds that pass."""
    scenario = Scenario([], [])
    for number, happening in enumerate(happenings, start=1):
        match happening:
            case int():
                scenario.steps.append(Step(2 * number, "TIME_PASSES", Entry(), happening))
            case Ask():
                asked = happening.question or question
                scenario.steps.append(Step(2 * number, "QUERY", Message(happening.flags).entry(asked)))
                scenario.steps.append(Step(2 * number + 1, "CHECK_ANSWER", happening.expected.entry(asked, "ttl")))
            case Server():
                said = itertools.takewhile(lambda later: not isinstance(later, Server), happenings[number:])
                last = 2 * (number + len(list(said))) + 1
                scenario.ranges.append(Range(2 * number, last, SERVER, _entries(question, happening)))
    return scenario


def _entries(question: str, server: Server) -> list[Entry]:
    usual = [] if server.message is None else [server.message.entry(question, "qtype")]
    return usual + [message.entry(question, "qtype", flag) for flag, message in server.to.items()]


def aged(record: str, ttl: int) -> str:
    """The record with this TTL."""
    owner, _, rest = record.split(" ", 2)
    return f"{owner} {ttl} {rest}"


def answer(*records: str, flags: str = "QR RD") -> Message:
    """What a server or we say."""
    return Message(f"{flags} NOERROR", records)


def denial(soa: str = SOA, rcode: str = "NXDOMAIN") -> Message:
    """That there is nothing."""
    return Message(f"QR RD {rcode}", (), (soa,))


def failure(rcode: str) -> Message:
    """No answer."""
    return Message(f"QR RD {rcode}")


ALIAS: Final = "www.example.com. 300 IN CNAME host.example.com."
HOST: Final = "host.example.com. 60 IN A 192.0.2.1"
TEXT: Final = 'absent.example.com. 3600 IN TXT "star"'
SIGNATURE: Final = "absent.example.com. 3600 IN RRSIG TXT 13 2 3600 20380101000000 20260101000000 7 example.com. AAAA"
FINGERPRINT: Final = "www.example.com. IN SSHFP"
PRINT: Final = f"www.example.com. 3600 IN SSHFP 4 2 {'ab' * 32}"

SCENARIOS: Final = {
    "an answer grows old and is asked for again when its time is over": play(
        ADDRESS,
        Server(answer(FIRST)), Ask("RD", answer(FIRST)), Server(answer(SECOND)),
        1_800, Ask("RD", answer(aged(FIRST, 1_800))), 1_799, Ask("RD", answer(aged(FIRST, 1))),
        1, Ask("RD", answer(SECOND)),
    ),
    "the record that dies first takes the others with it": play(
        ADDRESS,
        Server(answer(ALIAS, HOST)), Ask("RD", answer(ALIAS, HOST)), Server(answer(FIRST)),
        59, Ask("RD", answer(aged(ALIAS, 241), aged(HOST, 1))), 1, Ask("RD", answer(FIRST)),
    ),
    "a record beside the answer bounds its time as well": play(
        ADDRESS,
        Server(Message("QR RD NOERROR", (FIRST,), ("example.com. 60 IN NS ns.example.com.",))),
        Ask("RD", Message("QR RD NOERROR", (FIRST,), ("example.com. 60 IN NS ns.example.com.",))),
        Server(answer(SECOND)), 60, Ask("RD", answer(SECOND)),
    ),
    "an answer without any time is given and not kept": play(
        ADDRESS,
        Server(answer(aged(FIRST, 0))), Ask("RD", answer(aged(FIRST, 0))),
        Server(answer(SECOND)), Ask("RD", answer(SECOND)),
    ),
    "a name that does not exist is remembered as long as its zone says": play(
        ABSENT,
        Server(denial()), Ask("RD", denial(aged(SOA, 600))), Server(answer(TEXT)),
        599, Ask("RD", denial(aged(SOA, 1))), 1, Ask("RD", answer(TEXT)),
    ),
    "a type that does not exist is remembered as long as its zone says": play(
        ABSENT,
        Server(denial(rcode="NOERROR")), Ask("RD", denial(aged(SOA, 600), "NOERROR")), Server(answer(TEXT)),
        599, Ask("RD", denial(aged(SOA, 1), "NOERROR")), 1, Ask("RD", answer(TEXT)),
    ),
    "that there is nothing is not remembered if no zone says for how long": play(
        ABSENT,
        Server(failure("NOERROR")), Ask("RD", failure("NOERROR")),
        Server(answer(TEXT)), Ask("RD", answer(TEXT)),
    ),
    "one type does not answer for another": play(
        ABSENT,
        Server(denial(rcode="NOERROR")), Ask("RD", denial(aged(SOA, 600), "NOERROR")),
        Ask("RD", failure("SERVFAIL"), "absent.example.com. IN A"),
    ),
    "a name in other letters is the same name": play(
        ADDRESS,
        Server(answer(FIRST)), Ask("RD", answer(FIRST)), Server(answer(SECOND)),
        Ask("RD", answer(FIRST), "wWw.eXample.COM. IN A"),
    ),
    "an authority is none behind us": play(
        ADDRESS,
        Server(answer(FIRST, flags="QR RD AA")), Ask("RD", answer(FIRST)), Ask("RD", answer(FIRST)),
    ),
    "only who asks is told that an answer is authentic": play(
        ADDRESS,
        Server(answer(FIRST, flags="QR RD AD")), Ask("RD", answer(FIRST)),
        Ask("RD AD", answer(FIRST, flags="QR RD AD")), Ask("RD", answer(FIRST)),
    ),
    "what is not authentic is not called so": play(
        ADDRESS, Server(answer(FIRST)), Ask("RD AD", answer(FIRST)), Ask("RD DO", answer(FIRST)),
    ),
    "who checks for themselves gets another answer": play(
        ADDRESS,
        Server(answer(FIRST), {"CD": answer(SECOND, flags="QR RD CD")}),
        Ask("RD CD", answer(SECOND, flags="QR RD CD")), Ask("RD", answer(FIRST)),
        Server(None), Ask("RD CD", answer(SECOND, flags="QR RD CD")), Ask("RD", answer(FIRST)),
    ),
    "while the server is out of reach, who wants no proof gets what was proven, for a short time": play(
        ABSENT,
        Server(Message("QR RD AD NOERROR", (TEXT, SIGNATURE), (PROOF,))),
        Ask("RD DO", Message("QR RD AD NOERROR", (TEXT, SIGNATURE), (PROOF,))), Server(None),
        Ask("RD", answer(aged(TEXT, 30))), Ask("RD AD", answer(aged(TEXT, 30), flags="QR RD AD")),
    ),
    "nobody learns from the cache what others have asked": play(
        ADDRESS,
        Server(answer(FIRST)), Ask("", Message("QR REFUSED")), Ask("RD", answer(FIRST)), Ask("", Message("QR REFUSED")),
    ),
    "a class that is not the Internet's is refused": play(
        "version.server. CH TXT",
        Server(Message("QR RD NOERROR", ('version.server. 0 CH TXT "a server"',))), Ask("RD", failure("REFUSED")),
    ),
    "a notification is not understood": play(
        "example.com. IN SOA",
        Server(Message("QR NOTIFY NOERROR")), Ask("NOTIFY", Message("QR NOTIFY NOTIMP")),
    ),
    "a referral is a failure": play(
        ADDRESS,
        Server(Message("QR RD NOERROR", (), ("example.com. 172800 IN NS ns.example.com.",))),
        Ask("RD", failure("SERVFAIL")), Server(answer(FIRST)), 60, Ask("RD", answer(FIRST)),
    ),
    "that a rare type is refused is passed on, and remembered for a while": play(
        FINGERPRINT,
        Server(failure("REFUSED")), Ask("RD", failure("REFUSED")), Server(answer(PRINT)),
        Ask("RD", failure("REFUSED")), 60, Ask("RD", answer(PRINT)),
    ),
    "that an address is refused is a failure of ours": play(
        ADDRESS, Server(failure("REFUSED")), Ask("RD", failure("SERVFAIL")),
    ),
    "a failure is remembered for a while": play(
        ADDRESS,
        Server(failure("SERVFAIL")), Ask("RD", failure("SERVFAIL")), Server(answer(FIRST)),
        Ask("RD", failure("SERVFAIL")), 60, Ask("RD", answer(FIRST)),
    ),
    "a rare type that the server does not understand is not the client's fault": play(
        FINGERPRINT, Server(failure("FORMERR")), Ask("RD", failure("NOTIMP")),
    ),
    "a server out of reach is a failure, and what is known goes on": play(
        ADDRESS,
        Server(answer(FIRST)), Ask("RD", answer(FIRST)), Server(None),
        Ask("RD", failure("SERVFAIL"), "other.example.com. IN A"), 10, Ask("RD", answer(aged(FIRST, 3_590))),
    ),
}  # fmt: skip
