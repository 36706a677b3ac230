"""Compiles what every request runs through: `make native`, or `python native.py DIRECTORY`.

mypyc reads the same annotated source that Python runs and writes C extensions of it, with the same names and meaning.
DIRECTORY gets a whole copy of the package in which Python finds these before the source. Needs mypy, setuptools, a C
compiler and Python's headers.
"""

import ast
import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = Path(__file__).parent / "dohproxy"
WHOLE: Final = ("cache", "doh", "dot", "http1", "http2", "policy", "upstream", "wire")
"""Packages that requests run through; not what only configuration, tools and timers run."""
SINGLE: Final = (
    "exits.py",
    "pipeline.py",
    "parsed_request.py",
    "learning.py",
    "routes.py",
    "outcomes.py",
    "authority.py",
    "tls/records.py",
    *(f"frontends/{name}.py" for name in ("client_resolver", "connections", "handshake_scheduler", "held_bytes")),
    *(
        f"frontends/{name}.py"
        for name in ("lingering", "listener", "misses", "protocol_chooser", "request_cache", "service")
    ),
    *(f"frontends/{name}.py" for name in ("tls_transport", "untaken")),
    *(f"frontends/dot/{name}.py" for name in ("connection", "requests")),
    *(f"frontends/http1/{name}.py" for name in ("connection", "parsing", "rendering")),
    *(f"frontends/http2/{name}.py" for name in ("connection", "rendering", "requests")),
    *(f"observability/{name}.py" for name in ("front_proxy", "tallies")),
)
INTERPRETED: Final = frozenset(
    {
        "cache/snapshot.py",
        "doh/stamp.py",
        "doh/stamp_codec.py",
        "upstream/transports/tls.py",
    }
)
OPTIMISATION: Final = "1"
"""Of gcc. 2 saves 2 % of the instructions of a request and takes half as long again to compile."""
VALUE_IMPORT: Final = "from dohproxy.value import value\n"


def main() -> None:
    """Compile into the directory that is the argument; it is there whole or not at all."""
    if len(sys.argv) != 2:
        sys.exit("usage: python native.py DIRECTORY")
    missing = list(missing_tools())
    if missing:
        sys.exit("cannot compile:\n" + "\n".join(missing))
    target = Path(sys.argv[1]).absolute()
    beside = target.with_name(f"{target.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(PACKAGE, beside / "dohproxy", ignore=shutil.ignore_patterns("__pycache__"))
    modules = [path.relative_to(beside).as_posix() for path in compiled_modules(beside / "dohproxy")]
    for module in modules:
        source = (beside / module).read_text(encoding="utf-8")
        (beside / module).write_text(with_native_values(source), encoding="utf-8")
    # In a process of its own: mypyc wants to stand in the directory, and ends the process on an error.
    program = "import sys, native; native.compile_here(sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "MYPY_CACHE_DIR": os.devnull}
    argv = [sys.executable, "-P", "-c", program, *modules]
    print(f"compiling {len(modules)} modules takes some minutes of one processor")
    run = subprocess.run(argv, cwd=beside, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"{run.stdout}\n{run.stderr}\ncannot compile; what was compiled before is left as it was")
    shutil.rmtree(beside / "build")
    # Who serves may not write here (`ProtectSystem=strict`), and would compile to bytecode at every start what is no
    # extension: a third of the time until the first answer.
    compileall.compile_dir(beside, quiet=1)
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)


def missing_tools() -> Iterator[str]:
    """Yield a sentence for each thing that compiling needs and that is not here."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        yield f"there is no C compiler ({compiler}); on Debian: apt-get install gcc libc6-dev"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        yield "Python's headers are not here; on Debian: apt-get install python3-dev"


def compiled_modules(package: Path) -> list[Path]:
    """Return the modules to compile, as they lie in a copy of the package."""
    modules = [package / name for name in SINGLE]
    for name in WHOLE:
        modules += (package / name).rglob("*.py")
    return sorted(path for path in modules if path.relative_to(package).as_posix() not in INTERPRETED)


def with_native_values(source: str) -> str:
    """Return a module's source with each `@value` class as a dataclass, which is what the compiler knows, and with its
    constructor written out, which it then calls like any function instead of through the interpreter: with plain frozen
    dataclasses a miss costs a third more, and to read an answer 80 %."""
    if VALUE_IMPORT not in source:
        return source
    lines = source.splitlines(keepends=True)
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    for node in reversed(classes):
        if any(isinstance(decorator, ast.Name) and decorator.id == "value" for decorator in node.decorator_list):
            fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
            constructor = written_out(fields)
            if constructor:
                end = node.body[-1].end_lineno or 0
                lines.insert(end, constructor)
            line = node.decorator_list[0].lineno - 1
            lines[line] = f"@dataclass(init={not constructor}, unsafe_hash=True)\n"
    return "".join(lines).replace(VALUE_IMPORT, "from dataclasses import dataclass\n")


def written_out(fields: Sequence[ast.AnnAssign]) -> str:
    """Return the constructor that `dataclass` would make of these fields; "" if a default is more than a value."""
    defaults = [ast.unparse(field.value) if field.value else "" for field in fields]
    if not fields or any(re.match(r"field\(", default) for default in defaults):
        return ""
    names = [ast.unparse(field.target) for field in fields]
    parameters = [
        f"{name}: {ast.unparse(field.annotation)}" + (f" = {default}" if default else "")
        for name, field, default in zip(names, fields, defaults, strict=True)
    ]
    body = "".join(f"        self.{name} = {name}\n" for name in names)
    return f"\n    def __init__(self, {', '.join(parameters)}) -> None:\n{body}"


def compile_here(modules: Sequence[str]) -> None:
    """Compile modules of the package in the working directory, each to an extension beside its source."""
    # Imported here because only who compiles has them.
    from mypyc.build import mypycify
    from setuptools import Distribution  # type: ignore[import-untyped]
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

    class ParallelBuild(build_ext):  # type: ignore[misc]
        def build_extensions(self) -> None:
            compiler = self.compiler

            def compile_all(sources: list[str], output_dir: str | None = None, **options: Any) -> list[str]:
                def one(source: str) -> list[str]:
                    objects: list[str] = type(compiler).compile(compiler, [source], output_dir, **options)
                    return objects

                with ThreadPoolExecutor(os.cpu_count()) as threads:
                    return [name for names in threads.map(one, sources) for name in names]

            compiler.compile = compile_all
            super().build_extensions()

    extensions = mypycify(
        ["--ignore-missing-imports", *modules],
        opt_level=OPTIMISATION,
        debug_level="0",
        multi_file=True,
        group_name="dohproxy",
    )
    distribution = Distribution({"name": "dohproxy", "ext_modules": extensions, "packages": []})
    command = ParallelBuild(distribution)
    command.inplace = True
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    main()
