"""The pictures of the documentation can be made: the command's short form, up to the flood."""

from pathlib import Path

import pytest

from bench.pictures.__main__ import make
from bench.pictures.png import size_of
from bench.pictures.scene import QUICK
from bench.pictures.setup import VIEWS, make_setup
from bench.pictures.shots import MOST_BYTES, PICTURES, Moment
from tests.conftest import FindProgram

pytestmark = pytest.mark.long

SHORT = [picture for picture in PICTURES if picture.moment is not Moment.OUTAGE]


@pytest.fixture(scope="module")
def made(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with those pictures that are made while the upstreams are there."""
    find_program("chromium", "chromium")
    directory = tmp_path_factory.mktemp("pictures")
    make(directory, QUICK, SHORT, with_panels=False)
    return directory


def test_they_are_made_while_the_flood_comes(made: Path) -> None:
    assert {file.name for file in made.iterdir()} == {picture.file for picture in SHORT}
    for picture in SHORT:
        content = (made / picture.file).read_bytes()
        assert size_of(content) == (picture.width, picture.height)
        # An empty page is a tenth of that.
        assert 10_000 < len(content) < MOST_BYTES, picture


def test_the_members_page_is_made_as_browsers_show_it(find_program: FindProgram, tmp_path: Path) -> None:
    make_setup(tmp_path, find_program("chromium", "chromium"))
    assert {file.name for file in tmp_path.iterdir()} == {view.picture.file for view in VIEWS}
    for view in VIEWS:
        content = (tmp_path / view.picture.file).read_bytes()
        assert size_of(content) == (view.picture.width, view.picture.height)
        assert 10_000 < len(content) < MOST_BYTES, view
