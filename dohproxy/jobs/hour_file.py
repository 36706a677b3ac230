"""The file of hours: one row of sums an hour, for 400 days, in SQLite. Everything here blocks.

SQLite, because a row is then added to as a whole or not at all, whenever the process is killed; because a later
version adds the columns that it needs and reads the older rows without them; and because an association may ask it what
no report tells. What does not fit into the file's size takes the place of the oldest rows.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dohproxy.jobs.hour_book import MOST_BYTES
from dohproxy.observability.hour_sums import COLUMNS, WORST, Gathering, Sums

FORMAT: Final = 1
"""`user_version`: raised when older programs would misread what newer ones write; new columns they do not misread."""
MOST_DAYS: Final = 400
"""A year, and enough of the next to compare with the same weeks of the last."""
MOST_ROWS: Final = MOST_DAYS * 24
_PAGE_BYTES: Final = 4_096
_MORE_ROWS: Final = 24
"""How many of the oldest go at once where the file is full."""
LOCK_SECONDS: Final = 5.0
"""How long is waited for whoever reads the file."""
_MODE: Final = 0o600

_NAMES: Final = (*COLUMNS, *WORST, *WORST.values())
_OLDEST: Final = "DELETE FROM hours WHERE hour IN (SELECT hour FROM hours ORDER BY hour LIMIT ?)"


class UnreadableHours(Exception):
    """The file is no file of hours, or not one of this version; the message is a predicate of it."""


def add_hours(path: Path, hours: Mapping[int, Sums]) -> None:
    """Add sums to the rows of their hours, all or none; the oldest make room where the file is as large as it may be.

    Raises OSError and UnreadableHours.
    """
    with _faults_in_words(), contextlib.closing(_open_to_write(path)) as database:
        try:
            with _transaction(database):
                _add(database, hours)
        except sqlite3.OperationalError as error:
            if _code_of(error) != sqlite3.SQLITE_FULL:
                raise
            with _transaction(database):
                database.execute(_OLDEST, (_MORE_ROWS,))
            with _transaction(database):
                _add(database, hours)


def read_hours(path: Path, since: float, until: float) -> list[Sums]:
    """Return the rows of all hours that begin from `since` on and before `until`, Unix seconds, the oldest first.

    Raises FileNotFoundError if there is no file, OSError if it may not be read, UnreadableHours if it is no such file.
    """
    path.stat()  # SQLite says of no file the same as of no right to it.
    with _faults_in_words(), contextlib.closing(_open_to_read(path)) as database:
        _check_format(database)
        known = _columns(database)
        there = [name for name in _NAMES if name in known]
        names = ", ".join(f'"{name}"' for name in ("hour", *there))
        rows = database.execute(f"SELECT {names} FROM hours WHERE hour >= ? AND hour < ? ORDER BY hour", (since, until))  # noqa: S608
        return [_read_row(("hour", *there), row) for row in rows]


def copy_hours(path: Path) -> bytes:
    """Return the whole file as of one moment, whoever writes to it meanwhile. Raises what `read_hours` raises."""
    path.stat()
    with _faults_in_words(), contextlib.closing(_open_to_read(path)) as database:
        _check_format(database)
        with contextlib.closing(sqlite3.connect(":memory:")) as copy:
            database.backup(copy)
            return copy.serialize()


def _read_row(names: tuple[str, ...], row: tuple[object, ...]) -> Sums:
    """Whoever may write the file may have written anything: what is no number is none."""
    return {name: number for name, number in zip(names, row, strict=True) if isinstance(number, int)}


def _open_to_write(path: Path) -> sqlite3.Connection:
    # SQLite would give it the mode of the umask.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE))
    # Without an isolation level Python begins no transactions by itself, and leaves no table out of ours.
    database = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        database.execute(f"PRAGMA max_page_count = {MOST_BYTES // _PAGE_BYTES}")
        _check_format(database, is_new_fine=True)
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Have all that is done within happen as a whole, or not at all."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite may have ended it itself, as where the disk is full.
            database.execute("ROLLBACK")
        raise


def _open_to_read(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS)
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # What a killed process has left half written can only be undone by who may write.
        database.close()
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=LOCK_SECONDS)
    except BaseException:
        database.close()
        raise
    return database


def _check_format(database: sqlite3.Connection, *, is_new_fine: bool = False) -> None:
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version == FORMAT or (is_new_fine and version == 0):
        return
    raise UnreadableHours(
        "holds no hours yet" if version == 0 else f"has the format {version}, and this program knows {FORMAT}"
    )


def _columns(database: sqlite3.Connection) -> frozenset[str]:
    return frozenset(row[1] for row in database.execute("PRAGMA table_info(hours)"))


def _add(database: sqlite3.Connection, hours: Mapping[int, Sums]) -> None:
    """Add to the rows, in a table that is made, or given the columns that it lacks, where that is necessary."""
    database.execute(
        f"CREATE TABLE IF NOT EXISTS hours (hour INTEGER PRIMARY KEY, {', '.join(map(_declared, _NAMES))})"
    )
    known = _columns(database)
    for name in _NAMES:
        if name not in known:
            database.execute(f"ALTER TABLE hours ADD COLUMN {_declared(name)}")
    database.execute(f"PRAGMA user_version = {FORMAT}")
    for hour, sums in hours.items():
        database.execute(_UPSERT, {"hour": hour, **{name: sums.get(name, 0) for name in _NAMES}})
    [count] = database.execute("SELECT count(*) FROM hours").fetchone()
    if count > MOST_ROWS:
        database.execute(_OLDEST, (count - MOST_ROWS,))


def _declared(name: str) -> str:
    return f'"{name}" INTEGER NOT NULL DEFAULT 0'


def _assignments() -> Iterator[str]:
    for name, how in COLUMNS.items():
        old, new = f'hours."{name}"', f'excluded."{name}"'
        match how:
            case Gathering.SUM:
                yield f'"{name}" = {old} + {new}'
            case Gathering.MOST:
                yield f'"{name}" = max({old}, {new})'
            case Gathering.LAST:
                yield f'"{name}" = CASE WHEN {new} > 0 THEN {new} ELSE {old} END'
    for most, at in WORST.items():
        is_worse = f'excluded."{most}" > hours."{most}"'
        yield f'"{at}" = CASE WHEN {is_worse} THEN excluded."{at}" ELSE hours."{at}" END'
        yield f'"{most}" = max(hours."{most}", excluded."{most}")'


def _upsert() -> str:
    names = ("hour", *_NAMES)
    quoted, given = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
    # All names are of the closed set above.
    return f"INSERT INTO hours ({quoted}) VALUES ({given}) ON CONFLICT (hour) DO UPDATE SET {', '.join(_assignments())}"  # noqa: S608


_UPSERT: Final = _upsert()


@contextlib.contextmanager
def _faults_in_words() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if _code_of(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise UnreadableHours("is damaged, or no file of hours") from None
        raise OSError(0, str(error)) from None


def _code_of(error: sqlite3.Error) -> int:
    """Return SQLite's own code, 0 for what Python's module says by itself."""
    return getattr(error, "sqlite_errorcode", 0)
