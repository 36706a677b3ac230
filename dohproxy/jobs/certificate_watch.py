"""The certificate while the service runs: looked at now and then, replaced without dropping a connection.

Whoever renews it writes two files, not at the same instant and not always the right ones. So both are read once, tried
in a context of their own, judged as clients will judge them, and only then loaded into the context that the listeners
have. Whatever is refused changes nothing, and is tried again when the files change.

The listeners' context is never replaced. CVE-2026-19445: a connection whose context has been freed is memory that a
remote client can reach after its release. `load_cert_chain` on the live context changes what the next handshake shows;
connections that are open, and tickets given out, go on.
"""

import math
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import structlog

from dohproxy.config import ConfigError, TlsConfig
from dohproxy.jobs.watched_files import WatchedFiles
from dohproxy.tls.certificate_pair import Pair, PairRefused, PairResult, read_pair
from dohproxy.tls.certificates import Chain, Fault, KeyKind, certificate_problems, faults_of
from dohproxy.tls.policy import bare_context, offer_protocols
from dohproxy.tls.self_check import handshake_seconds

_log = structlog.get_logger("dohproxy.certificate")


def objection(new: Chain, live: Chain, host: str, now: float) -> Fault | None:
    """Return why a chain is worse than the one in use, or None.

    What is wrong with both is no reason to stay with the older: a service whose host was never configured, or whose
    certificate has expired, would otherwise refuse every remedy but the perfect one.
    """
    found = faults_of(new, host, now) - faults_of(live, host, now)
    return min(found, default=None)


@dataclass(frozen=True, slots=True)
class CertificateStatistics:
    """What the metrics show."""

    not_after: float
    """Unix seconds at which the certificate in use expires."""
    reloads: Mapping[PairResult, int]
    last_succeeded: bool
    """Whether what lies on the disk is what is in use; true at the start."""
    handshake_seconds: float
    """What one handshake with it costs this machine, of one core."""


@dataclass(frozen=True, slots=True)
class CheckedPair:
    """A pair that may be taken, for whoever adopts its configuration."""

    pair: Pair
    files: WatchedFiles
    """As they were looked at before the reading: what was written since is a change."""


_SwitchContext = Callable[[ssl.SSLObject | ssl.SSLSocket, str | None, ssl.SSLContext], int | None]


