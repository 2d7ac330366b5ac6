# The ledger in a PostgreSQL database that several controllers share.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.schema import MIGRATIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_base import Params
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_dialect import bind, definition
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError

# One number for all ledgers: who holds it is the only writer of the database.
_LOCK = 0x61696463
# How long a writer waits for another one; far more than any transaction of ours takes.
_LOCK_SECONDS = 15
_STATEMENT_SECONDS = 30
# The server ends the transaction of a controller that fell silent, so that the others can go on.
_IDLE_SECONDS = 30
# Set for each transaction, not for the session: that also holds behind a connection pool.
_LIMITS = (
    f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'; SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'"
)
# Each statement sees what was committed before it. With a higher level the view would be of before the wait for the
# lock. A committed grant has to survive a power cut, so that it is never given a second time.
_BEGIN = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_LIMITS}; "
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'; "
    f"SELECT pg_advisory_xact_lock({_LOCK})"
)
_BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_LIMITS}"
# A server that went away is noticed within half a minute. What the URL says goes before.
_CONNECTING = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
    "application_name": "aidc.ops",
}


class PostgresRow:
    """See store_base.Row."""

    __slots__ = ("_index", "_values")

    def __init__(self, index: dict[str, int], values: Sequence[Any]) -> None:
        self._index = index
        self._values = values

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._index[key] if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> list[str]:
        return list(self._index)


class PostgresConnection:
    """See store_base.Connection."""

    def __init__(self, db: Any) -> None:
        self._db = db

    def execute(self, sql: str, params: Params = ()) -> Any:
        return self._db.execute(*bind(sql, params))

    def executemany(self, sql: str, rows: Iterable[Params]) -> None:
        for text, same in groupby((bind(sql, row) for row in rows), key=lambda bound: bound[0]):
            self._db.cursor().executemany(text, [values for _text, values in same])

    def insert(self, sql: str, params: Params = ()) -> int:
        return int(self.execute(f"{sql} RETURNING id", params).fetchone()["id"])


