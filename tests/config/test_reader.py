"""TOML text into a configuration, or every reason why not."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.config import DIALECTS, PRESETS, Config, ConfigError, ListenAddress, Problem, UpstreamAddress, read
from dohproxy.config.sections import SECTIONS

HERE = Path("/etc/dohproxy")
UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'


def read_here(text: str) -> Config:
    return read(text, directory=HERE)


def problems_of(text: str) -> dict[str, str]:
    """Every problem of a text by its path; fails when a path is reported twice or the text can be used."""
    with pytest.raises(ConfigError) as caught:
        read_here(text)
    problems = {problem.path: problem.sentence for problem in caught.value.problems}
    assert len(problems) == len(caught.value.problems)
    return problems


def test_an_upstream_is_all_that_must_be_written() -> None:
    config = read_here(UPSTREAM)
    assert config.upstreams[0].url == UpstreamAddress("tls", "192.0.2.53", 853, "ns0.example.net")
    assert config.server.path == "/dns-query"


def test_the_fixed_keys_are_read() -> None:
    config = read_here(
        """
        [server]
        listen = ["[::]:443", "unix:h1.sock"]
        path = "/q"
        host = "doh.example.net"
        [tls]
        certificate = "fullchain.pem"
        key = "/srv/privkey.pem"
        [clients]
        address_from = "forwarded"
        trusted_proxies = ["192.0.2.0/24", "unix"]
        [limits]
        requests_per_second = 1
        misses_burst = 7
        [cache]
        max_megabytes = 128
        [[upstream]]
        name = "ns0"
        url = "udp://127.0.0.1:5353"
        [metrics]
        [admin]
        socket = "admin.sock"
        [log]
        format = "json"
        [dialects]
        post-x-pad = "refuse"
        """
    )
    assert config.server.listen == (
        ListenAddress("tcp", host="::", port=443),
        ListenAddress("unix", path="/etc/dohproxy/h1.sock"),
    )
    assert config.tls is not None
    assert (config.tls.certificate, config.tls.key) == (HERE / "fullchain.pem", Path("/srv/privkey.pem"))
    assert config.clients.trusted_proxies == (ip_network("192.0.2.0/24"), "unix")
    assert (config.limits.requests_per_second, config.limits.misses_burst) == (1.0, 7)
    assert config.metrics is not None
    assert str(config.metrics.listen) == "127.0.0.1:9153"
    assert config.admin is not None
    assert config.admin.socket == HERE / "admin.sock"
    assert config.log.format == "json"
    assert config.dialects.actions == {**dict.fromkeys(DIALECTS, "serve"), "post-x-pad": "refuse"}


# --- upstreams ---


@pytest.mark.parametrize("word", PRESETS)
def test_a_preset_fills_in_the_budget(word: str) -> None:
    (upstream,) = read_here(f'{UPSTREAM}preset = "{word}"').upstreams
    preset = PRESETS[word]
    assert (upstream.queries_per_second, upstream.burst, upstream.in_flight) == (
        preset.queries_per_second,
        preset.burst,
        preset.in_flight,
    )


def test_explicit_numbers_win_over_the_preset_one_by_one() -> None:
    (upstream,) = read_here(f'{UPSTREAM}preset = "quad9"\nburst = 7').upstreams
    assert (upstream.preset, upstream.queries_per_second, upstream.burst, upstream.in_flight) == (
        "quad9",
        300,
        7,
        64,
    )


def test_upstreams_keep_the_order_of_the_file() -> None:
    text = "".join(f'[[upstream]]\nname = "ns{n}"\nurl = "udp://192.0.2.{n}"\n' for n in (3, 1, 2))
    assert [upstream.name for upstream in read_here(text).upstreams] == ["ns3", "ns1", "ns2"]


@pytest.mark.parametrize("text", ["", "upstream = []", "[server]"], ids=["empty file", "empty list", "no section"])
def test_a_resolver_to_ask_is_needed(text: str) -> None:
    assert "there is no resolver to ask" in problems_of(text)["upstream"]


def test_single_brackets_are_pointed_out_and_the_rest_is_read_on() -> None:
    problems = problems_of('[upstream]\nname = "ns0"\nurl = "udp://localhost"\n')
    assert "two brackets" in problems["upstream"]
    assert "must not need DNS" in problems["upstream #1.url"]


def test_an_upstream_that_is_no_section_is_explained() -> None:
    problems = problems_of('upstream = ["192.0.2.53"]')
    assert problems["upstream #1"].startswith("must be a section, not a string. Write: [[upstream]]")


def test_more_upstreams_than_anyone_needs_are_refused() -> None:
    text = "".join(f'[[upstream]]\nname = "ns{n}"\nurl = "udp://192.0.2.{n}"\n' for n in range(1, 18))
    assert problems_of(text) == {"upstream": "stands 17 times, 16 are enough for anyone."}


def test_an_upstream_needs_name_and_url() -> None:
    assert problems_of("[[upstream]]\nburst = 4") == {
        "upstream #1.name": 'is missing. Write: name = "ns0"',
        "upstream #1.url": 'is missing. Write: url = "tls://192.0.2.53#ns0.example.net"',
    }


# --- keys and sections ---


@pytest.mark.parametrize(
    ("text", "path", "sentence"),
    [
        (
            "[server.tls]\ncertificate = 'a'\nkey = 'b'",
            "server.tls",
            "is not a key of [server]: it is a section of its own; write [tls].",
        ),
        (
            "[limits]\nrequests_per_secnd = 5",
            "limits.requests_per_secnd",
            "is not a key of [limits]: did you mean requests_per_second? For example: requests_per_second = 20",
        ),
        (
            "[limits]\nlisten = []",
            "limits.listen",
            "is not a key of [limits]: it belongs to [server] or [dot] or [metrics] or [admin].",
        ),
        (
            "[dialects]\npost_body_hash = 'serve'",
            "dialects.post_body_hash",
            'is not a key of [dialects]: did you mean post-body-hash? For example: post-body-hash = "serve"',
        ),
        ("[tls2]", "tls2", "is not a section: did you mean [tls]?"),
        ("[upstreams]", "upstreams", "is not a section: did you mean [[upstream]]?"),
        ("[cashe]", "cashe", "is not a section: did you mean [cache]?"),
        (
            "socket = 1",
            "socket",
            "is not a section: it is a key of [admin], to be written under that line.",
        ),
        (
            '[log]\n"\\u001b" = 1',
            'log."\\u001B"',
            "is not a key of [log]: remove it; there are level, format, lines_per_second.",
        ),
    ],
    ids=[
        "a section within another",
        "a misspelt key",
        "a key of other sections",
        "a dialect with underscores",
        "a misspelt section",
        "a section in the plural",
        "a section with a wrong letter",
        "a key above all sections",
        "a control character",
    ],
)
def test_an_unknown_name_is_an_error_that_shows_the_way(text: str, path: str, sentence: str) -> None:
    # Loose keys must stand above the first section, or they would belong to it.
    assert problems_of(f"{text}\n{UPSTREAM}") == {path: sentence}


def test_a_name_unlike_all_others_is_answered_with_the_list() -> None:
    (sentence,) = problems_of(f"{UPSTREAM}[zzzzzz]").values()
    assert sentence.startswith("is not a section: remove it; there are [server], [tls], [dot], [[upstream]],")


@pytest.mark.parametrize(
    ("text", "path", "sentence"),
    [
        (
            "[limits]\nrequests_burst = true",
            "limits.requests_burst",
            "must be a whole number, not true or false. For example: requests_burst = 200",
        ),
        (
            "[limits]\nrequests_burst = 0",
            "limits.requests_burst",
            "is 0, outside of 1 to 1000000 requests. For example: requests_burst = 200",
        ),
        (
            "[resolver]\nmax_sends = 4",
            "resolver.max_sends",
            "is 4, outside of 1 to 3 sends. For example: max_sends = 3",
        ),
        (
            '[server]\nlisten = "127.0.0.1:8443"',
            "server.listen",
            'must be a list in brackets, not a string. For example: listen = ["127.0.0.1:8443"]',
        ),
        (
            "[server]\nlisten = []",
            "server.listen",
            'has 0 items, not 1 to 16. For example: listen = ["127.0.0.1:8443"]',
        ),
        (
            '[server]\nlisten = ["127.0.0.1:1", 8443]',
            "server.listen #2",
            'must be a string in quotes, not a whole number. For example: listen = ["127.0.0.1:8443"]',
        ),
        (
            "[limits]\nexempt_networks = ['192.0.2.1/24']",
            "limits.exempt_networks #1",
            'is "192.0.2.1/24": it has bits set after its prefix; if the whole network is meant, write'
            ' "192.0.2.0/24". For example: exempt_networks = ["192.0.2.0/24"]',
        ),
        ("[dialects]\nget-ct-empty = 'ignore'", "dialects.get-ct-empty", 'is "ignore", which is not one of'),
        (
            "[log]\nlevel = 'warn'",
            "log.level",
            'is "warn", which is not one of "debug", "info", "warning", "error"; did you mean "warning"?',
        ),
        (
            "[log]\nlevel = 'INFO'",
            "log.level",
            'is "INFO", which is not one of "debug", "info", "warning", "error"; did you mean "info"?',
        ),
        ("[clients]\naddress_from = 'proxy_protocol'", "clients.address_from", 'is "proxy_protocol", which is not'),
        ("[clients]\naddress_from = 'X-Real-IP'", "clients.address_from", 'is "X-Real-IP", which is not one of'),
        ("server = 1", "server", "must be a section: write [server] once, on its own line."),
        ("[[server]]", "server", "must be a section: write [server] once, on its own line."),
        ("[tls]\nkey = 'a'", "tls.certificate", 'is missing. Write: certificate = "fullchain.pem"'),
        ("[tls]\ncertificate = 'a'", "tls.key", 'is missing. Write: key = "privkey.pem"'),
    ],
)
def test_a_value_that_cannot_be_used_is_told_with_a_line_that_can(text: str, path: str, sentence: str) -> None:
    problems = problems_of(f"{text}\n{UPSTREAM}")
    assert list(problems) == [path]
    assert problems[path].startswith(sentence)


def test_all_problems_are_told_at_once_in_the_order_of_the_schema() -> None:
    problems = problems_of(
        """
        [log]
        level = "loud"
        [limits]
        requests_burst = 0
        misses_burst = "many"
        unheard_of = 1
        [cache]
        minimum_ttl_seconds = 1801
        [server]
        listen = ["localhost:1", "127.0.0.1:2", "3"]
        [clients]
        address_from = "forwarded"
        [[upstream]]
        name = "a"
        url = "https://192.0.2.53"
        [[upstream]]
        name = "a"
        url = "udp://192.0.2.53"
        [nonsense]
        """
    )
    assert list(problems) == [
        "server.listen #1",
        "server.listen #3",
        "upstream #1.url",
        "upstream #2.name",
        "limits.unheard_of",
        "limits.requests_burst",
        "limits.misses_burst",
        "log.level",
        "nonsense",
        "cache.minimum_ttl_seconds",
        "clients.trusted_proxies",
    ]


def test_a_header_that_is_not_read_is_answered_with_one_that_is() -> None:
    sentence = problems_of(f"[clients]\naddress_from = 'X-Real-IP'\n{UPSTREAM}")["clients.address_from"]
    assert ': that header is not read. Let the front proxy send X-Forwarded-For and write "x-forwarded-for"' in sentence


def test_every_problem_has_the_line_of_its_key_or_of_what_should_hold_it() -> None:
    text = """\
