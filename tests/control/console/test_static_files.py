"""The files of the page: all there, held to a policy that they keep to, and nothing of them from elsewhere."""

import re
from pathlib import Path

import pytest

from dohproxy.control.console import static_files
from dohproxy.control.console.static_files import FILES, POLICY, read_files

STATIC = Path(static_files.__file__).parent / "static"
OURS = [name for name, _ in FILES.values() if not name.startswith("uPlot")]


def test_what_lies_there_is_served_and_nothing_else() -> None:
    assert {name for name, _ in FILES.values()} == {path.name for path in STATIC.iterdir()}
    assert sum(len(one.body) for one in read_files().values()) < 150_000


def test_a_file_is_known_by_what_is_in_it() -> None:
    files = read_files()
    assert len({one.etag for one in files.values()}) == len(files)
    page = files["/"]
    assert page.is_known(f'"other", W/{page.etag}')
    assert page.is_known("*")
    assert not page.is_known('"other"')
    assert not page.is_known("")


@pytest.mark.parametrize("name", OURS)
def test_nothing_comes_from_elsewhere(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?:|//[a-z]+\.|@import|url\(", text) == []


def test_no_script_and_no_style_stands_in_the_page() -> None:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", text) == []
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("name", [name for name in OURS if name.endswith(".js")])
def test_what_comes_from_outside_never_becomes_markup(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc", text) == []


def test_uplot_comes_with_its_licence() -> None:
    assert "MIT" in (STATIC / "uPlot.LICENSE.txt").read_text(encoding="utf-8")
    assert "v1.6.32" in (STATIC / "uPlot.iife.min.js").read_text(encoding="utf-8")
