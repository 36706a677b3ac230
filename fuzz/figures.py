"""What campaigns have reached: `python -m fuzz.figures` replays what `make fuzz` has kept and tells the coverage.

For each target: the inputs that were kept (.fuzz/TARGET, beside its seeds), and the share of the statements of its
modules that they run. docs/fuzzing.md has the figures of the last campaign.
"""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import coverage

PROJECT: Final = Path(__file__).parents[1]
KEPT: Final = PROJECT / ".fuzz"


def kept(name: str, directory: Path = KEPT) -> list[bytes]:
    """Return the inputs that campaigns have kept for a target."""
    place = directory / name
    return [path.read_bytes() for path in sorted(place.iterdir())] if place.is_dir() else []


def replay(name: str) -> tuple[int, float]:
    """Return how many inputs a target has, seeds and kept ones, and the share of its modules' statements that they run.

    Nothing of the package may have been imported before: what an import runs would not be counted.
    """
    measured = coverage.Coverage(data_file=None, source=[str(PROJECT / "dohproxy")], config_file=False)
    measured.start()
    target = importlib.import_module("fuzz.targets").TARGETS[name]
    check, inputs = target.load(), [*target.seeds(), *kept(name)]
    for one in inputs:
        check(one)
    measured.stop()
    statements = missing = 0
    for module in target.modules:
        _, in_file, _, not_run, _ = measured.analysis2(str(PROJECT / "dohproxy" / f"{module}.py"))
        statements += len(in_file)
        missing += len(not_run)
    return len(inputs), 1 - missing / statements


def main() -> None:
    """Print a line for each target that is named, or for all."""
    names = sys.argv[1:]
    if len(names) == 1:
        inputs, share = replay(names[0])
        sys.stdout.write(f"{names[0]:<14} {inputs:>6} inputs  {share:6.1%} covered\n")
        return
    for name in names or sorted(path.stem.removeprefix("fuzz_") for path in Path(__file__).parent.glob("fuzz_*.py")):
        subprocess.run([sys.executable, "-m", "fuzz.figures", name], cwd=PROJECT, check=False)  # noqa: S603 - ourselves


if __name__ == "__main__":
    main()