# a comment
[server]
path = "dns-query"
listen = [
  "127.0.0.1:1",  # [limits]
  "nowhere",
]
[limits]
requests_burst = 0
[cache]
minimum_ttl_seconds = 1801
[[upstream]]
name = "ns0"
url = "udp://192.0.2.53"
[[upstream]]
name = "ns1"
[log]
levl = "info"
[nonsense]
"""
    with pytest.raises(ConfigError) as caught:
        read_here(text)
    assert {problem.path: problem.line for problem in caught.value.problems} == {
        "server.path": 3,
        "server.listen #2": 6,
        "limits.requests_burst": 9,
        "cache.minimum_ttl_seconds": 11,
        "upstream #2.url": 15,
        "log.levl": 18,
        "nonsense": 19,
    }
    assert str(caught.value.problems[1]).startswith('server.path (line 3) is "dns-query": it must begin with')


def test_a_mark_before_the_text_says_nothing() -> None:
    assert read_here(f"\ufeff{UPSTREAM}") == read_here(UPSTREAM)


# --- not TOML ---


@pytest.mark.parametrize(
    ("text", "path", "written"),
    [
        ("[server]\npath /dns-query\n", "line 2, column 6", '"path /dns-query"'),
        ("[server]\nhost = doh.example.net", "line 2, column 8", '"host = doh.example.net"'),
        ("[server]\n[log]\n[server]", "line 3, column 8", '"[server]"'),
        ("[server]\npath = '/a'\npath = '/b'\n", "line 3, column 12", "\"path = '/b'\""),
        ("\ufeff[server\n", "line 1, column 8", '"[server"'),
    ],
    ids=["no equals sign", "no quotes", "a section twice", "a key twice", "after a byte order mark"],
)
def test_a_syntax_error_is_told_with_its_line(text: str, path: str, written: str) -> None:
    problems = problems_of(text)
    assert list(problems) == [path]
    assert written in problems[path]


def test_a_file_that_ends_too_early_says_so() -> None:
    assert list(problems_of('[server]\npath = "/dns')) == ["line 2 (the end)"]


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 10_000, "a = " + "1" * 5_000], ids=["lists in lists", "a number of 5000 digits"]
)
def test_what_python_itself_will_not_read_is_an_error_like_others(text: str) -> None:
    assert "too long or lists nested too deeply" in problems_of(text)["the configuration"]


def test_a_number_too_long_to_print_is_not_printed() -> None:
    problems = problems_of(f"{UPSTREAM}burst = 0x{'f' * 10_000}")
    assert problems["upstream #1.burst"].startswith("is a number of more than 64 bits, outside of")


def test_a_key_of_any_length_is_answered_soon_and_shortly() -> None:
    ((path, sentence),) = problems_of(f"{UPSTREAM}{'x' * 200_000} = 1").items()
    assert len(path) < 100
    assert len(sentence) < 300


# --- any document at all ---

scalars = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["unix", "127.0.0.1:1", "udp://127.0.0.1", "tls://[::1]#a.b", "0.0.0.0/0", "/", "own"])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
key_names = st.sampled_from([name for section in SECTIONS for name in section.keys]) | st.text(max_size=8)
tables = st.dictionaries(key_names, values, max_size=6)
section_names = st.sampled_from([section.name for section in SECTIONS]) | st.text(max_size=8)
documents = st.dictionaries(section_names, tables | st.lists(tables, max_size=3) | values, max_size=6)


def as_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list():
            return "[" + ", ".join(as_toml(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{as_toml(name)} = {as_toml(item)}" for name, item in value.items()) + "}"
        case _:
            return '"' + "".join(f"\\U{ord(character):08X}" for character in str(value)) + '"'


def assert_is_usable_or_explained(text: str) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        config = read_here(text)
    except ConfigError as error:
        problems = error.problems
    else:
        assert config.upstreams
        return
    assert problems
    assert all(problem.path and problem.sentence for problem in problems)
    assert all(str(problem).isprintable() for problem in problems)


@given(documents)
@settings(max_examples=150, deadline=None)
def test_any_toml_document_is_usable_or_explained(document: dict[str, object]) -> None:
    text = "\n".join(f"{as_toml(name)} = {as_toml(value)}" for name, value in document.items())
    assert_is_usable_or_explained(text)


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_usable_or_explained(text: str) -> None:
    assert_is_usable_or_explained(text)
