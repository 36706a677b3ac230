"""What several keys must agree on."""

import re
from pathlib import Path

import pytest

from dohproxy.config import Config, ConfigError, read
from dohproxy.config.rules import IN_ORDER

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'


def read_with(text: str) -> Config:
    return read(f"{text}\n{UPSTREAM}", directory=Path("/etc/dohproxy"))


def problems_of(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read_with(text)
    return {problem.path: problem.sentence for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[cache]\nminimum_ttl_seconds = 1801", "cache.minimum_ttl_seconds"),
        ("[cache]\nmaximum_ttl_seconds = 1799", "cache.minimum_ttl_under_pressure_seconds"),
        ("[cache]\nfailure_ttl_max_seconds = 4", "cache.failure_ttl_seconds"),
        ("[cache]\nstale_wait_seconds = 5.1", "cache.stale_wait_seconds"),
        ("[resolver]\nattempt_seconds = 5.1", "resolver.attempt_seconds"),
        ("[names]\ndomain_failures_per_second = 6\ndomain_misses_per_second = 5", "names.domain_failures_per_second"),
        ("[names]\ndomain_misses_burst = 19\ndomain_failures_burst = 20", "names.domain_failures_burst"),
    ],
)
def test_a_number_above_the_one_that_bounds_it_is_an_error(text: str, path: str) -> None:
    problems = problems_of(text)
    assert list(problems) == [path]
    greater = next(greater for lesser, greater, _ in IN_ORDER if lesser == path)
    assert f"above {greater}" in problems[path]
    assert f"For example: {path.split('.')[1]} = " in problems[path]


@pytest.mark.parametrize(
    "text",
    [
        "minimum_ttl_seconds = 1800",
        "minimum_ttl_seconds = 60\nminimum_ttl_under_pressure_seconds = 60\nmaximum_ttl_seconds = 60",
        "failure_ttl_max_seconds = 5",
        "stale_wait_seconds = 5",
    ],
)
def test_equal_numbers_are_in_order(text: str) -> None:
    assert read_with(f"[cache]\n{text}").upstreams


def test_a_key_already_reported_is_not_judged_by_its_default() -> None:
    # The minimum meant may well be under 70; only the writer knows.
    problems = problems_of(
        '[cache]\nmaximum_ttl_seconds = 70\nminimum_ttl_under_pressure_seconds = "65"\nminimum_ttl_seconds = 65'
    )
    assert list(problems) == ["cache.minimum_ttl_under_pressure_seconds"]


def test_an_unknown_key_that_begins_like_another_does_not_silence_its_rule() -> None:
    problems = problems_of("[cache]\nminimum_ttl_seconds_x = 1\nminimum_ttl_seconds = 1801")
    assert list(problems) == ["cache.minimum_ttl_seconds_x", "cache.minimum_ttl_seconds"]


@pytest.mark.parametrize("source", ["proxy-protocol", "x-forwarded-for", "forwarded"])
def test_a_header_that_nobody_is_believed_about_is_an_error(source: str) -> None:
    problems = problems_of(f'[clients]\naddress_from = "{source}"')
    assert "nobody would be believed" in problems["clients.trusted_proxies"]


@pytest.mark.parametrize("source", ["proxy-protocol", "x-forwarded-for", "forwarded"])
@pytest.mark.parametrize(
    "networks",
    ['"0.0.0.0/0"', '"::/0"', '"192.0.2.1", "0.0.0.0/0"', '"0.0.0.0/1", "128.0.0.0/1"'],
    ids=["all of IPv4", "all of IPv6", "all beside one", "all in halves"],
)
def test_believing_everybody_is_an_error(source: str, networks: str) -> None:
    problems = problems_of(f'[clients]\naddress_from = "{source}"\ntrusted_proxies = [{networks}]')
    assert "trusts every address there is" in problems["clients.trusted_proxies"]


@pytest.mark.parametrize("trusted", ['"192.0.2.0/24"', '"unix"', '"::1"'])
def test_believing_a_front_proxy_is_allowed(trusted: str) -> None:
    clients = read_with(f'[clients]\naddress_from = "proxy-protocol"\ntrusted_proxies = [{trusted}]').clients
    assert len(clients.trusted_proxies) == 1


