"""Starts an atheris campaign for one target. `make fuzz` gives each a minute; `SECONDS=` more, `TARGET=` one alone.

Seeds are the project's own (`fuzz.seeds`), and the packets of public corpora where they are found (DOHPROXY_CORPORA, or
../shared/corpora), beside the directories named on the command line. What is found goes into the first of those. To see
one finding again: `.venv/bin/python -m fuzz.fuzz_answer .fuzz/answer-crash-...`
"""

import importlib
import os
import sys
import tempfile
from pathlib import Path

import atheris

CORPORA = ("bind9/messages", "bind9/names", "dnsproxy")


def launch(name: str) -> None:
    """Fuzz a target of `fuzz.targets` until libFuzzer's own options say stop."""
    with atheris.instrument_imports(include=["dohproxy"]):
        targets = importlib.import_module("fuzz.targets").TARGETS
        check = targets[name].load()
    with tempfile.TemporaryDirectory(prefix="dohproxy-seeds-") as directory:
        importlib.import_module("fuzz.seeds").write(Path(directory), name, targets[name].seeds())
        atheris.Setup([*sys.argv, *_seed_directories(sys.argv[1:], Path(directory, name))], check)
        atheris.Fuzz()


def _seed_directories(arguments: list[str], own: Path) -> list[str]:
    """The seeds, if a directory stands before them: libFuzzer writes into the first, and they are not its own."""
    if not any(Path(argument).is_dir() for argument in arguments):
        return []
    default = Path(__file__).parents[2] / "shared" / "corpora"
    packets = Path(os.environ.get("DOHPROXY_CORPORA", default)) / "dns-packets"
    return [str(own), *(str(packets / name) for name in CORPORA if (packets / name).is_dir())]
