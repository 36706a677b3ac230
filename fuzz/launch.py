"""Starts an atheris campaign for one target. `make fuzz` gives each a minute; `SECONDS=` more, `TARGET=` one alone.

Seeds are the project's own (`fuzz.seeds`, and the packets that tests run on), and the packets of foreign corpora where
there are any (tests/README.md), beside the directories named on the command line. What is found goes into the first of
those. To see one finding again: `.venv/bin/python -m fuzz.fuzz_answer .fuzz/answer-crash-...`
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

from tests.data import corpora
from tests.data.packets import all_packets


def launch(name: str) -> None:
    """Fuzz a target of `fuzz.targets` until libFuzzer's own options say stop."""
    with atheris.instrument_imports(include=["dohproxy"]):
        targets = importlib.import_module("fuzz.targets").TARGETS
        check = targets[name].load()
    with tempfile.TemporaryDirectory(prefix="dohproxy-seeds-") as directory:
        seeds = [*targets[name].seeds(), *all_packets().values()]
        importlib.import_module("fuzz.seeds").write(Path(directory), name, seeds)
        atheris.Setup([*sys.argv, *_seed_directories(sys.argv[1:], Path(directory, name))], check)
        atheris.Fuzz()


def _seed_directories(arguments: list[str], own: Path) -> list[str]:
    """The seeds, if a directory stands before them: libFuzzer writes into the first, and they are not its own."""
    if not any(Path(argument).is_dir() for argument in arguments):
        return []
    return [str(own), *map(str, corpora.packet_directories())]