def test_a_mistake_among_the_trusted_is_not_reported_twice() -> None:
    problems = problems_of('[clients]\naddress_from = "forwarded"\ntrusted_proxies = ["front.example"]')
    assert list(problems) == ["clients.trusted_proxies #1"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[server]\nlisten = ["127.0.0.1:1", "127.0.0.1:1"]', "server.listen #2"),
        ('[server]\nlisten = ["[::1]:1", "[0:0::1]:1"]', "server.listen #2"),
        ('[server]\nlisten = ["127.0.0.1:9153"]\n[metrics]', "metrics.listen"),
        ('[server]\nlisten = ["unix:a.sock"]\n[admin]\nsocket = "a.sock"', "admin.socket"),
        ('[server]\nlisten = ["127.0.0.1:8054"]\n[admin]\nlisten = "127.0.0.1:8054"', "admin.listen"),
    ],
    ids=["twice the same", "two spellings", "metrics where clients come", "admin where clients come", "the page there"],
)
def test_two_listeners_at_one_address_are_an_error(text: str, path: str) -> None:
    assert "already listened on" in problems_of(text)[path]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[server]\nlisten = ["0.0.0.0:1", "127.0.0.1:1"]', "server.listen #2"),
        ('[server]\nlisten = ["127.0.0.1:1", "0.0.0.0:1"]', "server.listen #2"),
        ('[server]\nlisten = ["[::]:1", "[2001:db8::1]:1"]', "server.listen #2"),
        ('[server]\nlisten = ["0.0.0.0:9153"]\n[metrics]', "metrics.listen"),
    ],
    ids=["all before one", "one before all", "IPv6", "metrics"],
)
def test_an_address_beside_all_of_its_family_is_an_error(text: str, path: str) -> None:
    problems = problems_of(text)
    assert list(problems) == [path]
    assert "both cannot be had" in problems[path]
    assert re.search(r'as "(0\.0\.0\.0|\[::\]):\d+" is every address of its family', problems[path])


def test_both_families_may_be_listened_on_at_one_port() -> None:
    config = read_with('[server]\nlisten = ["0.0.0.0:1", "[::]:1"]\n[metrics]\nlisten = "[::1]:2"')
    assert len(config.server.listen) == 2


def test_any_free_port_may_be_asked_for_twice() -> None:
    config = read_with('[server]\nlisten = ["127.0.0.1:0", "127.0.0.1:0"]\n[metrics]\nlisten = "127.0.0.1:0"')
    assert len(config.server.listen) == 2


@pytest.mark.parametrize("listen", ["127.0.0.1:8443", "0.0.0.0:8443"], ids=["by address", "among all"])
def test_asking_itself_is_an_error(listen: str) -> None:
    text = f'[server]\nlisten = ["{listen}"]\n[[upstream]]\nname = "me"\nurl = "tls://127.0.0.1:8443"'
    problems = problems_of(text)
    assert "this service itself listens" in problems["upstream #1.url"]


def test_a_resolver_beside_it_on_another_transport_is_not_itself() -> None:
    assert read_with('[[upstream]]\nname = "me"\nurl = "udp://127.0.0.1:8443"').upstreams


@pytest.mark.parametrize("name", ["ns0", "NS0"], ids=["same", "another case"])
def test_two_upstreams_of_one_name_are_an_error(name: str) -> None:
    problems = problems_of(f'[[upstream]]\nname = "{name}"\nurl = "udp://127.0.0.1"')
    assert "as an earlier upstream is called" in problems["upstream #2.name"]


@pytest.mark.parametrize("key", ['ca_file = "ca.pem"', 'pins = ["7HIpactkIAq2Y49orFOOQKurWxmmSFZhBCoQYcRhJ3Y="]'])
def test_whom_to_believe_is_said_of_tls_alone(key: str) -> None:
    for scheme in ("udp", "tcp"):
        problems = problems_of(f'[[upstream]]\nname = "other"\nurl = "{scheme}://192.0.2.54"\n{key}')
        assert list(problems) == [f"upstream #1.{key.split()[0]}"]
        assert f"{scheme}:// shows none" in problems[f"upstream #1.{key.split()[0]}"]
    assert read_with(f'[[upstream]]\nname = "other"\nurl = "tls://192.0.2.54"\n{key}').upstreams


def test_two_upstreams_at_one_address_are_an_error() -> None:
    problems = problems_of('[[upstream]]\nname = "other"\nurl = "tls://192.0.2.53:853#other.example"')
    assert list(problems) == ["upstream #2.url"]
    assert "would get both budgets" in problems["upstream #2.url"]


