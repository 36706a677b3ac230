"""Each kind of profile in the hands of the program that it is for, from its file to an answer. Where no such program
can be run here, what its file is held against."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query

from dohproxy.doh.stamp import Protocol, Stamp
from dohproxy.doh.stamp_codec import encode
from dohproxy.profiles.kinds import find_kind, missing
from dohproxy.profiles.offer import NO_WISHES, DotOffer, Offer, Wishes
from tests.e2e.answers import AAAA, A, says
from tests.e2e.browsers import CHROMIUM, FIREFOX, FIREFOX_PREFERENCES, PAGE_NAME, key_hash, page
from tests.e2e.clients import CURL
from tests.e2e.dot_clients import STUBBY, UNBOUND
from tests.e2e.ground import PROTOCOLS, QNAME, Ground, Program
from tests.e2e.processes import LOOPBACK, Child, free_port
from tests.e2e.resolved import RESOLVED, running_resolved
from tests.e2e.ways import addresses_said, read_curl_trace

DNSCRYPT_PROXY = Program("dnscrypt-proxy", "dnscrypt-proxy", ("-version",))
DNSMASQ = Program("dnsmasq", "dnsmasq-base")
SHELLCHECK = Program("shellcheck", "shellcheck")
STRICT = Wishes(is_strict=True)
DOT_HOST = "localhost"


@dataclass(frozen=True, slots=True)
class ProfileWay:
    """One kind of profile, and who reads it."""

    kind: str
    program: Program | None = None
    """None: what it is for cannot be run here."""
    act: Callable[[Ground, Offer], str] | None = None
    """Has the program read the profile and ask, sees that the answer is right, and says what came of it."""
    frontend: str = ""
    """Through which it asks; "" if it only reads."""
    instead: str = ""
    """What the file is held against where it is not asked with."""
    test: str = ""
    """The file of the tests that do so."""

    @property
    def row(self) -> tuple[str, str, str]:
        """Profile, program and frontend as the table has them."""
        program = "" if self.program is None else self.program.command
        return self.kind, program, PROTOCOLS[self.frontend] if self.frontend else ""


def offer_of(ground: Ground) -> Offer:
    """Return what the proxy offers."""
    proxy = ground.encrypted
    stamp = Stamp(Protocol.DOH, address=LOOPBACK, host=f"localhost:{proxy.port}", path="/dns-query")
    dot = DotOffer(DOT_HOST, proxy.dot_port, (LOOPBACK,))
    return Offer("Tests", "localhost", proxy.url, (LOOPBACK,), (encode(stamp),), dot)


def made(name: str, offer: Offer, wishes: Wishes = NO_WISHES) -> str:
    """Return a profile as text."""
    kind = find_kind(name)
    assert kind is not None
    assert missing(kind, offer) == ""
    return kind.make(offer, wishes).decode("utf-8")


def replaced(text: str, given: str, other: str) -> str:
    """Return a profile with one of its lines as this machine needs it: a free port, or the tests' own authority."""
    assert text.count(given) == 1, text
    return text.replace(given, other)


def resolved_by(port: int, qname: str = QNAME) -> set[str]:
    """Ask what a program has opened on this machine, in plain DNS as everything does."""
    return addresses_said([says(dns.query.udp(dns.message.make_query(qname, A), LOOPBACK, timeout=10, port=port))])


@contextmanager
def running(ground: Ground, argv: list[str], name: str, is_ready: Callable[[str], bool]) -> Iterator[Child]:
    """Run a program that stays, from the moment at which its log says that it is ready."""
    environment = ground.environment() | {"SSL_CERT_FILE": str(ground.authority.file), "SSL_CERT_DIR": "/nowhere"}
    child = Child(argv, ground.directory / f"{name}.log", environment=environment, directory=ground.directory)
    try:
        child.wait_until_ready(lambda: is_ready(child.log_text()))
        yield child
    finally:
        child.kill()


def write(ground: Ground, name: str, text: str) -> Path:
    """Write a file for a program."""
    file = ground.directory / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="ascii")
    return file


# --- Resolvers and tools ---


def _curl(ground: Ground, offer: Offer) -> str:
    config = write(ground, "curlrc", made("curl", offer))
    argv = [ground.find_program("curl", "curl"), "-q", "--config", str(config), "--silent", "--verbose"]
    argv += ["--noproxy", "*", "--connect-timeout", "5", "--cacert", str(ground.authority.file)]
    run = ground.run(*argv, f"http://{QNAME}:{free_port()}/")
    expected = addresses_said(says(ground.unbound.ask(QNAME, qtype)) for qtype in (A, AAAA))
    assert read_curl_trace(run.stderr) == {QNAME: expected}
    return "resolves"


