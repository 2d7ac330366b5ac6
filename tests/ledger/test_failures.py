# What can go wrong with a ledger in PostgreSQL: every failure is a LedgerError, and never half a transaction.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases import store_postgres
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.schema import MIGRATIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.store import Connection, open_store
from ansible_collections.aidc.ops.plugins.module_utils._cases.store_postgres import PostgresStore
from ansible_collections.aidc.ops.plugins.module_utils._errors import LedgerError
from ansible_collections.aidc.ops.tests.ledger.postgres import Server
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import Site

BEAT = "INSERT INTO heartbeats (source, at) VALUES (?, ?)"


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    made = PostgresStore(url)
    yield made
    made.close()


def beats(url: str) -> list[str]:
    ledger = Ledger(url, read_only=True)
    try:
        return sorted(ledger.heartbeats())
    finally:
        ledger.close()


def write(store: PostgresStore, *works: tuple[str, float | None] | Callable[[Connection], object]) -> None:
    """One transaction: beats to write, and things to do between them."""
    with store.transaction() as db:
        for work in works:
            if callable(work):
                work(db)
            else:
                db.execute(BEAT, work)


def process_of(store: PostgresStore) -> int:
    with store.reading() as db:
        return int(db.execute("SELECT pg_backend_pid()").fetchone()[0])


# --- opening ---------------------------------------------------------------------------------------------------------


