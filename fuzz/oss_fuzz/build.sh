#!/bin/bash -eu
# What OSS-Fuzz's builder for Python runs: this tree is in $SRC/dohproxy, and fuzzers and their seeds go to $OUT.
# compile_python_fuzzer is the builder's; it follows imports, but not those by name (fuzz/targets.py).

cd "$SRC/dohproxy"
python3 -m pip install --require-hashes --no-deps -r requirements-dev.lock
python3 -m fuzz.seeds "$WORK/seeds"

for target in fuzz/fuzz_*.py; do
    name=$(basename -s .py "$target")
    compile_python_fuzzer "$target" --paths . --collect-submodules fuzz --collect-submodules tests.fakes \
        --collect-submodules tests.wire --collect-submodules dohproxy --collect-data publicsuffixlist
    (cd "$WORK/seeds/${name#fuzz_}" && python3 -m zipfile -c "$OUT/${name}_seed_corpus.zip" .)
done
