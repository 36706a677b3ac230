"""Compares what requests cost in instructions with the baselines: `make bench-guard`. Takes half a minute of CPU time.

Two runs of the same code differ by less than 1 %, on a busy machine too. Another build of the same Python moves a
figure by up to 10 %: where one is near its limit, `--against COMMIT` measures both sides here.

Exit codes: 0 nothing costs over 15 % more than it did; 1 something does; 2 it cannot be told here.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, NoReturn

from bench.guard import verdict
from bench.guard.player import COUNT_ARGUMENT, MARK
from bench.guard.plays import PLAYS, YARDSTICK
from bench.sources import NATIVE, sources

PROJECT: Final = Path(__file__).parents[2]
VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
TIMEOUT_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    renew: bool
    against: str | None
    only: str
    compiled: bool

    @property
    def build(self) -> str:
        """Whose baselines are meant."""
        return f"{VERSION} compiled" if self.compiled else VERSION


def main() -> None:
    """Measure, compare, say so, exit."""
    options = parse()
    for program in ("valgrind", "vgdb"):
        if shutil.which(program) is None:
            _cannot(f"{program} is not installed; on Debian: apt-get install valgrind")
    baselines = verdict.read_baselines(verdict.FILE.read_text(encoding="utf-8")) if verdict.FILE.exists() else {}
    names = [name for name in PLAYS if options.only in name and name != YARDSTICK]
    if options.against is not None:
        with sources_of(options.against) as directory:
            was: verdict.Ratios = measure(names, directory)
    else:
        was = baselines.get(options.build, {})
        if not was and not options.renew:
            _cannot(f"there are no baselines for Python {options.build}; make them with --renew, or name a commit")
    found = measure(names, NATIVE if options.compiled else PROJECT)
    print("\n".join(verdict.table(was, found)))
    if options.renew:
        # Workloads that are gone go, those that were left out stay.
        kept = {name: found.get(name, was.get(name)) for name in PLAYS}
        baselines[options.build] = {name: ratio for name, ratio in kept.items() if ratio is not None}
        verdict.FILE.write_text(verdict.write_baselines(baselines), encoding="utf-8")
        return
    findings = [*verdict.judge(was, found), *verdict.judge_multiples(found)]
    for finding in findings:
        print(finding.sentence)
    sys.exit(1 if any(finding.is_failure for finding in findings) else 0)


def parse() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench guard", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--renew", action="store_true", help="make what is found the baselines")
    parser.add_argument("--against", metavar="COMMIT", help="compare with dohproxy/ of a commit instead, measured here")
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads whose name contains this")
    parser.add_argument("--compiled", action="store_true", help="measure what `make native` made, beside its baselines")
    options = Options(**vars(parser.parse_args()))
    if options.compiled and options.against is not None:
        parser.error("a commit has only its source; what is compiled has nothing to compare with there")
    if options.compiled and sources() != NATIVE:
        _cannot("there is nothing compiled of this source: make native")
    if options.renew and options.against is not None:
        parser.error("--renew writes what is here now; it has nothing to compare with")
    return options


def measure(names: Sequence[str], sources: Path) -> dict[str, float]:
    """Return what each workload costs, as a multiple of the yardstick, with the `dohproxy` that lies in `sources`."""
    played = [YARDSTICK, *names]
    with tempfile.TemporaryDirectory(prefix="dohproxy-guard-") as directory:
        root = Path(directory)
        environment = {
            **os.environ,
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": f"{sources}{os.pathsep}{PROJECT}",
            "PYTHONPYCACHEPREFIX": str(root / "compiled"),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        player = [sys.executable, "-P", "-m", "bench.guard.player"]
        # Once without, because to compile everything under valgrind takes longer than all the rest.
        _run([*player, *played], environment)
        dumps = root / "counted"
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", f"--dump-before={MARK}"]
        valgrind.append(f"--callgrind-out-file={dumps}")
        told = _run([*valgrind, *player, COUNT_ARGUMENT, *played], environment)
        # There are two marks to each workload, and the dump at the second one has it.
        instructions = {
            name: verdict.read_total(Path(f"{dumps}.{2 * number}").read_text(encoding="ascii", errors="replace"))
            for number, name in enumerate(played, start=1)
        }
    return verdict.ratios(instructions, json.loads(told), YARDSTICK)


def _run(argv: Sequence[str], environment: dict[str, str]) -> str:
    run = subprocess.run(
        argv, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if run.returncode:
        _cannot(f"the workloads could not be played:\n{run.stderr}")
    return run.stdout


@contextmanager
def sources_of(commit: str) -> Iterator[Path]:
    """Give a directory with `dohproxy` as it was at a commit."""
    argv = ["git", "archive", "--format=tar", commit, "dohproxy"]
    packed = subprocess.run(argv, cwd=PROJECT, capture_output=True, check=False)
    if packed.returncode:
        _cannot(packed.stderr.decode(errors="replace").strip())
    with tempfile.TemporaryDirectory(prefix="dohproxy-guard-") as directory:
        with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
            archive.extractall(directory, filter="data")
        yield Path(directory)


def _cannot(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