def test_the_password(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.touch(0o600)
    path.write_text("right\n")
    server.sql("CREATE DATABASE guarded OWNER ledger")
    Ledger(server.network_url("guarded"), password_file=str(path)).close()
    path.write_text("wr0ng-one\n")
    with pytest.raises(LedgerError, match="password authentication failed") as caught:
        Ledger(server.network_url("guarded"), password_file=str(path))
    assert "wr0ng-one" not in str(caught.value)
    with pytest.raises(LedgerError, match="no password supplied"):
        Ledger(server.network_url("guarded"))


def test_the_password_file_of_libpq(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pgpass"
    path.write_text("127.0.0.1:*:*:ledger:right\n")
    path.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(path))
    server.sql("CREATE DATABASE by_libpq OWNER ledger")
    Ledger(server.network_url("by_libpq")).close()


@pytest.mark.parametrize(
    ("database", "user", "message"),
    [
        ("nowhere", "ledger", 'database "nowhere" does not exist'),
        ("ledger", "nobody_known", 'role "nobody_known" does not exist'),
    ],
)
def test_what_is_missing_is_named(server: Server, database: str, user: str, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        Ledger(server.url(database, user))


def test_tls_is_asked_for_with_the_url(server: Server) -> None:
    with pytest.raises(LedgerError, match="server does not support SSL"):
        Ledger(f"{server.network_url()}?sslmode=require")


def test_a_user_without_rights(server: Server, url: str) -> None:
    with pytest.raises(LedgerError, match=r"permission denied|no schema has been selected"):
        Ledger(url.replace("ledger@", "reader@"))


def test_a_database_of_another_encoding(server: Server) -> None:
    server.sql("CREATE DATABASE old OWNER ledger ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(LedgerError, match="create it with encoding UTF8"):
        Ledger(server.url("old"))


def test_somebody_elses_tables(server: Server) -> None:
    server.sql("CREATE DATABASE foreign_tables OWNER ledger")
    server.sql("CREATE TABLE cases (id int); GRANT ALL ON SCHEMA public TO ledger", "foreign_tables")
    with pytest.raises(LedgerError, match='"cases" already exists'):
        Ledger(server.url("foreign_tables"))
    assert server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "foreign_tables") == [(1,)]


@pytest.mark.parametrize("options", [{"read_only": True}, {"dry_run": True}])
def test_a_reader_makes_no_tables(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(LedgerError, match="empty or too old"):
        Ledger(url, **options)
    assert open_store(url, any_version=True).tables() == []


def test_a_newer_schema_is_left_alone(store: PostgresStore, url: str) -> None:
    with store.transaction() as db:
        db.execute("UPDATE ledger_schema SET version = ?", (len(MIGRATIONS) + 1,))
    for read_only in (False, True):
        with pytest.raises(LedgerError, match="or a newer one"):
            Ledger(url, read_only=read_only)
    assert open_store(url, any_version=True).version() == len(MIGRATIONS) + 1


def test_a_newer_schema_is_noticed_by_the_next_connection(server: Server, store: PostgresStore) -> None:
    """Another controller was updated while this one was cut off."""
    with store.transaction() as db:
        db.execute("UPDATE ledger_schema SET version = ?", (len(MIGRATIONS) + 1,))
    server.sql(f"SELECT pg_terminate_backend({process_of(store)})")
    with pytest.raises(LedgerError, match="or a newer one"), store.transaction():
        pass


def test_a_reader_needs_no_right_to_write(server: Server, site: Site) -> None:
    site.record(site.line())
    schema = site.select("SELECT current_schema()")[0][0]
    server.sql(f"GRANT USAGE ON SCHEMA {schema} TO reader", "ledger")
    server.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader", "ledger")
    location = site.settings.ledger.replace("ledger@", "reader@")
    reader = Ledger(location, site.clock, read_only=True)
    assert [case.node for case in reader.cases()] == ["gpu2"]
    with pytest.raises(LedgerError, match="permission denied"):
        Ledger(location, site.clock).pause(True, "kim")
    reader.close()


# --- transactions ----------------------------------------------------------------------------------------------------


def test_a_failure_in_the_middle_leaves_nothing(store: PostgresStore, url: str) -> None:
    with pytest.raises(ZeroDivisionError):
        write(store, ("a", 1.0), lambda _db: 1 // 0)
    with pytest.raises(LedgerError, match="null value"):
        write(store, ("a", 1.0), ("b", None))
    assert beats(url) == []


def test_a_failure_that_is_swallowed_is_one_all_the_same(store: PostgresStore, url: str) -> None:
    def swallow(db: Connection) -> None:
        with suppress(Exception):
            db.execute("SELECT 1 / 0")

    with pytest.raises(LedgerError, match="did not keep"):
        write(store, ("a", 1.0), swallow)
    assert beats(url) == []


def test_no_transaction_in_a_transaction(store: PostgresStore, url: str) -> None:
    with pytest.raises(LedgerError, match="in a transaction already"):
        write(store, ("a", 1.0), lambda _db: write(store, ("b", 1.0)))
    assert beats(url) == []


def test_reading_is_one_view_and_changes_nothing(store: PostgresStore, url: str) -> None:
    other = PostgresStore(url)
    with store.reading() as db:
        assert db.execute("SELECT count(*) FROM heartbeats").fetchone()[0] == 0
        with other.transaction() as writer:
            writer.execute(BEAT, ("a", 1.0))
        assert db.execute("SELECT count(*) FROM heartbeats").fetchone()[0] == 0
    with pytest.raises(LedgerError, match="read-only"), store.reading() as db:
        db.execute(BEAT, ("b", 1.0))
    other.close()
    assert beats(url) == ["a"]


def test_a_closed_store_stays_closed(store: PostgresStore) -> None:
    store.close()
    with pytest.raises(LedgerError, match="was closed"), store.reading():
        pass


def test_limits_and_durability_do_not_depend_on_the_server(server: Server, store: PostgresStore) -> None:
    server.sql("ALTER ROLE ledger SET synchronous_commit = off")
    server.sql("ALTER ROLE ledger SET default_transaction_isolation = 'serializable'")
    server.sql("ALTER ROLE ledger SET default_transaction_read_only = on")
    try:
        server.sql(f"SELECT pg_terminate_backend({process_of(store)})")
        with store.transaction() as db:
            shown = {
                name: db.execute(f"SHOW {name}").fetchone()[0]
                for name in ("synchronous_commit", "lock_timeout", "transaction_isolation", "statement_timeout")
            }
            db.execute(BEAT, ("a", 1.0))
    finally:
        server.sql("ALTER ROLE ledger RESET ALL")
    assert shown == {
        "synchronous_commit": "on",
        "lock_timeout": "15s",
        "transaction_isolation": "read committed",
        "statement_timeout": "30s",
    }


def test_rows_numbers_and_texts_are_as_in_sqlite(store: PostgresStore) -> None:
    with store.transaction() as db:
        number = db.insert("INSERT INTO refusals (at, reason, detail) VALUES (?, ?, ?)", (0.1 + 0.2, "é", "50 % ?"))
        db.executemany(
            "INSERT INTO counters (name, label, value) VALUES (:n, :l, :v)",
            [{"n": "x", "l": label, "v": 2**40} for label in ("b", "A", "_", "a")],
        )
        row = db.execute("SELECT * FROM refusals WHERE id = ?", (number,)).fetchone()
        assert (row["at"], row["reason"], row[3], list(row), row.keys()) == (
            0.30000000000000004,
            "é",
            "50 % ?",
            [number, 0.30000000000000004, "é", "50 % ?"],
            ["id", "at", "reason", "detail"],
        )
        assert db.execute("SELECT sum(value) FROM counters").fetchone()[0] == 4 * 2**40
        labels = [label for (label,) in db.execute("SELECT label FROM counters ORDER BY label")]
        assert labels == ["A", "_", "a", "b"], "by their bytes"
        assert db.execute("UPDATE counters SET value = 0").rowcount == 4


# --- losing the server -----------------------------------------------------------------------------------------------


def test_a_server_that_was_restarted_in_between_is_not_noticed(server: Server, site: Site) -> None:
    site.record(site.line("gpu1"))
    server.stop()
    server.start()
    assert len(site.record(site.line("gpu2")).new_case_ids) == 1
    assert len(site.ledger.cases()) == 2


def test_without_a_server_every_call_fails_and_the_next_one_connects(server: Server, site: Site) -> None:
    (case_id,) = site.record(site.line("gpu1")).new_case_ids
    server.stop("immediate")
    try:
        for _time in range(2):
            with pytest.raises(LedgerError, match="Nothing is done to any node"):
                site.begin(case_id, "cordon")
    finally:
        server.start()
    assert site.begin(case_id, site.ledger.case(case_id).step or "").attempt == 1, "what failed was never granted"


def test_a_connection_that_is_lost_inside_of_a_transaction(server: Server, store: PostgresStore, url: str) -> None:
    end = f"SELECT pg_terminate_backend({process_of(store)})"
    with pytest.raises(LedgerError, match="terminating connection"):
        write(store, ("a", 1.0), lambda _db: server.sql(end), ("b", 1.0))
    assert beats(url) == []
    write(store, ("c", 1.0))
    assert beats(url) == ["c"]


def test_a_connection_that_is_lost_before_the_commit(server: Server, store: PostgresStore, url: str) -> None:
    end = f"SELECT pg_terminate_backend({process_of(store)})"
    with pytest.raises(LedgerError):
        write(store, ("a", 1.0), lambda _db: server.sql(end))
    assert beats(url) == []


def hang(url: str, ready: Any) -> None:
    with PostgresStore(url).transaction() as db:
        db.execute(BEAT, ("from the dead", 1.0))
        ready.set()
        time.sleep(300)


def test_a_controller_that_is_killed_in_the_middle(store: PostgresStore, url: str) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=hang, args=(url, ready))
    other.start()
    assert ready.wait(60)
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    with store.transaction() as db:
        db.execute(BEAT, ("alive", 1.0))
    assert beats(url) == ["alive"]


def test_a_controller_that_fell_silent_holds_up_the_others_for_a_while_only(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction is ended by the server; what it does with it afterwards fails."""
    quick = store_postgres._BEGIN.replace("lock_timeout = '15s'", "lock_timeout = '1s'")
    monkeypatch.setattr(store_postgres, "_BEGIN", quick.replace("session_timeout = '30s'", "session_timeout = '2s'"))
    silent, other = PostgresStore(url), PostgresStore(url)

    def meanwhile(_db: Connection) -> None:
        with pytest.raises(LedgerError, match="lock timeout"):
            write(other, ("too early", 1.0))
        time.sleep(1.5)
        write(other, ("other", 1.0))

    with pytest.raises(LedgerError):
        write(silent, ("silent", 1.0), meanwhile, ("silent again", 1.0))
    assert beats(url) == ["other"]
    silent.close()
    other.close()


def test_an_interrupt_leaves_nothing_and_the_store_usable(store: PostgresStore, url: str) -> None:
    def interrupt(_db: Connection) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(store, ("a", 1.0), interrupt)
    write(store, ("b", 1.0))
    assert beats(url) == ["b"]


def test_a_file_needs_no_library(tmp_path: Path) -> None:
    code = (
        "import sys; from ansible_collections.aidc.ops.plugins.module_utils._cases.store import open_store; "
        "open_store(sys.argv[1]).close(); print('psycopg' in sys.modules)"
    )
    root = str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ledger.sqlite")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert done.stdout.strip() == "False", done.stderr
