# Makes the database of log lines and keeps its days: partitions ahead, and none that is older than the retention.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two commands, each prints one JSON object with what it changed:

setup     as PostgreSQL's administrator: roles, database, table. With --check it only says what it would do.
          The password of the reader, if any, is the first line of the standard input.
maintain  as the owner of the table: makes the days ahead, drops those that are over.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import sys
import time
from typing import Any

AHEAD_DAYS = 3
DAY = re.compile(r"log_lines_(\d{8})\Z")
# What must stay one statement for the rest of its life; later versions only add below.
SCHEMA = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE IF NOT EXISTS log_lines (
    stored timestamptz NOT NULL,
    time timestamptz NOT NULL,
    node text NOT NULL,
    sender text NOT NULL,
    severity smallint NOT NULL,
    facility text NOT NULL,
    program text NOT NULL,
    pid text NOT NULL,
    line text NOT NULL
) PARTITION BY RANGE (stored);
COMMENT ON TABLE log_lines IS 'Log lines of all nodes, masked; a partition for each day (UTC) of storing';
ALTER TABLE log_lines ADD COLUMN IF NOT EXISTS id uuid;
CREATE INDEX IF NOT EXISTS log_lines_time ON log_lines (time);
CREATE INDEX IF NOT EXISTS log_lines_node ON log_lines (node, time);
CREATE INDEX IF NOT EXISTS log_lines_text ON log_lines USING gin (line gin_trgm_ops);
CREATE OR REPLACE FUNCTION log_lines_make_day(day date) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    name text := 'log_lines_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(quote_ident(name)) IS NULL OR to_regclass(quote_ident(name || '_id')) IS NULL THEN
        -- Two that find it missing at the same moment take turns.
        PERFORM pg_advisory_xact_lock(hashtext('log_lines_make_day'));
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF log_lines FOR VALUES FROM (%L) TO (%L)',
                       name, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
        -- For lines that come twice. An index of the whole table would have to hold the time of storing as well.
        EXECUTE format('CREATE UNIQUE INDEX IF NOT EXISTS %I ON %I (id)', name || '_id', name);
    END IF;
END $body$;
"""
COMPLETE = """
SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm')
     + (SELECT count(*) FROM pg_class
        WHERE relname IN ('log_lines_time', 'log_lines_node', 'log_lines_text') AND relkind = 'I')
     + (SELECT count(*) FROM pg_proc WHERE proname = 'log_lines_make_day')
     + (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('log_lines') AND attname = 'id') = 6
"""


def connect(dsn: str, **more: str) -> Any:
    """A connection of which every statement counts at once."""
    import psycopg2

    connection = psycopg2.connect(dsn, connect_timeout=10, **more)
    connection.autocommit = True
    return connection


def rows(connection: Any, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def name_of(connection: Any, identifier: str) -> str:
    """An identifier as it is written in a statement."""
    from psycopg2.extensions import quote_ident

    return str(quote_ident(identifier, connection))


def logs_in(arguments: argparse.Namespace, password: str) -> bool:
    """Whether the reader gets in over the network with this password."""
    import psycopg2

    try:
        connect(arguments.login, dbname="postgres", user=arguments.reader, password=password).close()
    except psycopg2.OperationalError:
        return False
    return True


def setup_roles(server: Any, arguments: argparse.Namespace, password: str) -> list[str]:
    """Make the two roles and set the reader's password."""
    changed = []
    known = {str(found[0]): bool(found[1]) for found in rows(server, "SELECT rolname, rolcanlogin FROM pg_roles")}
    if arguments.owner not in known:
        changed.append(f"role {arguments.owner}")
        if not arguments.check:
            rows(server, f"CREATE ROLE {name_of(server, arguments.owner)} LOGIN")
    reader = name_of(server, arguments.reader)
    login = "LOGIN" if password else "NOLOGIN"
    if arguments.reader not in known:
        changed.append(f"role {arguments.reader}")
        if not arguments.check:
            rows(server, f"CREATE ROLE {reader} {login} CONNECTION LIMIT 20")
    elif known[arguments.reader] != bool(password):
        changed.append(f"login of {arguments.reader}")
        if not arguments.check:
            rows(server, f"ALTER ROLE {reader} {login}")
    # Whoever may log in everywhere without a password proves nothing here, but then there is nothing to protect either.
    if password and (arguments.reader not in known or not logs_in(arguments, password)):
        changed.append(f"password of {arguments.reader}")
        if not arguments.check:
            rows(server, f"ALTER ROLE {reader} PASSWORD %s", (password,))
    return changed


