"""The files of the public pages: what is to be known of them before the service runs."""

import os
from collections.abc import Iterator

from dohproxy.config.problems import Problem
from dohproxy.config.schema import Config
from dohproxy.regular_file import read_regular


def check_pages(config: Config) -> tuple[Problem, ...]:
    """Return why the pages could not be written to their folder, or would be without the operators' own paragraphs. The
    service runs all the same."""
    return tuple(_problems(config)) if config.pages.enabled else ()


def _problems(config: Config) -> Iterator[Problem]:
    folder, own = config.pages.folder, config.pages.paragraphs_file
    if folder is not None:
        place = folder if folder.is_dir() else folder.parent
        if folder.exists() and not folder.is_dir():
            yield Problem("pages.folder", f"names {folder}, which is a file; name a directory.")
        elif not place.is_dir():
            yield Problem("pages.folder", f"names {folder}, and there is no directory {place}; make it.")
        elif not os.access(place, os.W_OK | os.X_OK):
            yield Problem("pages.folder", f"names {folder}, and this user may not write to {place}.")
    if own is not None:
        try:
            read_regular(own, 1)
        except OSError as error:
            yield Problem("pages.paragraphs_file", f"names {own}, which cannot be read: {error.strerror}.")