def test_doubles_are_found_among_upstreams_with_other_mistakes() -> None:
    problems = problems_of('[[upstream]]\nname = "ns0"\nurl = "nowhere"\nburst = 0')
    assert list(problems) == ["upstream #1.url", "upstream #1.burst", "upstream #2.name"]


def test_the_same_host_on_other_ports_is_another_upstream() -> None:
    text = '[[upstream]]\nname = "a"\nurl = "udp://127.0.0.1:1"\n[[upstream]]\nname = "b"\nurl = "udp://127.0.0.1:2"'
    assert len(read_with(text).upstreams) == 3


GROUPED = UPSTREAM + 'group = "fdn"\npreset = "quad9"\n[[upstream]]\nname = "ns1"\nurl = "udp://192.0.2.53"\n'


@pytest.mark.parametrize(
    ("second", "keys"),
    [
        ('preset = "quad9"', []),
        ('preset = "quad9"\nburst = 150', []),
        ('preset = "quad9"\nburst = 151', ["burst"]),
        ('preset = "quad9"\nconnections = 3', ["connections"]),
        ("", ["queries_per_second", "burst", "in_flight", "new_connections_per_second"]),
    ],
    ids=["the same preset", "the same numbers", "another burst", "more connections", "another preset"],
)
def test_those_in_a_group_have_one_budget_and_one_set_of_numbers(second: str, keys: list[str]) -> None:
    text = f'{GROUPED}group = "fdn"\n{second}'
    if not keys:
        assert [upstream.group for upstream in read(text, directory=Path("/")).upstreams] == ["fdn", "fdn"]
        return
    with pytest.raises(ConfigError) as caught:
        read(text, directory=Path("/"))
    assert [problem.path for problem in caught.value.problems] == [f"upstream #2.{key}" for key in keys]
    assert all("share one budget" in problem.sentence for problem in caught.value.problems)


def test_different_groups_may_differ() -> None:
    text = f'{GROUPED}group = "other"\nburst = 7'
    assert [upstream.burst for upstream in read(text, directory=Path("/")).upstreams] == [150, 7]


# --- routes ---

HOME = '[[upstream]]\nname = "home"\nurl = "udp://127.0.0.1:5353"\n'


def test_what_a_route_names_is_asked_about_nothing_else() -> None:
    config = read_with(f'{HOME}[[route]]\ndomains = ["home.arpa", "LAN."]\nupstreams = ["home"]')
    (route,) = config.routes
    assert route.domains == ("home.arpa", "lan")
    assert [one.name for one in config.upstreams_of(route)] == ["home"]
    assert [one.name for one in config.general_upstreams] == ["ns0"]


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        (
            '[[route]]\ndomains = ["lan"]\nupstreams = ["hme"]',
            "route #1.upstreams",
            'names "hme", and no [[upstream]] is called so; there are "home", "ns0".',
        ),
        (
            '[[route]]\ndomains = ["lan"]\nupstreams = ["home"]\n[[route]]\ndomains = ["corp"]\nupstreams = ["home"]',
            "route #2.upstreams",
            "write the domains of both into one [[route]]",
        ),
        (
            '[[route]]\ndomains = ["lan"]\nupstreams = ["home"]\n[[route]]\ndomains = ["lan"]\nupstreams = ["ns0"]',
            "route #2.domains",
            "one of the two never counts",
        ),
        (
            '[[route]]\ndomains = ["lan"]\nupstreams = ["home", "ns0"]',
            "upstream",
            "nobody is there to ask about everything else",
        ),
    ],
    ids=["nobody of that name", "one in two routes", "a domain twice", "nobody for the rest"],
)
def test_routes_that_lead_nowhere_are_errors(text: str, path: str, hint: str) -> None:
    assert hint in problems_of(f"{HOME}{text}")[path]


SAME = '[[upstream]]\nname = "home"\nurl = "tls://192.0.2.53#ns0.example.net"\n'
ROUTE = '[[route]]\ndomains = ["lan"]\nupstreams = ["home"]\n'


def test_one_resolver_for_a_route_and_for_everything_shares_a_budget() -> None:
    config = read(f'{ROUTE}{SAME}group = "own"\n{UPSTREAM}group = "own"', directory=Path("/"))
    assert [one.name for one in config.general_upstreams] == ["ns0"]
    problems = problems_of(f"{ROUTE}{SAME}")
    assert list(problems) == ["upstream #2.url"]
    assert 'Give both the same group, for example: group = "ns0"' in problems["upstream #2.url"]


