"""What a configuration may say and its author probably did not mean."""

from pathlib import Path

import pytest

from dohproxy.config import check_warnings, read

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'
PUBLIC = '[server]\nhost = "doh.example.net"\nlisten = ["[::]:443", "0.0.0.0:443"]\n'
TLS = '[tls]\ncertificate = "fullchain.pem"\nkey = "privkey.pem"\n'


def warnings_of(text: str) -> dict[str, str]:
    config = read(f"{text}\n{UPSTREAM}", directory=Path("/etc/dohproxy"))
    return {warning.path: warning.sentence for warning in check_warnings(config)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        PUBLIC + TLS,
        PUBLIC + TLS + '[bans]\nkernel_socket = "/run/dohproxy-nft/socket"',
        '[server]\nlisten = ["unix:h1.sock"]\n[clients]\naddress_from = "forwarded"\ntrusted_proxies = ["unix"]',
        '[metrics]\nlisten = "127.0.0.1:9153"\n[admin]',
        '[[upstream]]\nname = "a"\nurl = "udp://127.0.0.1:1"\n[[upstream]]\nname = "b"\nurl = "tcp://127.0.0.1:1"',
        '[[upstream]]\nname = "lan"\nurl = "udp://10.0.0.53"',
        '[[upstream]]\nname = "a"\nurl = "tls://9.9.9.9"\nvalidates = true',
        '[[upstream]]\nname = "a"\nurl = "udp://[::1]"\nvalidates = true',
    ],
    ids=[
        "the defaults",
        "a public service with TLS",
        "the same, whose bans the kernel carries out",
        "a front proxy on a socket",
        "metrics and admin on loopback",
        "two transports to this machine",
        "plain DNS in the local network",
        "trust in a resolver over TLS",
        "trust in a resolver on this machine",
    ],
)
def test_an_ordinary_configuration_gets_no_warning(text: str) -> None:
    assert warnings_of(text) == {}


@pytest.mark.parametrize("listen", ["0.0.0.0:443", "[::]:443", "192.0.2.1:443"])
def test_plain_http_open_to_others_is_warned_of(listen: str) -> None:
    warnings = warnings_of(f'[server]\nhost = "doh.example.net"\nlisten = ["{listen}"]')
    assert "without TLS" in warnings["server.listen"]


def test_plain_http_behind_a_front_proxy_is_not_warned_of() -> None:
    front = '[clients]\naddress_from = "proxy-protocol"\ntrusted_proxies = ["2001:db8::1"]\n'
    assert warnings_of(PUBLIC + front) == {}


FRONT = '[clients]\naddress_from = "x-forwarded-for"\ntrusted_proxies = '
DOT = '[dot]\nhost = "dot.example.net"\nlisten = ["127.0.0.1:8853"]\n'
SOCKET_OF_DOT = '[dot]\nhost = "dot.example.net"\nlisten = ["unix:dot.sock"]\n'
KERNEL = '[bans]\nkernel_socket = "/run/dohproxy-nft/socket"'
IGNORED = "the header is always ignored"
AROUND = "goes around it"


def listening(*listen: str) -> str:
    return f'[server]\nhost = "doh.example.net"\nlisten = {list(listen)}\n'


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        (listening("unix:h1.sock") + FRONT + '["127.0.0.1"]', "clients.trusted_proxies", 'Add "unix"'),
        (
            listening("unix:h1.sock", "127.0.0.1:8053") + FRONT + '["127.0.0.1"]',
            "clients.trusted_proxies",
            'Add "unix"',
        ),
        (listening("127.0.0.1:8053") + FRONT + '["10.0.0.1"]', "clients.trusted_proxies", IGNORED),
        (listening("127.0.0.1:8053") + FRONT + '["::1"]', "clients.trusted_proxies", IGNORED),
        (listening("[::1]:8053") + FRONT + '["127.0.0.1", "2001:db8::/32"]', "clients.trusted_proxies", IGNORED),
        (listening("[2001:db8::2]:443") + TLS + FRONT + '["10.0.0.1"]', "clients.trusted_proxies", IGNORED),
        (listening("0.0.0.0:8053") + FRONT + '["127.0.0.0/8"]', "server.listen", AROUND),
        (listening("192.0.2.9:8053", "unix:h1.sock") + FRONT + '["unix"]', "server.listen", AROUND),
        (listening("127.0.0.1:8053") + DOT + FRONT + '["127.0.0.1"]', "dot.listen", "a field of HTTP"),
        (listening("127.0.0.1:8053") + SOCKET_OF_DOT, "clients.address_from", '"proxy-protocol"'),
    ],
    ids=[
        "a Unix socket alone, where only addresses are believed",
        "a Unix socket beside TCP, where only addresses are believed",
        "a loopback listener, where another machine is believed",
        "an IPv4 listener, where IPv6 is believed",
        "an IPv6 loopback listener, where another machine is believed",
        "a public IPv6 listener, where IPv4 is believed",
        "a public plain listener, where this machine is believed",
        "a public plain listener, where a Unix socket is believed",
        "DoT in the clear, where a field of HTTP is believed",
        "a Unix socket of DoT, where nothing is believed",
    ],
)
def test_a_front_proxy_that_cannot_work_as_meant_is_warned_of(text: str, path: str, hint: str) -> None:
    warnings = warnings_of(text)
    assert list(warnings) == [path]
    assert hint in warnings[path]


