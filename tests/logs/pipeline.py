# A log pipeline for tests: what the role writes, on real rsyslogd as sender and collector, with a real PostgreSQL.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import datetime
import json
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from debian_package import library_path, unpacked
from render import ROOT, render

from ansible_collections.aidc.ops.tests.ledger.postgres import Server

FILES = ROOT / "roles" / "log_pipeline" / "files"
PACKAGES = (
    *("rsyslog", "rsyslog-relp", "rsyslog-openssl", "rsyslog-elasticsearch", "python3-psycopg2"),
    *("librelp0", "libestr0", "libfastjson4", "liblognorm5"),
)
KEY = b"0123456789abcdef0123456789abcdef"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """What the condition gives as soon as it is true; an AssertionError that says what was waited for."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


class Authority:
    """Certificates as the role pki makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        self._write("ca", self._key, self._sign(self._name, self._key, x509.BasicConstraints(True, 0), ""))

    def issue(self, name: str) -> None:
        """Write <name>.crt and <name>.key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(name, key, self._sign(subject, key, x509.BasicConstraints(False, None), name))

    def _sign(self, subject: x509.Name, key: Any, constraints: x509.BasicConstraints, dns: str) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(constraints, critical=True)
        )
        if dns:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, key: Any, certificate: x509.Certificate) -> None:
        (self.folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{name}.key").write_bytes(key.private_bytes(*encoding))


class Rsyslogd:
    """One instance with a configuration of the role."""

    def __init__(self, packages: Path, folder: Path, name: str, text: str, stop: str) -> None:
        self._stop = stop
        self._program = packages / "usr" / "sbin" / "rsyslogd"
        self._modules = next(packages.glob("usr/lib/*/rsyslog"))
        self._environment = {**os.environ, "LD_LIBRARY_PATH": library_path(packages)}
        self.config = folder / f"{name}.conf"
        self.config.write_text(text)
        self._pid = folder / f"{name}.pid"
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        return [str(self._program), "-M", str(self._modules), "-f", str(self.config), *arguments]

    def check(self) -> subprocess.CompletedProcess[str]:
        """What rsyslogd itself says of the configuration."""
        command = self.command("-N1", "-i", "NONE")
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=False)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command("-n", "-i", "NONE"), env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self) -> None:
        """As systemd does it: what the unit says, then the kill for what is left."""
        if self._process is not None:
            stopping = subprocess.Popen(["/bin/sh", "-c", self._stop.replace("${MAINPID}", str(self._process.pid))])
            # Our child stays known to the system until it is asked for, and the unit's command would wait for it.
            while self._process.poll() is None and stopping.poll() is None:
                time.sleep(0.02)
            stopping.kill()
            stopping.wait(10)
            self.kill()

    def kill(self) -> None:
        """What a crash of the machine does, but for what its disk had not yet written."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(60)
            self._process = None

    def ended(self) -> bool:
        """Whether it was stopped."""
        return self._process is None

    def children(self, program: str) -> list[int]:
        """The processes of its helper program."""
        assert self._process is not None
        found = subprocess.run(
            ["ps", "--ppid", str(self._process.pid), "-o", "pid=,args="], capture_output=True, text=True, check=False
        )
        return [int(line.split()[0]) for line in found.stdout.splitlines() if program in line]

    def said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class Pipeline:
    """A sender with the file C(lines), a collector, a database; ``variables`` are options of the role."""

    def __init__(self, folder: Path, **variables: Any) -> None:
        self.folder = folder
        self.packages = unpacked(*PACKAGES)
        self.authority = Authority(folder / "pki")
        self.port = free_port()
        self.lines = folder / "lines"
        self.lines.touch()
        self.textfiles = folder / "textfiles"
        self.textfiles.mkdir()
        self.rules = folder / "rules.json"
        self.key = folder / "mask.key"
        self.key.write_bytes(KEY)
        self.database = Server(parent="/tmp")
        python = folder / "python"
        modules = self.packages / "usr" / "lib" / "python3" / "dist-packages"
        python.write_text(f'#!/bin/sh\nPYTHONPATH={modules} exec /usr/bin/python3 "$@"\n')
        python.chmod(0o755)
        self.python = str(python)
        self.dsn = self.database.url("aidc_logs", "aidc_logs")
        self.variables: dict[str, Any] = {
            "log_pipeline_functions": ["sender", "collector"],
            "log_pipeline_python": self.python,
            "log_pipeline_node": "gpu1",
            "log_pipeline_target": "127.0.0.1",
            "log_pipeline_target_name": "collector",
            "log_pipeline_port": self.port,
            "log_pipeline_peers": ["gpu1"],
            "log_pipeline_journal": False,
            "log_pipeline_files": [{"path": str(self.lines), "program": "trainer"}],
            "log_pipeline_textfile_dir": str(self.textfiles),
            "__log_pipeline_textfile_dir": str(self.textfiles),
            "__log_pipeline_program_dir": str(FILES),
            "__log_pipeline_dir": str(folder / "etc"),
            "__log_pipeline_spool": str(folder / "spool"),
            "__log_pipeline_rules": str(self.rules),
            "__log_pipeline_key": str(self.key),
            "__log_pipeline_dsn": self.dsn,
            **variables,
        }
        self.rules.write_text(self.render("mask_rules.json.j2"))
        for function, name in (("sender", "gpu1"), ("collector", "collector")):
            (folder / "spool" / function).mkdir(parents=True)
            (folder / "etc" / function).mkdir(parents=True)
            self.authority.issue(name)
            self.install(self.authority, name, folder / "etc" / function)
        self.database_program("setup", "--owner", "aidc_logs", "--reader", "aidc_logs_reader")
        self.sender = self.rsyslogd("sender")
        self.collector = self.rsyslogd("collector")

    @staticmethod
    def install(authority: Authority, name: str, folder: Path) -> None:
        for source, target in (("ca.crt", "ca.crt"), (f"{name}.crt", "own.crt"), (f"{name}.key", "own.key")):
            (folder / target).write_bytes((authority.folder / source).read_bytes())

    def render(self, template: str, **variables: Any) -> str:
        return render("log_pipeline", template, **{**self.variables, **variables})

    def rsyslogd(self, function: str, name: str = "", **variables: Any) -> Rsyslogd:
        text = self.render(f"{function}.conf.j2", **variables).replace(
            'impstats" interval="30"', 'impstats" interval="1"'
        )
        unit = self.render(f"aidc-ops-log-{function}.service.j2")
        stop = next(line for line in unit.splitlines() if line.startswith("ExecStop="))
        return Rsyslogd(self.packages, self.folder, name or function, text, shlex.split(stop)[-1])

    def run(self, program: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, str(FILES / program), *arguments],
            input=given, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def database_program(self, *arguments: str, password: str = "", user: str = "postgres") -> list[str]:
        """What log_database.py says that it changed."""
        folder, port = self.database.folder, self.database.port
        dsn = f"host={folder} port={port} user={user}"
        login = ["--login", f"host=127.0.0.1 port={port}"] if arguments[0] == "setup" else []
        done = self.run(
            "log_database.py", "--dsn", dsn, "--database", "aidc_logs", *arguments, *login, given=password + "\n"
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout)["changed"])

    def write(self, *lines: str | bytes) -> None:
        """Append lines to the file that the sender reads."""
        with self.lines.open("ab") as handle:
            for line in lines:
                handle.write((line if isinstance(line, bytes) else line.encode()) + b"\n")

    def stored(self, part: str = "") -> list[dict[str, Any]]:
        """The stored lines with a part, in the order in which they came."""
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(self.dsn, row_factory=dict_row) as database:
            statement = "SELECT * FROM log_lines WHERE position(%s in line) > 0 ORDER BY stored, tableoid, ctid"
            return list(database.execute(statement, (part,)))

    def arrived(self, part: str, count: int = 1, seconds: float = 120) -> list[dict[str, Any]]:
        """The stored lines with a part, when there are so many."""
        try:
            return list(
                wait_for(
                    lambda: (found := self.stored(part)) and len(found) >= count and found,
                    seconds,
                    f"{count} of {part}",
                )
            )
        except AssertionError as exc:
            raise AssertionError(
                f"{exc}\n{len(self.stored(part))} came\n{self.sender.said()}\n{self.collector.said()}"
            ) from None

    def close(self) -> None:
        self.sender.stop()
        self.collector.stop()
        self.database.close()