@contextmanager
def _running_dnscrypt_proxy(ground: Ground, offer: Offer, port: int) -> Iterator[Child]:
    given = "listen_addresses = ['127.0.0.1:53', '[::1]:53']"
    profile = replaced(made("dnscrypt-proxy", offer), given, f"listen_addresses = ['{LOOPBACK}:{port}']")
    # No look at a network that there is not.
    file = write(ground, "dnscrypt-proxy.toml", f"netprobe_timeout = 0\n{profile}")
    argv = [ground.find_program("dnscrypt-proxy", "dnscrypt-proxy"), "-config", str(file)]
    with running(ground, argv, "dnscrypt-proxy", lambda log: "live servers: 1" in log) as child:
        yield child


def _dnscrypt_proxy(ground: Ground, offer: Offer) -> str:
    port = free_port()
    with _running_dnscrypt_proxy(ground, offer, port):
        assert resolved_by(port) == ground.expected()
    return "resolves"


def _dnsmasq(ground: Ground, offer: Offer) -> str:
    """Ask dnsmasq, which asks dnscrypt-proxy as its profile says."""
    port, behind = free_port(), free_port()
    file = write(ground, "dnsmasq.conf", made("dnsmasq", offer))
    program = ground.find_program("dnsmasq", "dnsmasq-base")
    checked = ground.run(program, "--test", f"--conf-file={file}")
    assert (checked.returncode, checked.stderr.strip()) == (0, "dnsmasq: syntax check OK.")
    write(ground, "dnsmasq.conf", replaced(made("dnsmasq", offer), "127.0.0.1#5300", f"127.0.0.1#{behind}"))
    argv = [program, "--keep-in-foreground", f"--conf-file={file}", f"--port={port}", f"--listen-address={LOOPBACK}"]
    argv += ["--bind-interfaces", "--user=root", "--pid-file=", "--no-hosts", "--log-facility=-"]
    with (
        _running_dnscrypt_proxy(ground, offer, behind),
        running(ground, argv, "dnsmasq", lambda log: "using nameserver" in log),
    ):
        assert resolved_by(port) == ground.expected()
    return "resolves, by way of dnscrypt-proxy"


def unbound_configuration(ground: Ground, profile: str, port: int) -> Path:
    """Write what Debian's package has around a profile, without root and on another port; return the file."""
    bundle = '"/etc/ssl/certs/ca-certificates.crt"'
    included = write(ground, "dohproxy.conf", replaced(profile, bundle, f'"{ground.authority.file}"'))
    return write(
        ground,
        "unbound.conf",
        f'server:\n  username: ""\n  chroot: ""\n  directory: "{ground.directory}"\n  pidfile: ""\n  use-syslog: no\n'
        f'  logfile: ""\n  do-daemonize: no\n  interface: {LOOPBACK}\n  port: {port}\n  module-config: "iterator"\n'
        f'  do-not-query-localhost: no\ninclude: "{included}"\n',
    )


def running_unbound(ground: Ground, file: Path) -> AbstractContextManager[Child]:
    """Run an Unbound by this configuration."""
    argv = [ground.find_program("unbound", "unbound"), "-d", "-p", "-c", str(file)]
    return running(ground, argv, "forwarding", lambda log: "start of service" in log)


def _unbound(ground: Ground, offer: Offer) -> str:
    port = free_port()
    file = unbound_configuration(ground, made("unbound", offer), port)
    checked = ground.run(ground.find_program("unbound-checkconf", "unbound"), str(file))
    assert checked.returncode == 0, checked
    with running_unbound(ground, file):
        assert resolved_by(port) == ground.expected()
    return "resolves"


def stubby(ground: Ground, offer: Offer) -> str:
    """Ask stubby."""
    port = free_port()
    given = "listen_addresses:\n  - 127.0.0.1\n  - 0::1\n"
    here = f'listen_addresses:\n  - {LOOPBACK}@{port}\ntls_ca_file: "{ground.authority.file}"\n'
    file = write(ground, "stubby.yml", replaced(made("stubby", offer), given, here))
    argv = [ground.find_program("stubby", "stubby"), "-C", str(file), "-l"]
    with running(ground, argv, "stubby", lambda log: "Starting DAEMON" in log):
        assert resolved_by(port) == ground.expected()
    return "resolves"


def _systemd_resolved(ground: Ground, offer: Offer) -> str:
    with running_resolved(ground, made("systemd-resolved", offer)) as port:
        assert resolved_by(port) == ground.expected()
    return "resolves"