@pytest.mark.parametrize(
    "text",
    [
        listening("127.0.0.1:8053") + FRONT + '["127.0.0.1"]',
        listening("[::1]:8053") + FRONT + '["::/1"]',
        listening("unix:h1.sock") + FRONT + '["unix", "10.0.0.1"]',
        listening("127.0.0.1:8053", "10.0.0.2:8053") + FRONT + '["10.0.0.1"]',
        listening("10.0.0.2:8053") + FRONT + '["10.0.0.0/8", "127.0.0.1"]',
        listening("0.0.0.0:443", "127.0.0.1:8053") + TLS + FRONT + '["127.0.0.1"]',
        listening("127.0.0.1:8053") + DOT + FRONT.replace("x-forwarded-for", "proxy-protocol") + '["127.0.0.1"]',
    ],
    ids=[
        "on loopback",
        "anywhere in a network that holds loopback",
        "on a Unix socket, others believed too",
        "on another machine, and a listener for tests here",
        "on another machine, and one here",
        "on this machine, and direct clients with TLS",
        "with the PROXY protocol, which DoT has too",
    ],
)
def test_a_front_proxy_that_can_work_is_not_warned_of(text: str) -> None:
    assert warnings_of(text) == {}


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ('[server]\nlisten = ["unix:h1.sock"]', "clients.address_from", "share one limit"),
        ('[clients]\ntrusted_proxies = ["192.0.2.1"]', "clients.trusted_proxies", "of no effect"),
        (
            '[clients]\naddress_from = "forwarded"\ntrusted_proxies = ["unix"]',
            "clients.trusted_proxies",
            "no Unix socket is listened on",
        ),
        ('[limits]\nexempt_networks = ["::/0"]', "limits.exempt_networks", "exempts every address"),
        ("[limits]\nmisses_per_second = 10.5", "limits.misses_per_second", "(10 a second)"),
        ('[metrics]\nlisten = "0.0.0.0:9153"', "metrics.listen", "open to other machines"),
        (TLS + '[server]\nlisten = ["0.0.0.0:443"]', "server.host", "lead nowhere"),
        (TLS + listening("[::]:8443"), "server.listen #1", 'no IPv4 one: add "0.0.0.0:8443"'),
        (TLS + listening("127.0.0.1:443", "[::]:443"), "server.listen #2", 'add "0.0.0.0:443"'),
        (
            TLS
            + PUBLIC
            + '[[upstream]]\nname = "home"\nurl = "udp://127.0.0.1:1"\n'
            + '[[route]]\ndomains = ["lan"]\nupstreams = ["home"]',
            "route #1.domains",
            "everybody who can connect may ask about it",
        ),
        ('[clients]\nmember_networks = ["0.0.0.0/0"]', "clients.member_networks", "nobody goes first any more"),
        ('[clients]\nmember_networks = ["::/1", "8000::/1"]', "clients.member_networks", "Name the members' own"),
        ('[[upstream]]\nname = "a"\nurl = "udp://9.9.9.9"', "upstream #1.url", "in the clear"),
        (
            '[[upstream]]\nname = "a"\nurl = "udp://192.0.2.53"',
            "upstream #2.url",
            "sees both budgets added up",
        ),
        (
            '[[upstream]]\nname = "a"\nurl = "udp://10.0.0.53"\nvalidates = true',
            "upstream #1.validates",
            "anybody on the way could claim",
        ),
        (
            listening("127.0.0.1:8053") + FRONT + '["127.0.0.1"]\n' + KERNEL,
            "bans.kernel_socket",
            "shut clients out of every site that the front proxy serves",
        ),
        (
            PUBLIC + TLS + FRONT + '["192.0.2.1"]\n' + KERNEL,
            "bans.kernel_socket",
            "the kernel is told of no ban",
        ),
    ],
    ids=[
        "one limit for all behind a socket",
        "trust without a header",
        "trust in sockets without a socket",
        "a limit for nobody",
        "one client may use the whole budget",
        "public metrics",
        "a service nobody can find",
        "all of IPv6 and no IPv4",
        "all of IPv6 and of IPv4 this machine alone",
        "private names for everybody",
        "everybody a member",
        "everybody a member, in halves",
        "names in the clear",
        "one resolver with two budgets",
        "trust in a bit that anybody could set",
        "a kernel that sees loopback alone",
        "a kernel that sees the front proxy alone",
    ],
)
def test_what_is_probably_not_meant_is_warned_of(text: str, path: str, hint: str) -> None:
    warnings = warnings_of(text)
    assert list(warnings) == [path]
    assert hint in warnings[path]


SAME_HOST = '[[upstream]]\nname = "a"\nurl = "tls://192.0.2.53"\n'