class PostgresStore:
    """See store_base.Store.

    ``url`` is what libpq takes (sslmode, several hosts and so on), without a password. A connection that was lost
    between two transactions is made again unseen; one that is lost inside of one fails that one, as a whole.
    ``read_only``, ``dry_run`` and ``any_version`` are those of SqliteStore.
    """

    def __init__(
        self,
        url: str,
        read_only: bool = False,
        dry_run: bool = False,
        password_file: str | None = None,
        any_version: bool = False,
    ) -> None:
        self._any_version = any_version
        self._read_only = read_only or any_version
        self._dry_run = dry_run
        self._password_file = password_file
        self._lock = threading.RLock()
        self._library = _library()
        self._options = _options(self._library, url)
        self._name = _name(self._options)
        self._closed = False
        self._db: Any = None
        with self._failures():
            self._connect()

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._closed = True
            self._drop()

    def transaction(self) -> AbstractContextManager[PostgresConnection]:
        """See store_base.Store: one writer at a time, of all controllers."""
        if self._read_only:
            raise LedgerError(f"The ledger {self._name} was opened for reading only.")
        return self._inside(_BEGIN, "ROLLBACK" if self._dry_run else "COMMIT")

    def reading(self) -> AbstractContextManager[PostgresConnection]:
        """See store_base.Store."""
        return self._inside(_BEGIN_READING, "ROLLBACK")

    @property
    def name(self) -> str:
        return self._name

    def version(self) -> int:
        """See store_base.Store."""
        with self.reading() as db:
            return _version(db)

    def tables(self) -> list[str]:
        """See store_base.Store."""
        # The number of a table rises with the order in which they were made.
        with self.reading() as db:
            found = db.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname <> 'ledger_schema' "
                "AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) ORDER BY oid"
            )
            return [str(row["relname"]) for row in found]

    def problems(self) -> list[str]:
        """See store_base.Store. The server keeps references itself; a page that cannot be read is a LedgerError."""
        for table in self.tables():
            with self.reading() as db:
                # To text, so that every value of every row is taken out of its page.
                db.execute(f"SELECT sum(length(CAST(t AS text))) FROM {table} AS t")  # noqa: S608
        return []

    @contextmanager
    def _inside(self, begin: str, end: str) -> Iterator[PostgresConnection]:
        with self._lock, self._failures():
            self._begin(begin)
            try:
                yield PostgresConnection(self._db)
                answer = self._db.execute(end)
                # A transaction in which a statement failed is undone by COMMIT too, and that is no error to the server.
                if answer.statusmessage != end:
                    raise LedgerError(f"The ledger {self._name} did not keep what was written to it.")
            except BaseException:
                self._undo()
                raise

    def _begin(self, statement: str) -> None:
        if self._closed:
            raise LedgerError(f"The ledger {self._name} was closed.")
        if self._db is None:
            self._connect()
        elif self._status() != "IDLE":
            raise LedgerError(f"The ledger {self._name} is in a transaction already.")
        else:
            try:
                self._db.execute(statement)
                return
            except self._library.OperationalError:
                # Nothing of this transaction has happened yet, so that a server that was away meanwhile does no harm.
                if not self._db.closed:
                    self._undo()
                    raise
            self._connect()
        try:
            self._db.execute(statement)
        except BaseException:
            self._undo()
            raise

    def _connect(self) -> None:
        self._drop()
        self._db = _connect(self._library, self._options, self._password())
        try:
            self._prepare()
        except BaseException:
            self._drop()
            raise

    def _prepare(self) -> None:
        encoding = self._db.execute("SHOW server_encoding").fetchone()[0]
        if encoding != "UTF8":
            raise LedgerError(f"The database {self._name} keeps texts as {encoding}; create it with encoding UTF8.")
        if self._any_version:
            return
        version = _version(self._db)
        if version > len(MIGRATIONS):
            raise LedgerError(
                f"The ledger {self._name} has version {version}, this collection knows {len(MIGRATIONS)}. "
                "Install the collection that wrote it, or a newer one."
            )
        if version == len(MIGRATIONS):
            return
        if self._read_only or self._dry_run:
            raise LedgerError(f"The ledger {self._name} is empty or too old; start the rulebook service once.")
        self._migrate()

    def _migrate(self) -> None:
        self._db.execute(_BEGIN)
        self._db.execute("CREATE TABLE IF NOT EXISTS ledger_schema (version BIGINT NOT NULL)")
        # Another controller may have been here while this one waited.
        row = self._db.execute("SELECT version FROM ledger_schema").fetchone()
        if row is None:
            self._db.execute("INSERT INTO ledger_schema (version) VALUES (0)")
        for number in range(0 if row is None else row[0], len(MIGRATIONS)):
            for statement in MIGRATIONS[number].split(";\n"):
                if statement.strip():
                    self._db.execute(definition(statement))
            self._db.execute("UPDATE ledger_schema SET version = %s", (number + 1,))
        self._db.execute("COMMIT")

    def _password(self) -> str | None:
        return None if self._password_file is None else _password(self._password_file)

    def _status(self) -> str:
        return str(self._db.info.transaction_status.name)

    def _undo(self) -> None:
        """Ends what is under way; with the connection if that cannot be done otherwise."""
        if self._db is None:
            return
        try:
            if self._status() in ("INTRANS", "INERROR"):
                self._db.execute("ROLLBACK")
            if self._status() == "IDLE":
                return
        except self._library.Error:
            pass
        self._drop()

    def _drop(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Every error of the database as a LedgerError, in plain words."""
        try:
            yield
        except self._library.Error as error:
            raise LedgerError(
                f"The ledger {self._name} cannot be used: {_reason(error)}. Nothing is done to any node until that is "
                "repaired: check that the server answers and has free space, that the database is there, and that its "
                "user may log in and owns its tables."
            ) from error


def _version(db: Any) -> int:
    if db.execute("SELECT to_regclass('ledger_schema')").fetchone()[0] is None:
        return 0
    return int(db.execute("SELECT version FROM ledger_schema").fetchone()[0])


def _library() -> Any:
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise LedgerError(
            f"A ledger in PostgreSQL needs the Python library psycopg, version 3, with libpq, for {sys.executable}: "
            f"{error}. Install it (pip install 'psycopg[binary]', or your distribution's package)."
        ) from error


def _options(library: Any, url: str) -> dict[str, str]:
    """What the URL says. Neither it nor the parser's message is shown: there might be a password in it."""
    conninfo = importlib.import_module("psycopg.conninfo")
    try:
        options: dict[str, str] = conninfo.conninfo_to_dict(url)
    except library.Error:
        options = {}
    if not options:
        raise LedgerError(
            "The ledger's URL cannot be read. It has the form postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full."
        ) from None
    if "password" in options or "sslpassword" in options:
        raise LedgerError(
            "There is a password in the ledger's URL. Put it into a file that only the service can read "
            "(ledger_password_file, or libpq's PGPASSFILE), and change it: it may have been seen."
        )
    return options


def _name(options: dict[str, str]) -> str:
    host = options.get("host") or options.get("hostaddr") or "this host"
    port = options.get("port", "").strip(",") or "5432"
    return f"{options.get('dbname', options.get('user', 'aidc_ops'))} on {host}:{port}"


def _password(path: str) -> str:
    """The first line of the file."""
    try:
        with open(path, encoding="utf-8") as stream:
            if os.fstat(stream.fileno()).st_mode & stat.S_IRWXO:
                raise LedgerError(f"Everybody may use {path}, the ledger's password file; take that away (chmod o=).")
            password = stream.readline().rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise LedgerError(f"The ledger's password file {path} cannot be read: {error}") from error
    if not password:
        raise LedgerError(f"The ledger's password file {path} is empty; its first line is the password.")
    return password


def _connect(library: Any, options: dict[str, str], password: str | None) -> Any:
    secret = {} if password is None else {"password": password}
    db = library.connect(
        autocommit=True,
        row_factory=_row_factory,
        **{**_CONNECTING, **options, **secret, "client_encoding": "utf8"},
    )
    numbers = importlib.import_module("psycopg.types.numeric")
    texts = importlib.import_module("psycopg.types.string")
    # Every value has the type of its column, so that a statement is planned once and no type has to be guessed.
    db.adapters.register_dumper(int, numbers.Int8Dumper)
    db.adapters.register_dumper(str, texts.StrDumper)
    # A sum of whole numbers is numeric there; as in SQLite it is a number like the others.
    db.adapters.register_loader("numeric", _number_loader())
    return db


def _number_loader() -> Any:
    def load(_self: Any, data: Any) -> float:
        text = bytes(data).decode("ascii")
        return int(text) if re.fullmatch(r"-?[0-9]+", text) else float(text)

    return type("NumberLoader", (importlib.import_module("psycopg.adapt").Loader,), {"load": load})


def _row_factory(cursor: Any) -> Callable[[Sequence[Any]], PostgresRow]:
    index: dict[str, int] = {}
    for position, column in enumerate(cursor.description or ()):
        index.setdefault(column.name, position)
    return lambda values: PostgresRow(index, values)


def _reason(error: Any) -> str:
    """What went wrong, in one line. Details of the server are left out: they can hold rows."""
    return re.sub(r"\s+", " ", error.diag.message_primary or str(error)).strip().rstrip(".")[:500]
