"""The figures of this process: those of prometheus_client, also where the unit hides what it reads."""

import shutil
from pathlib import Path

import pytest
from prometheus_client import ProcessCollector

import dohproxy
from dohproxy.observability.process_figures import BUILD_FIGURES, PROCESS_FIGURES, OpenFiles, build, process_statistics
from tests.fakes.samples import samples_of


def _values(own: Path = Path("/proc/self")) -> dict[str, float]:
    statistics = process_statistics(OpenFiles(own / "fd", is_told=False).count, own)
    assert statistics is not None
    return {name: value for (name, _), value in samples_of(PROCESS_FIGURES, statistics).items()}


def test_they_are_those_of_every_prometheus_client() -> None:
    families = ProcessCollector(registry=None).collect()
    theirs = {sample.name: sample.value for family in families for sample in family.samples}
    ours = _values()
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        # Between the two some memory and CPU time is used; the start is as exact as a tick and a second of the boot.
        assert ours[name] == pytest.approx(value, rel=0.1, abs=1.5), name


def test_they_need_nothing_but_the_processs_own_directory(tmp_path: Path) -> None:
    for name in ("stat", "limits"):
        shutil.copyfile(f"/proc/self/{name}", tmp_path / name)
    (tmp_path / "fd").mkdir()
    (tmp_path / "fd" / "0").touch()
    values = _values(tmp_path)
    assert values["process_open_fds"] == 1
    assert values["process_resident_memory_bytes"] > 1_000_000


def test_a_name_may_hold_anything(tmp_path: Path) -> None:
    fields = " ".join(str(number) for number in range(3, 53))
    (tmp_path / "stat").write_text(f"1 (a) b) (c) {fields}\n")
    (tmp_path / "fd").mkdir()
    (tmp_path / "limits").write_text("Max open files            unlimited            unlimited            files\n")
    values = _values(tmp_path)
    assert values["process_virtual_memory_bytes"] == 23
    assert values["process_max_fds"] == float("inf")


def test_where_there_is_no_linux_there_are_none(tmp_path: Path) -> None:
    assert process_statistics(0, tmp_path) is None
    assert OpenFiles(tmp_path / "fd").count == 0


def test_the_version_that_runs_is_told_with_its_form() -> None:
    version, form = build()
    assert version == dohproxy.__version__
    assert samples_of(BUILD_FIGURES, (version, form)) == {("dohproxy_build_info", (version, form)): 1.0}
    assert form in BUILD_FIGURES.figures[0].labels[1].values


async def test_open_files_are_counted_now_and_then_where_the_kernel_does_not_tell_how_many_there_are(
    tmp_path: Path,
) -> None:
    told, counted = OpenFiles(tmp_path, is_told=True), OpenFiles(tmp_path, is_told=False)
    size = tmp_path.stat().st_size  # noqa: ASYNC240  # a directory of the test's own
    (tmp_path / "0").touch()
    assert (told.count, counted.count) == (size, 0)
    await told.poll()
    await counted.poll()
    assert (told.count, counted.count) == (size, 1)


def test_open_files_of_this_process_are_those_that_are_listed() -> None:
    # Whoever lists them has one more open meanwhile.
    assert OpenFiles().count == pytest.approx(len(list(Path("/proc/self/fd").iterdir())), abs=2)
