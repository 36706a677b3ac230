"""Names of files in a configuration are replaced, and nothing else."""

import tomllib
from pathlib import Path

import pytest

from dohproxy.tools.backup.relocation import CannotRelocate, is_bound, relocated, written

TEXT = """\
# ours
[tls]
certificate = "/etc/a.pem"   # a comment
key = '/etc/a.key'
[[blocklist]]
file = "/etc/one \\u00e9.txt"
[[blocklist]]
file = "two.txt"
"""


def test_names_are_replaced_however_they_are_spelled() -> None:
    moves = {"tls.certificate": Path("/n/c"), "tls.key": Path('/n/"k"'), "blocklist #1.file": Path("/n/é")}
    found = relocated(TEXT, moves)
    assert tomllib.loads(found) == {
        "tls": {"certificate": "/n/c", "key": '/n/"k"'},
        "blocklist": [{"file": "/n/é"}, {"file": "two.txt"}],
    }
    assert found.startswith('# ours\n[tls]\ncertificate = "/n/c"   # a comment\n')


def test_two_keys_may_name_the_same_file_and_be_moved() -> None:
    text = "[tls]\ncertificate = '/a'\nkey = '/a'\n"
    found = relocated(text, {"tls.certificate": Path("/b"), "tls.key": Path("/b")})
    assert tomllib.loads(found) == {"tls": {"certificate": "/b", "key": "/b"}}


@pytest.mark.parametrize(
    "text",
    [
        "[tls]\ncertificate = '''/a'''\n",
        "[tls]\ncertificate = '/a'\n[server]\npath = '/a'\n",
        '[tls]\ncertificate = "\\u002fa"\n',
    ],
    ids=["spelled as long text", "said of something else too", "spelled by a number"],
)
def test_what_would_not_come_out_right_is_refused(text: str) -> None:
    with pytest.raises(CannotRelocate, match=r"tls\.certificate"):
        relocated(text, {"tls.certificate": Path("/b")})


def test_what_is_written_is_found() -> None:
    assert written(tomllib.loads(TEXT), "blocklist #2.file") == "two.txt"
    assert written(tomllib.loads(TEXT), "tls.key") == "/etc/a.key"


@pytest.mark.parametrize(("text", "bound"), [("/a", True), ("../a", True), ("a/../b", True), ("a/b", False)])
def test_what_stays_below_the_configuration_need_not_be_replaced(text: str, bound: bool) -> None:
    assert is_bound(text) is bound
