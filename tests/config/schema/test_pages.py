"""The public pages."""

from pathlib import Path

import pytest

from dohproxy.config import ConfigError, PagesConfig, read

HERE = Path("/etc/dohproxy")
UPSTREAM = '[[upstream]]\nname = "a"\nurl = "udp://127.0.0.1:53"\n'


def test_nothing_is_published_unasked() -> None:
    assert not PagesConfig().enabled
    assert PagesConfig().folder is None


def test_files_are_beside_the_configuration() -> None:
    text = UPSTREAM + '[pages]\nenabled = true\nfolder = "pages"\nparagraphs_file = "policy.txt"\n'
    found = read(text, directory=HERE).pages
    assert (found.folder, found.paragraphs_file) == (Path("/etc/dohproxy/pages"), Path("/etc/dohproxy/policy.txt"))


@pytest.mark.parametrize("path", ["/", "/policy", "/fr", "/status.json"])
def test_a_query_and_a_page_cannot_be_at_one_path(path: str) -> None:
    text = UPSTREAM + f'[server]\npath = "{path}"\n'
    assert read(text, directory=HERE).server.path == path
    with pytest.raises(ConfigError, match=rf'pages\.enabled \(line 7\) is true while server\.path is "{path}"'):
        read(text + "[pages]\nenabled = true\n", directory=HERE)
