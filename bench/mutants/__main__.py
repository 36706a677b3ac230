"""Takes each limit of SECURITY.md out and runs the tests that the page names: `python -m bench mutants`.

Takes about ten minutes of one core and writes bench/mutants/results.md. Exit codes: 0 each limit is held by a
test; 1 one is not.
"""

import argparse
import sys
from datetime import UTC, datetime

from bench.mutants.mutations import FILE, PROJECT, faults_of, read_mutations, rows_of
from bench.mutants.results import FILE as RESULTS
from bench.mutants.results import Trial, render
from bench.mutants.trial import Outcome, copy_of_project, run_tests, try_mutation


def main() -> None:
    """Try all, or those that are named; write the table if it was all."""
    parser = argparse.ArgumentParser(prog="python -m bench mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="attacks whose name contains this")
    only = parser.parse_args().only
    rows = rows_of((PROJECT / "SECURITY.md").read_text(encoding="utf-8"))
    mutations = read_mutations(FILE.read_text(encoding="utf-8"))
    faults = faults_of(rows, mutations)
    if faults:
        raise SystemExit("\n".join(faults))
    by_attack = {row.attack: row for row in rows}
    trials: list[Trial] = []
    whole: dict[str, Outcome] = {}
    with copy_of_project() as tree:
        for mutation in mutations:
            if only not in mutation.attack:
                continue
            row = by_attack[mutation.attack]
            if row.attack not in whole:
                whole[row.attack] = run_tests(row.tests, tree)
            trial = Trial(row, mutation, whole[row.attack], try_mutation(mutation, row.tests, tree))
            trials.append(trial)
            print(f"{'held' if trial.is_held else 'NOT HELD':9} {trial.without:8} {row.attack}", flush=True)
    if not only:
        RESULTS.write_text(render(trials, f"{datetime.now(UTC):%Y-%m-%d}"), encoding="utf-8")
    sys.exit(0 if all(trial.is_held for trial in trials) else 1)


if __name__ == "__main__":
    main()
