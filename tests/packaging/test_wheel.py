"""The wheel: what somebody who installs it gets, and what they do not."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import dohproxy

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    # In a process of its own, as every installer does: the build backend expects to be alone.
    build = "import sys, hatchling.build; hatchling.build.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(directory)], cwd=ROOT, check=True, capture_output=True, timeout=60)
    [path] = directory.glob("*.whl")
    return zipfile.ZipFile(path)


def _metadata(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(f"dohproxy-{dohproxy.__version__}.dist-info/{name}").decode()


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"dohproxy", f"dohproxy-{dohproxy.__version__}.dist-info"}


def test_the_wheel_tells_type_checkers_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "dohproxy/py.typed" in wheel.namelist()


def test_the_wheel_has_the_words_of_the_public_pages(wheel: zipfile.ZipFile) -> None:
    assert {"dohproxy/pages/words/en.toml", "dohproxy/pages/words/fr.toml"} <= set(wheel.namelist())


def test_the_wheel_has_the_templates_of_the_profiles(wheel: zipfile.ZipFile) -> None:
    templates = (ROOT / "dohproxy" / "profiles" / "templates").iterdir()
    assert {f"dohproxy/profiles/templates/{path.name}" for path in templates} <= set(wheel.namelist())


def test_the_wheel_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    assert "License-Expression: AGPL-3.0-or-later" in _metadata(wheel, "METADATA")
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in _metadata(wheel, "licenses/LICENSE")


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    assert "dohproxy = dohproxy.__main__:main" in _metadata(wheel, "entry_points.txt")