def test_a_route_needs_both_keys_and_two_brackets() -> None:
    problems = problems_of("[route]")
    assert "two brackets" in problems["route"]
    assert problems["route #1.domains"].startswith("is missing. Write: domains = ")
    assert problems["route #1.upstreams"].startswith("is missing. Write: upstreams = ")
    assert "must be sections, not a whole number" in problems_of("route = 1")["route"]
    assert "must be a section, not a whole number" in problems_of("route = [1]")["route #1"]


def test_more_routes_than_anyone_needs_are_refused() -> None:
    text = "".join(f'[[route]]\ndomains = ["n{n}"]\nupstreams = ["home"]\n' for n in range(17))
    assert "16 are enough" in problems_of(f"{HOME}{text}")["route"]


def test_limits_follow_the_budgets_of_those_who_are_asked_about_everything() -> None:
    config = read(f'{HOME}preset = "associative"\n{ROUTE}{UPSTREAM}preset = "own"', directory=Path("/"))
    assert config.names.domain_misses_per_second == 1000


LIST = '[[blocklist]]\nname = "ads"\nnames = ["ads.example.net"]\n'


@pytest.mark.parametrize(
    ("text", "path", "sentence"),
    [
        ('[[blocklist]]\nname = "ads"\n', "blocklist #1", "lists nothing"),
        (LIST + 'reason = "law"\n', "blocklist #1.reference", "is missing where"),
        (LIST + 'action = "address"\n', "blocklist #1.addresses", "is empty while"),
        (LIST + 'addresses = ["192.0.2.80"]\n', "blocklist #1.addresses", "is of no use with"),
        (LIST + LIST.replace("ads", "ADS"), "blocklist #2.name", "as an earlier list is called"),
        (LIST + 'reason = "legal"\n', "blocklist #1.reason", 'write "law"'),
        (LIST + 'format = "domains"\n', "blocklist #1.format", 'write "names"'),
        ('[[blocklist]]\nnames = ["a.example"]\n', "blocklist #1.name", "is missing"),
        ("[blocklist]\n" + LIST.partition("\n")[2], "blocklist", "must have two brackets"),
        ("blocklist = 5", "blocklist", "must be sections"),
        ("blocklist = [5]", "blocklist #1", "must be a section"),
        (LIST * 17, "blocklist", "16 are enough"),
    ],
    ids=lambda value: value.replace("\n", " ")[-40:],
)
def test_a_list_that_does_nothing_or_contradicts_itself_is_an_error(text: str, path: str, sentence: str) -> None:
    assert sentence in problems_of(text)[path]


def test_a_list_may_have_networks_alone_and_a_law_its_reference() -> None:
    config = read_with(
        '[[blocklist]]\nname = "home"\nnetworks = ["192.0.2.0/24"]\n'
        + LIST
        + 'reason = "law"\nreference = "27/1"\naction = "address"\naddresses = ["192.0.2.80", "2001:db8::80"]\n'
    )
    assert [one.name for one in config.blocklists] == ["home", "ads"]


def test_a_mode_for_nobody_is_an_error() -> None:
    problems = problems_of('[listed]\nreaction = "members"')
    assert "nobody would be served" in problems["listed.reaction"]
    named = read_with('[listed]\nreaction = "members"\n[clients]\nmember_networks = ["192.0.2.0/24"]')
    assert named.listed.reaction == "members"


def test_a_program_that_no_shell_looks_for_needs_its_whole_path() -> None:
    problems = problems_of('[alerts]\ncommand = ["mail", "-s", "x"]')
    assert "write the program's whole path" in problems["alerts.command"]
    assert read_with('[alerts]\ncommand = ["/usr/bin/mail", "-s", "x"]').alerts.command[0] == "/usr/bin/mail"


def test_nobody_can_show_a_certificate_without_tls() -> None:
    text = '[clients]\nmember_ca_file = "members.pem"\n'
    assert "add [tls]" in problems_of(text)["clients.member_ca_file"]
    with_tls = '[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n'
    assert read_with(text + with_tls).clients.member_ca_file == Path("/etc/dohproxy/members.pem")


@pytest.mark.parametrize("listen", ["0.0.0.0:853", "[::]:853", "192.0.2.1:853"])
def test_dot_without_a_certificate_is_for_loopback_alone(listen: str) -> None:
    assert "[tls]" in problems_of(f'[dot]\nlisten = ["127.0.0.1:8853", "{listen}"]')["dot.listen #2"]
    certificate = '[tls]\ncertificate = "a.pem"\nkey = "a.key"'
    assert read_with(f'[dot]\nlisten = ["{listen}"]\n{certificate}').public_listen[1][0] == "dot.listen #1"


