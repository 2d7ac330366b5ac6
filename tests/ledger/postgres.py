# A PostgreSQL server of our own for tests: in a temporary folder, under an unprivileged user, on a socket and loopback.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import glob
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

# Set while the behaviour tests run on this server: the URL of its database without a schema.
VARIABLE = "AIDC_OPS_TEST_POSTGRESQL"
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 200
shared_buffers = 32MB
log_min_messages = warning
{durability}
"""
# A test kills processes, never the machine.
_FAST = "fsync = off\nfull_page_writes = off\nautovacuum = off"
_ACCESS = """
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


class Server:
    """One cluster: started, stopped, restarted; gone after ``close``."""

    def __init__(self, durable: bool = False, parent: str | None = None) -> None:
        self._programs = programs()
        self._user = _unprivileged()
        # Short: the name of a socket may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="aidc_pg_", dir=parent))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        try:
            self._run("initdb", "-D", self._data, "-U", "postgres", "-E", "UTF8", "--no-locale", "-A", "trust", "-N")
            settings = _CONFIGURATION.format(port=self.port, folder=self.folder, durability="" if durable else _FAST)
            (self.folder / "data" / "postgresql.auto.conf").write_text(settings)
            (self.folder / "data" / "pg_hba.conf").write_text(_ACCESS)
            self.start()
            self.sql("CREATE ROLE ledger LOGIN PASSWORD 'right'")
            self.sql("CREATE ROLE reader LOGIN")
            self.sql("CREATE DATABASE ledger OWNER ledger")
        except BaseException:
            self.close()
            raise

    def url(self, database: str = "ledger", user: str = "ledger", schema: str = "") -> str:
        """The URL over the socket, where no password is asked for."""
        options = f"&options={quote(f'-csearch_path={schema}', safe='')}" if schema else ""
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder), safe='')}&port={self.port}{options}"

    def network_url(self, database: str = "ledger", user: str = "ledger") -> str:
        """The URL over the network, where a password is asked for."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-l", str(self.folder / "log"), "-w", "-t", "60", "start")

    def stop(self, mode: str = "fast") -> None:
        """``fast`` ends the connections, ``immediate`` is a crash."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "-t", "60", "stop")

    def close(self) -> None:
        """Ends the server, whatever its state, and removes its folder."""
        try:
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGQUIT)
            self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "-t", "20", "stop")
        except (OSError, ValueError, AssertionError):
            pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, statement: str, database: str = "postgres") -> list[Any]:
        """Runs a statement as the administrator; its rows."""
        import psycopg

        with psycopg.connect(self.url(database, "postgres"), autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if program == "initdb" else subprocess.DEVNULL,
            cwd=self.folder,
            user=self._user,
            env={**os.environ, "LC_ALL": "C"},
            timeout=120,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program} {' '.join(arguments)}: {done.stdout}{self._log()}"

    def _log(self) -> str:
        try:
            return (self.folder / "log").read_text()[-2000:]
        except OSError:
            return ""


def programs() -> Path:
    """Where initdb and pg_ctl are; an AssertionError says which package is missing."""
    found = shutil.which("initdb")
    folders = [os.path.dirname(os.path.realpath(found))] if found else sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    for folder in reversed(folders):
        if all(os.access(os.path.join(folder, name), os.X_OK) for name in ("initdb", "pg_ctl", "postgres")):
            return Path(folder)
    raise AssertionError(
        "These tests need a PostgreSQL server: install the package postgresql (apt-get install postgresql)."
    )


def schema_url(folder: Path) -> str:
    """The URL of a schema that belongs to this folder; made when it is not there."""
    import psycopg

    url = os.environ[VARIABLE]
    schema = "t_" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]
    with psycopg.connect(url) as db:
        # Two that make it at once both find that it is not there, and one of them would fail.
        db.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (schema,))
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
    return f"{url}&options={quote(f'-csearch_path={schema}', safe='')}"


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise AssertionError("PostgreSQL does not run as root, and there is no other user (postgres, nobody) here.")