@pytest.mark.parametrize(("first", "second"), [("", ""), ('group = "x"\n', ""), ('group = "x"\n', 'group = "y"\n')])
def test_one_host_in_two_budgets_is_told_of_groups(first: str, second: str) -> None:
    text = SAME_HOST + first + SAME_HOST.replace("tls", "tcp").replace('"a"', '"b"') + second
    warnings = {w.path: w.sentence for w in check_warnings(read(text, directory=Path("/")))}
    assert 'group = "b"' in warnings["upstream #2.url"]


def test_one_host_in_one_group_is_as_it_should_be() -> None:
    text = SAME_HOST + 'group = "x"\n[[upstream]]\nname = "b"\nurl = "tls://192.0.2.53:8853"\ngroup = "x"\n'
    assert check_warnings(read(text, directory=Path("/"))) == ()


@pytest.mark.parametrize(
    ("rule", "remedy"),
    [
        ("private_addresses", "[names]\nwithhold_private_addresses = true"),
        ("list_stub", '[listed]\nstubs = "turn-away"'),
    ],
)
def test_a_rule_that_is_tried_and_never_acts_is_warned_of(rule: str, remedy: str) -> None:
    tried = f'[rules]\n{rule} = "shadow"\n'
    assert list(warnings_of(tried)) == [f"rules.{rule}"]
    assert warnings_of(tried + remedy) == {}


@pytest.mark.parametrize(
    ("rule", "keys"),
    [("undelegated", "[names]\nanswer_undelegated = false"), ("listed_reaction", '[listed]\nreaction = "nothing"')],
)
def test_so_is_one_that_was_turned_off_elsewhere(rule: str, keys: str) -> None:
    tried = f'[rules]\n{rule} = "shadow"\n'
    assert warnings_of(tried) == {}
    assert list(warnings_of(tried + keys)) == [f"rules.{rule}"]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("[pages]\nenabled = true", "about.name", "who runs it"),
        ('[pages]\nfolder = "pages"', "pages.folder", "of no effect"),
    ],
    ids=["by nobody", "written nowhere"],
)
def test_public_pages_that_were_not_meant_so_are_warned_of(text: str, path: str, words: str) -> None:
    assert words in warnings_of(text)[path]


def test_a_word_about_the_upstreams_that_nobody_is_told_is_warned_of() -> None:
    told = "[discovery]\nqname_minimisation = true\n"
    assert list(warnings_of(told)) == ["discovery.qname_minimisation"]
    assert warnings_of(PUBLIC + TLS + told + "enabled = true\n") == {}


def test_scripts_that_may_read_names_inside_are_warned_of() -> None:
    route = (
        '[[upstream]]\nname = "lan"\nurl = "udp://10.0.0.53"\n[[route]]\ndomains = ["lan.example"]\nupstreams = ["lan"]'
    )
    warnings = warnings_of(f"[server]\ncors = true\n{route}")
    assert "every web page ask about" in warnings["server.cors"]
    assert "lan.example" in warnings["server.cors"]
    assert warnings_of(f"[server]\n{route}") == warnings_of("[server]\ncors = true") == {}


def test_public_pages_with_a_name_are_as_they_should_be() -> None:
    assert warnings_of('[pages]\nenabled = true\nfolder = "pages"\n[about]\nname = "Us"') == {}


def test_a_picture_without_pages_is_warned_of_and_one_that_everybody_may_find() -> None:
    proof, addresses = 'proof_domain = "dot.example.net"\n', '[discovery]\naddresses = ["192.0.2.1"]\n'
    about = '[about]\nname = "us"\n'
    assert list(warnings_of(f"[pages]\n{proof}{addresses}")) == ["pages.proof_domain"]
    served = f'{PUBLIC}{TLS}{about}[pages]\nenabled = true\n{proof}{addresses}[dot]\nlisten = ["192.0.2.1:853"]\n'
    assert warnings_of(served) == {}
    members = '[clients]\nmember_file = "members.json"\n'
    assert warnings_of(f"{served}{members}") == {}
    told = warnings_of(f'{served}host = "dot.example.net"\n{members}')
    assert list(told) == ["pages.proof_domain"]
    assert "*.dot.example.net" in told["pages.proof_domain"]


PROOF = '[pages]\nenabled = true\nproof_domain = "check.doh.example.net"\n[about]\nname = "us"\n'


@pytest.mark.parametrize(
    "text",
    [PROOF, PUBLIC + TLS + PROOF, listening("9.9.9.9:443") + TLS + FRONT + '["9.9.9.8"]\n' + PROOF],
    ids=["loopback", "every address", "a front proxy"],
)
def test_a_picture_that_can_be_nowhere_is_warned_of(text: str) -> None:
    warnings = warnings_of(text)
    assert list(warnings) == ["pages.proof_domain"]
    assert 'write that in [discovery], for example: addresses = ["192.0.2.1"' in warnings["pages.proof_domain"]
    assert warnings_of(text + '[discovery]\naddresses = ["192.0.2.1"]\n') == {}


def test_a_picture_at_an_address_that_is_listened_on_is_as_it_should_be() -> None:
    assert warnings_of(listening("9.9.9.9:443") + TLS + PROOF) == {}