def test_dot_and_doh_cannot_have_one_address() -> None:
    assert "already listened on" in problems_of('[dot]\nlisten = ["127.0.0.1:8443"]')["dot.listen #1"]


TOLD = "[discovery]\nenabled = true\n"
NAMED = '[server]\nhost = "doh.example.net"\n'
OPEN = NAMED + 'listen = ["192.0.2.1:443"]\n'
TLS = '[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n'
FRONT = '[clients]\naddress_from = "forwarded"\ntrusted_proxies = ["127.0.0.1"]\n'
HTTP3 = "[discovery]\nhttp3 = true\n"


@pytest.mark.parametrize(
    ("text", "path", "sentence"),
    [
        (TOLD, "discovery.enabled", 'server.host is "localhost", which leads every client to itself; write'),
        (TOLD + '[server]\nhost = "192.0.2.1"', "discovery.enabled", 'host = "doh.example.net"'),
        (OPEN + TOLD, "discovery.enabled", "clients connect without TLS"),
        (OPEN + TLS + HTTP3, "discovery.http3", "does not speak HTTP/3"),
    ],
    ids=["no name", "an address for a name", "nothing encrypted", "HTTP/3 of our own"],
)
def test_what_is_not_served_is_not_to_be_told(text: str, path: str, sentence: str) -> None:
    problems = problems_of(text)
    assert list(problems) == [path]
    assert sentence in problems[path]


@pytest.mark.parametrize(
    "text",
    [OPEN + TLS + TOLD, OPEN + FRONT + TOLD + "http3 = true", NAMED + TOLD],
    ids=["TLS", "a front proxy", "something in front that tells nothing"],
)
def test_what_is_served_may_be_told(text: str) -> None:
    assert read_with(text).discovery.enabled


@pytest.mark.parametrize(
    ("budget", "key"),
    [("burst = 2", "burst"), ("in_flight = 2", "in_flight"), ("connections = 2", "connections")],
)
def test_more_workers_than_a_budget_can_be_divided_among_are_an_error(budget: str, key: str) -> None:
    whole = {"burst": 9, "in_flight": 9, "connections": 8} | {key: 2}
    text = "[server]\nworkers = 3\n" + UPSTREAM + "".join(f"{name} = {value}\n" for name, value in whole.items())
    with pytest.raises(ConfigError) as caught:
        read(text, directory=Path("/etc/dohproxy"))
    [problem] = caught.value.problems
    assert budget in f"{key} = 2"
    assert problem.path == "server.workers"
    assert f"upstream #1.{key} is 2" in problem.sentence
    assert "Write workers = 2" in problem.sentence


def test_as_many_workers_as_cores_are_divided_as_far_as_it_goes() -> None:
    assert read_with('[server]\nworkers = "cores"').server.workers == "cores"


def test_fewer_nodes_than_workers_are_an_error() -> None:
    nodes = '[nodes]\nstore = "unix:/run/valkey.sock"\nkey_file = "nodes.key"\nexpected = 1\n'
    problems = problems_of(f"[server]\nworkers = 2\n{nodes}")
    assert list(problems) == ["nodes.expected"]
    assert "expected = 2" in problems["nodes.expected"]
    assert read_with(f"[server]\nworkers = 2\n{nodes.replace('= 1', '= 2')}").nodes is not None


@pytest.mark.parametrize("key", ["burst", "in_flight", "connections"])
def test_a_budget_that_more_nodes_are_to_share_than_it_has_parts_is_an_error(key: str) -> None:
    nodes = '[nodes]\nstore = "unix:/run/valkey.sock"\nkey_file = "nodes.key"\nexpected = 3\n'
    whole = {"burst": 9, "in_flight": 9, "connections": 8}
    keys = "".join(f"{name} = {value}\n" for name, value in (whole | {key: 2}).items())
    with pytest.raises(ConfigError) as caught:
        read(nodes + UPSTREAM + keys, directory=Path("/etc/dohproxy"))
    [problem] = caught.value.problems
    assert problem.path == f"upstream #1.{key}"
    assert f"Write {key} = 3" in problem.sentence
    assert read(nodes + UPSTREAM + keys.replace(f"{key} = 2", f"{key} = 3"), directory=Path("/etc/dohproxy")).nodes
