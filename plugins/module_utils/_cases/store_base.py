# What every store under the ledger offers, whichever database keeps it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, Union

# The values of a statement: a sequence for "?", a mapping for ":name".
Params = Union[Sequence, Mapping]


class Row(Protocol):
    """One row: by column name, by position, and as the sequence of its values."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def keys(self) -> Sequence[str]:
        """The names of the columns in order."""


class Result(Protocol):
    """What a statement answered."""

    @property
    def rowcount(self) -> int:
        """How many rows an UPDATE, INSERT or DELETE touched."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """Runs statements of the portable subset: what SQLite and PostgreSQL understand alike.

    Placeholders are "?" or ":name". Upsert is INSERT ... ON CONFLICT (...) DO UPDATE SET ..., with the old value
    written as table.column. No scalar max(), no "IS ?", no PRAGMA. Texts are never compared with numbers.
    """

    def execute(self, sql: str, params: Params = ()) -> Result:
        """Runs one statement."""

    def executemany(self, sql: str, rows: Iterable[Params]) -> None:
        """Runs one statement once for each row of values."""

    def insert(self, sql: str, params: Params = ()) -> int:
        """Runs an INSERT of one row into a table with an id; that id."""


class Store(Protocol):
    """One connection that several threads may share, one after the other. Every failure is a LedgerError."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Everything inside happens or nothing does; no other controller writes meanwhile."""

    def reading(self) -> AbstractContextManager[Connection]:
        """One consistent view; changes nothing."""

    def close(self) -> None:
        """Ends the connection; nothing is lost without it."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def version(self) -> int:
        """How many migrations were done; 0 where there is no ledger yet."""

    def tables(self) -> list[str]:
        """The tables of the ledger in the order in which they were made: none refers to a later one."""

    def problems(self) -> list[str]:
        """What a thorough look finds wrong with it. Reads everything."""
