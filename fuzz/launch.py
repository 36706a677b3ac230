"""Starts an atheris campaign for one invariant. `make fuzz` gives every target a minute, `SECONDS=` more.

Seeds are the packets of the public corpora, read where they are (DOHPROXY_CORPORA, or ../shared/corpora), beside the
directories named on the command line. What is found goes into the first of those. To see one finding again:
`.venv/bin/python fuzz/fuzz_answer.py .fuzz/answer-crash-...`
"""

import importlib
import os
import sys
from pathlib import Path

import atheris

SEEDS = ("bind9/messages", "bind9/names", "dnsproxy")


def launch(invariant: str, module: str = "fuzz.invariants") -> None:
    """Fuzz the function of this name in a module until libFuzzer's own options say stop."""
    with atheris.instrument_imports(include=["dohproxy"]):
        invariants = importlib.import_module(module)
    atheris.Setup([*sys.argv, *_seed_directories(sys.argv[1:])], getattr(invariants, invariant))
    atheris.Fuzz()


def _seed_directories(arguments: list[str]) -> list[str]:
    """The corpora, if a directory stands before them: libFuzzer writes into the first, and they are not ours."""
    if not any(Path(argument).is_dir() for argument in arguments):
        return []
    default = Path(__file__).parents[2] / "shared" / "corpora"
    packets = Path(os.environ.get("DOHPROXY_CORPORA", default)) / "dns-packets"
    return [str(packets / name) for name in SEEDS if (packets / name).is_dir()]
