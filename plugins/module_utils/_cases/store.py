# Opens the store under the ledger: an SQLite file, or a PostgreSQL database that several controllers share.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.aidc.ops.plugins.module_utils._cases.store_base import Connection, Params, Result, Row, Store
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_postgres import PostgresStore
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_sqlite import SqliteStore

__all__ = ["Connection", "Params", "Result", "Row", "Store", "is_server", "open_store"]


def is_server(location: str) -> bool:
    """Whether the location names a PostgreSQL database, not a file."""
    return location.startswith(("postgresql://", "postgres://"))


def open_store(
    location: str,
    read_only: bool = False,
    dry_run: bool = False,
    password_file: str | None = None,
    any_version: bool = False,
) -> Store:
    """Opens a file (its path) or a database (its ``postgresql://`` URL); LedgerError if that cannot be done.

    Opening creates and migrates; not so with ``read_only`` or ``dry_run``, which need what is there. With ``dry_run``
    every transaction is undone at its end. ``any_version`` opens for reading also what is of another version of this
    collection, or no ledger yet. ``password_file`` holds the password of the database in its first line.
    """
    if is_server(location):
        return PostgresStore(location, read_only, dry_run, password_file, any_version)
    return SqliteStore(location, read_only, dry_run, any_version)