class CertificateWatch:
    """Keeps a context's certificate to what lies on the disk."""

    def __init__(
        self,
        tls: TlsConfig,
        host: str,
        context: ssl.SSLContext,
        make_context: Callable[[], ssl.SSLContext] = bare_context,
    ) -> None:
        """Load the pair as it lies there now; raises ConfigError if it cannot be used at all.

        `context` is what the listeners have; this object must live as long as they do. `make_context` makes others like
        it.
        """
        self._make_context = make_context
        self._tls = tls
        self._host = host
        self._context = context
        # What is done with the name that a client asks for, whichever certificate is shown.
        self._note_name = cast("_SwitchContext | None", context.sni_callback)
        self._files = WatchedFiles(tls.certificate, tls.key)
        states = self._files.look()
        try:
            pair = read_pair(tls)
            pair.load_into(context)
        except PairRefused as refusal:
            raise ConfigError((refusal.problem,)) from None
        self._files.has_read(states)
        self._live = pair.chain
        self.digest = pair.digest
        # One for each kind of key ever seen, so a handful at most, and each kept for good.
        self._contexts: dict[KeyKind, ssl.SSLContext] = {self._live.server.key_kind: context}
        self._offers_dot = False
        self._results: Counter[PairResult] = Counter()
        self._when_priced: Callable[[float], None] = lambda _: None
        self._when_in_use: Callable[[Chain], None] = lambda _: None
        self._handshake_seconds = handshake_seconds(context)
        self._has_succeeded = True

    def offer(self, *, dot: bool) -> None:
        """Have handshakes from now on agree on DoT or not, whichever certificate they are shown."""
        self._offers_dot = dot
        for context in self._contexts.values():
            offer_protocols(context, dot=dot)

    def when_priced(self, notify: Callable[[float], None]) -> None:
        """Have `notify` called with the seconds of one core that a handshake costs: now, and with each new pair."""
        self._when_priced = notify
        notify(self._handshake_seconds)

    def when_in_use(self, notify: Callable[[Chain], None]) -> None:
        """Have `notify` called with the chain that clients are shown: now, and with each new one."""
        self._when_in_use = notify
        notify(self._live)

    def faults(self, now: float) -> tuple[str, ...]:
        """Return what is wrong with the certificate in use, in words that follow "the certificate"; `now` is Unix
        seconds."""
        found = [problem.sentence.removesuffix(".") for problem in certificate_problems(self._live, self._host, now)]
        if not found and self._live.server.expires_soon(now):
            days = (self._live.server.not_after - now) / 86_400
            found.append(f"expires in {days:.1f} days and should have been renewed by now")
        if not found and not self._has_succeeded:
            found.append("on the disk is refused, and the one in use goes on: the log says why")
        return tuple(found)

    def check(self, tls: TlsConfig, host: str, now: float) -> CheckedPair:
        """Return the pair that another configuration names; `now` is Unix seconds.

        Raises ConfigError if it cannot be used, or if clients that are served now would be refused by it.
        """
        files = WatchedFiles(tls.certificate, tls.key)
        states = files.look()
        try:
            pair = self._judge(tls, host, now)
        except PairRefused as refusal:
            raise ConfigError((refusal.problem,)) from None
        files.has_read(states)
        return CheckedPair(pair, files)

    def adopt(self, tls: TlsConfig, host: str, checked: CheckedPair) -> None:
        """Take the pair that `check` returned for these files."""
        self._tls, self._host = tls, host
        self._files = checked.files
        self._take(checked.pair)

    def statistics(self) -> CertificateStatistics:
        """Return the figures."""
        reloads = {result: self._results[result] for result in PairResult}
        return CertificateStatistics(self._live.server.not_after, reloads, self._has_succeeded, self._handshake_seconds)

    def poll(self, now: float) -> None:
        """Take the pair on the disk if it is another one and no worse; `now` is Unix seconds.

        Two `stat` calls if nothing has changed; if something has, some milliseconds and the price of five handshakes:
        short enough for the event loop, where no handshake can fall between certificate and key.
        """
        if not self._files.is_due(now):
            return
        states = self._files.look()
        try:
            pair = self._judge(self._tls, self._host, now)
        except PairRefused as refusal:
            self._files.has_read(states, refusal.good_from)
            self._has_succeeded = False
            self._results[refusal.result] += 1
            _log.warning(
                "a new certificate is refused, the old one stays", reason=refusal.result.value, why=str(refusal)
            )
            return
        self._files.has_read(states)
        if self._take(pair):
            _log.info("a new certificate is in use", valid_until=_iso(self._live.server.not_after))

    def _judge(self, tls: TlsConfig, host: str, now: float) -> Pair:
        """Return the pair on the disk. Raises PairRefused if it cannot be used, or if clients that are served now would
        be refused by it."""
        pair = read_pair(tls)
        if pair.digest == self.digest:
            return pair
        pair.load_into(bare_context())
        fault = objection(pair.chain, self._live, host, now)
        if fault is not None:
            good_from = pair.chain.server.not_before if fault is Fault.NOT_YET_VALID else math.inf
            sentence = f"{tls.certificate} is refused: {_REFUSALS[fault]}"
            raise PairRefused(PairResult(fault.value), sentence, good_from=good_from)
        return pair

    def _take(self, pair: Pair) -> bool:
        """Put a pair to use that was judged; return whether it is another one."""
        self._has_succeeded = True
        if pair.digest == self.digest:
            return False
        self._install(pair)
        self._results[PairResult.LOADED] += 1
        return True

    def _install(self, pair: Pair) -> None:
        """Let handshakes show this pair.

        OpenSSL keeps one certificate of each kind of key and prefers ECDSA: an RSA certificate loaded beside an ECDSA
        one would be seen by nobody until the latter has expired. So another kind gets a context of its own, to which
        each handshake is led.
        """
        kind = pair.chain.server.key_kind
        context = self._contexts.get(kind)
        if context is None:
            context = self._contexts[kind] = self._make_context()
            offer_protocols(context, dot=self._offers_dot)
        pair.load_into(context)
        note = self._note_name
        self._context.sni_callback = note if context is self._context else _lead_to(context, note)
        self._live, self.digest = pair.chain, pair.digest
        self._handshake_seconds = handshake_seconds(context)
        self._when_priced(self._handshake_seconds)
        self._when_in_use(self._live)


_REFUSALS: Final[Mapping[Fault, str]] = {
    Fault.EXPIRED: "it has expired",
    Fault.NOT_YET_VALID: "it is not valid yet; it is taken when it is",
    Fault.WRONG_HOST: "it is not for server.host, every client would refuse it",
    Fault.INCOMPLETE: "it comes without the intermediate certificate, which the one in use has",
}


def _lead_to(context: ssl.SSLContext, note: _SwitchContext | None) -> _SwitchContext:
    def lead(handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, own: ssl.SSLContext) -> None:
        if note is not None:
            note(handshake, name, own)
        handshake.context = context

    return lead


def _iso(instant: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant))
