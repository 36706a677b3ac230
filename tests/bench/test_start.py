"""The measure of a start: what it starts is a configuration like any other, and its clock is the other process's."""

import os
import time
from pathlib import Path

import pytest

from bench.start import WAYS, Start, cpu_seconds, figures, write
from dohproxy.config import load
from dohproxy.tls.throwaway import write_throwaway_certificate
from tests.e2e.certificates import CertificateFiles


@pytest.mark.parametrize("way", WAYS)
def test_what_it_starts_is_a_configuration_with_what_its_row_says(tmp_path: Path, way: str) -> None:
    files = CertificateFiles(*write_throwaway_certificate(tmp_path, "localhost"))
    path, port = write(tmp_path, WAYS[way], files, 5_353)
    config = load(path)
    assert (config.server.listen[0].port, config.upstreams[0].url.port) == (port, 5_353)
    assert config.tls is not None
    assert ((config.metrics is None), (config.admin is None)) == (way == "alone", way != "and commands")


def test_the_cpu_time_is_the_one_of_the_process_that_is_named() -> None:
    before, seen, after = time.process_time(), cpu_seconds(os.getpid()), time.process_time()
    assert before <= seen <= after


def test_a_row_has_medians_and_the_lowest() -> None:
    starts = [Start(0.1, 0.5, 0.1, 0.3), Start(0.1, 0.4, 0.2, 0.2), Start(0.1, 0.9, 0.3, 0.4)]
    assert figures(starts) == (0.5, 0.4, 0.3, 0.2, 0.2)
