"""The files of the public pages."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import Config, PagesConfig
from dohproxy.config.page_files import check_pages
from tests.fakes.pages import CONFIG


def with_pages(**keys: Path) -> Config:
    return replace(CONFIG, pages=PagesConfig(enabled=True, **keys))  # type: ignore[arg-type]  # they are its paths


def sentences(config: Config) -> list[str]:
    return [str(problem) for problem in check_pages(config)]


def test_what_can_be_written_and_read_is_well(tmp_path: Path) -> None:
    own = tmp_path / "policy.txt"
    own.write_text("Be kind.", encoding="utf-8")
    assert sentences(with_pages(folder=tmp_path, paragraphs_file=own)) == []
    assert sentences(with_pages(folder=tmp_path / "new")) == []


def test_what_is_of_no_effect_is_not_looked_at(tmp_path: Path) -> None:
    config = replace(CONFIG, pages=PagesConfig(folder=tmp_path / "none" / "pages"))
    assert sentences(config) == []


def test_a_folder_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    none = tmp_path / "none"
    assert sentences(with_pages(folder=file)) == [f"pages.folder names {file}, which is a file; name a directory."]
    assert sentences(with_pages(folder=none / "pages")) == [
        f"pages.folder names {none / 'pages'}, and there is no directory {none}; make it."
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "may not write" in sentences(with_pages(folder=tmp_path))[0]


def test_paragraphs_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    none = tmp_path / "none.txt"
    assert sentences(with_pages(paragraphs_file=none)) == [
        f"pages.paragraphs_file names {none}, which cannot be read: No such file or directory."
    ]


def test_paragraphs_in_a_pipe_hang_nothing_and_are_told(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert sentences(with_pages(paragraphs_file=pipe)) == [
        f"pages.paragraphs_file names {pipe}, which cannot be read: Not a regular file."
    ]
