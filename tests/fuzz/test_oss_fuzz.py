"""What OSS-Fuzz's builder runs: one fuzzer for each target, and a zip of its seeds beside it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
# In place of the builder's own programs: what they are called with is all that can be seen here.
COMPILER = '#!/bin/sh\necho "$@" >> "$OUT/compiled"\n'
PYTHON = '#!/bin/sh\n[ "$2" = pip ] && exit 0\nexec {python} "$@"\n'


def test_every_target_is_built_with_its_seeds(tmp_path: Path) -> None:
    for name in ("src", "out", "work", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "src" / "dohproxy").symlink_to(ROOT)
    for name, program in {"compile_python_fuzzer": COMPILER, "python3": PYTHON.format(python=sys.executable)}.items():
        (tmp_path / "bin" / name).write_text(program, encoding="ascii")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "SRC": str(tmp_path / "src"),
        "OUT": str(tmp_path / "out"),
        "WORK": str(tmp_path / "work"),
    }
    subprocess.run([ROOT / "fuzz" / "oss_fuzz" / "build.sh"], env=environment, check=True, timeout=120)
    compiled = (tmp_path / "out" / "compiled").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in compiled] == [f"fuzz/fuzz_{name}.py" for name in sorted(TARGETS)]
    for name, target in TARGETS.items():
        with zipfile.ZipFile(tmp_path / "out" / f"fuzz_{name}_seed_corpus.zip") as seeds:
            assert {seeds.read(one) for one in seeds.namelist() if not one.endswith("/")} == set(target.seeds())