def setup(arguments: argparse.Namespace) -> list[str]:
    """Make what is missing of roles, database and table."""
    password = "" if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    server = connect(arguments.dsn, dbname="postgres")
    changed = setup_roles(server, arguments, password)
    if not rows(server, "SELECT 1 FROM pg_database WHERE datname = %s", (arguments.database,)):
        changed.append(f"database {arguments.database}")
        if arguments.check:
            return [*changed, "table log_lines"]
        rows(
            server,
            f"CREATE DATABASE {name_of(server, arguments.database)} OWNER {name_of(server, arguments.owner)}"
            " TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'",
        )
        # The default lets every role in.
        rows(server, f"REVOKE ALL ON DATABASE {name_of(server, arguments.database)} FROM PUBLIC")
    database = connect(arguments.dsn, dbname=arguments.database)
    if not rows(database, COMPLETE)[0][0]:
        changed.append("table log_lines")
        if not arguments.check:
            rows(database, f"SET ROLE {name_of(database, arguments.owner)}")
            rows(database, SCHEMA)
            rows(database, "RESET ROLE")
    may_read = "SELECT to_regclass('log_lines') IS NOT NULL AND EXISTS (SELECT 1 FROM pg_roles WHERE rolname = %s)"
    if not rows(database, may_read, (arguments.reader,))[0][0]:
        return [*changed, f"rights of {arguments.reader}"]
    if not rows(
        database,
        "SELECT has_table_privilege(%s, 'log_lines', 'SELECT') AND has_database_privilege(%s, %s, 'CONNECT')",
        (arguments.reader, arguments.reader, arguments.database),
    )[0][0]:
        changed.append(f"rights of {arguments.reader}")
        if not arguments.check:
            reader = name_of(database, arguments.reader)
            rows(database, f"GRANT CONNECT ON DATABASE {name_of(database, arguments.database)} TO {reader}")
            rows(database, f"GRANT SELECT ON log_lines TO {reader}")
            # A question of a dashboard must not hold up the storing.
            rows(database, f"ALTER ROLE {reader} SET statement_timeout = '60s'")
            rows(database, f"ALTER ROLE {reader} SET default_transaction_read_only = on")
    return changed


def maintain(arguments: argparse.Namespace) -> list[str]:
    """Make the days ahead and drop those that are over."""
    connection = connect(arguments.dsn, dbname=arguments.database)
    # Dropping waits for whoever reads the day, and everybody else would wait behind it.
    rows(connection, "SET lock_timeout = '30s'")
    today = datetime.datetime.now(datetime.timezone.utc).date()
    partitions = (
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'log_lines'::regclass"
    )
    before = {str(found[0]) for found in rows(connection, partitions)}
    for ahead in range(AHEAD_DAYS + 1):
        rows(connection, "SELECT log_lines_make_day(%s)", (today + datetime.timedelta(days=ahead),))
    changed = [f"made {name}" for name in sorted({str(found[0]) for found in rows(connection, partitions)} - before)]
    oldest = (today - datetime.timedelta(days=arguments.days)).strftime("%Y%m%d")
    for name in sorted(before):
        day = DAY.match(name)
        if day and day.group(1) < oldest:
            rows(connection, f"DROP TABLE {name_of(connection, name)}")
            changed.append(f"dropped {name}")
    if arguments.textfile:
        size = rows(connection, "SELECT pg_database_size(current_database())")[0][0]
        write_metrics(arguments.textfile, int(size))
    return changed


def write_metrics(path: str, size: int) -> None:
    """Replace the text file for the node exporter at once."""
    lines = [
        "# HELP aidc_log_retention_last_success_timestamp_seconds When old days of log lines were last dropped.",
        "# TYPE aidc_log_retention_last_success_timestamp_seconds gauge",
        f"aidc_log_retention_last_success_timestamp_seconds {int(time.time())}",
        "# HELP aidc_log_database_bytes Size of the database of log lines.",
        "# TYPE aidc_log_database_bytes gauge",
        f"aidc_log_database_bytes {size}",
    ]
    with open(path + ".new", "w", encoding="ascii") as handle:
        handle.write("\n".join(lines) + "\n")
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)


def main(argv: list[str]) -> int:
    """Entry point of the program."""
    parser = argparse.ArgumentParser(description="The database of log lines.")
    parser.add_argument("--dsn", default="", help="how to reach the server, without the name of the database")
    parser.add_argument("--database", required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("setup")
    making.add_argument("--owner", required=True)
    making.add_argument("--reader", required=True)
    making.add_argument("--login", default="host=127.0.0.1", help="how the reader would reach the server")
    making.add_argument("--check", action="store_true")
    keeping = commands.add_parser("maintain")
    keeping.add_argument("--days", type=int, required=True)
    keeping.add_argument("--textfile", default="")
    arguments = parser.parse_args(argv)
    try:
        import psycopg2
    except ImportError:
        print("log_database: the Python library psycopg2 is missing (Debian: python3-psycopg2)", file=sys.stderr)
        return 1
    try:
        changed = setup(arguments) if arguments.command == "setup" else maintain(arguments)
    except (psycopg2.Error, OSError) as exc:
        print(f"log_database: {arguments.command} failed: {' '.join(str(exc).split())}", file=sys.stderr)
        return 1
    print(json.dumps({"changed": changed}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
