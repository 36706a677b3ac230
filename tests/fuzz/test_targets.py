"""Every fuzz target on its own seeds and on all packets: what `make fuzz` begins with holds before that."""

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.seeds import write
from fuzz.targets import TARGETS
from tests.data.packets import all_packets

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_its_own_seeds(name: str) -> None:
    check = TARGETS[name].load()
    seeds = TARGETS[name].seeds()
    assert len(seeds) >= 2
    for seed in seeds:
        check(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_the_seeds_of_all_others(name: str) -> None:
    check = TARGETS[name].load()
    for other in TARGETS.values():
        for seed in other.seeds():
            check(seed[:4_096])


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_our_own_packets(name: str) -> None:
    check = TARGETS[name].load()
    for wire in all_packets().values():
        check(wire)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_on_foreign_packets(corpora: Path, name: str) -> None:
    check = TARGETS[name].load()
    packets = sorted(path for path in (corpora / "dns-packets").rglob("*") if path.is_file())
    assert len(packets) > 300
    for path in packets:
        check(path.read_bytes())


def test_each_target_is_a_program_of_its_own_that_says_what_holds() -> None:
    programs = {
        path.stem.removeprefix("fuzz_"): path.read_text(encoding="utf-8") for path in ROOT.glob("fuzz/fuzz_*.py")
    }
    assert programs.keys() == TARGETS.keys()
    for name, program in programs.items():
        assert program.startswith('"""Whatever ')
        assert f'launch("{name}")' in program


def test_seeds_are_written_as_libfuzzer_takes_them(tmp_path: Path) -> None:
    write(tmp_path, "query", [b"one", b"two", b"one"])
    assert sorted(path.read_bytes() for path in (tmp_path / "query").iterdir()) == [b"one", b"two"]


def test_all_seeds_can_be_written_by_a_command(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "fuzz.seeds", str(tmp_path)], cwd=ROOT, check=True, timeout=60)
    assert {path.name for path in tmp_path.iterdir()} == TARGETS.keys()
    assert all(any(path.iterdir()) for path in tmp_path.iterdir())


def test_every_target_names_modules_that_there_are() -> None:
    for target in TARGETS.values():
        assert target.modules
        assert all((ROOT / "dohproxy" / f"{module}.py").exists() for module in target.modules)


def test_the_coverage_of_a_target_is_told() -> None:
    argv = [sys.executable, "-m", "fuzz.figures", "resolv_conf"]
    run = subprocess.run(argv, cwd=ROOT, check=True, timeout=60, capture_output=True, text=True)
    assert run.stdout.split()[0] == "resolv_conf"
    assert run.stdout.endswith("100.0% covered\n")


def test_the_page_says_of_every_target_what_it_holds_and_what_campaigns_found() -> None:
    lines = (ROOT / "docs" / "fuzzing.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert rows == 2 * sorted(TARGETS)