def _network_manager(ground: Ground, offer: Offer) -> str:
    """Have a shell's checker read the commands: NetworkManager itself wants the whole of a machine."""
    file = write(ground, "networkmanager.sh", made("networkmanager", offer))
    run = ground.run(ground.find_program("shellcheck", "shellcheck"), "--severity=style", str(file))
    assert (run.returncode, run.stdout) == (0, "")
    return "nothing to find fault with; not carried out"


# --- Browsers, whose policies stand where the system has them: each sees another directory there ---


def seeing(ground: Ground, own: Path, place: Path, *argv: str) -> list[str]:
    """Return the command line of a program that finds the directory `own` at `place`."""
    bind = 'mount --bind "$0" "$1" && shift && exec "$@"'
    return [ground.mounting(), "--mount", "sh", "-c", bind, str(own), str(place), *argv]


def _chromium(ground: Ground, offer: Offer) -> str:
    write(ground, "chromium/policies/managed/dohproxy.json", made("chrome", offer, STRICT))
    argv = seeing(
        ground, ground.directory / "chromium", Path("/etc/chromium"), ground.find_program("chromium", "chromium")
    )
    argv += ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server"]
    argv += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    argv += ["--disable-features=HttpsUpgrades", f"--user-data-dir={ground.directory / 'profile'}"]
    argv += [f"--ignore-certificate-errors-spki-list={key_hash(ground.certificate)}", "--virtual-time-budget=5000"]
    with page() as (port, told):
        ended = ground.run(*argv, "--dump-dom", f"http://{PAGE_NAME}:{port}/")
    assert "seen by its name" in ended.stdout, ended
    assert f"{PAGE_NAME}:{port}" in told
    return "resolves"


def _firefox(ground: Ground, offer: Offer) -> str:
    installed = Path(ground.find_program("firefox-esr", "firefox-esr")).resolve().parent
    profile = ground.directory / "profile"
    profile.mkdir()
    write(ground, "distribution/policies.json", made("firefox", offer, STRICT))
    trusted = ground.run(
        ground.find_program("certutil", "libnss3-tools"),
        *("-A", "-d", f"sql:{profile}", "-n", "tests", "-t", "C,,", "-i", str(ground.authority.file)),
    )
    assert trusted.returncode == 0, trusted
    # Of all that the other tests set, not who is asked, and whether anybody else is.
    preferences = {name: value for name, value in FIREFOX_PREFERENCES.items() if name != "network.trr.mode"}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines), encoding="ascii")
    program = [str(installed / "firefox-esr"), "--headless", "--no-remote", "--profile", str(profile)]
    argv = seeing(ground, ground.directory / "distribution", (installed / "distribution").resolve(), *program)
    with page() as (port, told):
        ended = ground.run(*argv, "--screenshot", str(ground.directory / "page.png"), f"http://{PAGE_NAME}:{port}/")
    assert f"{PAGE_NAME}:{port}" in told, ended
    return "resolves"


# --- All of them ---

_PLIST = (
    "read back as a property list, against Apple's table of keys; the signature by OpenSSL"
    " (`tests/tools/test_signing.py`)"
)
_NETSH = "every command against the syntax in Microsoft's reference of netsh"

PROFILE_WAYS: tuple[ProfileWay, ...] = (
    ProfileWay("apple", instead=_PLIST, test="tests/profiles/test_apple.py"),
    ProfileWay("apple-dot", instead=_PLIST, test="tests/profiles/test_apple.py"),
    ProfileWay("android", instead="a name and nothing else", test="tests/profiles/test_forwarders.py"),
    ProfileWay("windows", instead=_NETSH, test="tests/profiles/test_windows.py"),
    ProfileWay("windows-dot", instead=_NETSH, test="tests/profiles/test_windows.py"),
    ProfileWay("firefox", FIREFOX, _firefox, "http2"),
    ProfileWay("chrome", CHROMIUM, _chromium, "http2"),
    ProfileWay(
        "chrome-windows",
        instead="the very values of the policy that Chromium has read above, in the form of a registry file",
        test="tests/profiles/test_browsers.py",
    ),
    ProfileWay("systemd-resolved", RESOLVED, _systemd_resolved, "dot"),
    ProfileWay("networkmanager", SHELLCHECK, _network_manager),
    ProfileWay("dnscrypt-proxy", DNSCRYPT_PROXY, _dnscrypt_proxy, "http2"),
    ProfileWay("dnsmasq", DNSMASQ, _dnsmasq, "http2"),
    ProfileWay("unbound", UNBOUND, _unbound, "dot"),
    ProfileWay("stubby", STUBBY, stubby, "dot"),
    ProfileWay(
        "openwrt",
        instead="read back as OpenWrt reads its settings, with the options of the package https-dns-proxy",
        test="tests/profiles/test_forwarders.py",
    ),
    ProfileWay("curl", CURL, _curl, "http2"),
)
