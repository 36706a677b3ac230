"""What all workers share is made for this user alone, and is gone in the end."""

import contextlib
import os
import stat
from pathlib import Path

import pytest

from dohproxy.supervision.supervisor import KEY_BYTES, make_key, make_lifeline, make_mapping, make_run_directory


def test_the_run_directory_is_for_this_user_and_goes_in_the_end(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        made = make_run_directory({"RUNTIME_DIRECTORY": f"{tmp_path}:/another"}, stack)
        assert made.parent == tmp_path
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        (made / "worker-0.sock").touch()
    assert not made.exists()


@pytest.mark.parametrize("environment", [{}, {"RUNTIME_DIRECTORY": "/nowhere"}])
def test_without_a_directory_of_systemd_it_is_made_where_temporary_files_are(environment: dict[str, str]) -> None:
    with contextlib.ExitStack() as stack:
        made = make_run_directory(environment, stack)
        assert made.is_dir()
    assert not made.exists()


def test_the_tables_are_zeros_and_no_child_inherits_them_unasked() -> None:
    with contextlib.ExitStack() as stack:
        descriptor = make_mapping(8192, stack)
        assert os.fstat(descriptor).st_size == 8192
        assert os.pread(descriptor, 8192, 0) == bytes(8192)
        assert not os.get_inheritable(descriptor)


def test_the_lifeline_ends_with_who_has_made_it() -> None:
    stack = contextlib.ExitStack()
    held = os.dup(make_lifeline(stack))
    os.set_blocking(held, False)
    with pytest.raises(BlockingIOError):
        os.read(held, 1)
    stack.close()
    assert os.read(held, 1) == b""
    os.close(held)


def test_the_secret_of_workers_is_random_and_for_this_user_alone(tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_key(tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert (tmp_path / name).stat().st_size == KEY_BYTES
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()
