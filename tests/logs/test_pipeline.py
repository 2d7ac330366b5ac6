# The log pipeline from a file on a node to a row in the database, on real rsyslogd and PostgreSQL.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import socketserver
import ssl
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pipeline import Authority, Pipeline, Rsyslogd, free_port, wait_for
from prometheus_client.parser import text_string_to_metric_families


def mark() -> str:
    return "mark" + uuid.uuid4().hex


def metrics(path: Path) -> dict[str, float]:
    try:
        text = path.read_text()
    except OSError:
        return {}
    return {
        sample.name
        + "".join(f" {value}" for name, value in sorted(sample.labels.items()) if name != "function"): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def answer(pipeline: Pipeline, *arguments: str) -> Any:
    done = pipeline.run("log_search.py", "--dsn", pipeline.dsn, "--user", "", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("function", ["sender", "collector"])
def test_rsyslogd_takes_the_configuration(pipeline: Pipeline, function: str) -> None:
    checked = getattr(pipeline, function).check()
    assert checked.returncode == 0 and "error" not in checked.stderr, checked.stderr


def test_a_line_arrives_masked_and_soon(pipeline: Pipeline) -> None:
    name = mark()
    before = time.time()
    pipeline.write(
        f"{name} login of user alice from 203.0.113.7 with password=hunter2 by bob@example.org in /home/carol"
    )
    row = pipeline.arrived(name)[0]
    assert (row["node"], row["sender"], row["severity"], row["program"]) == ("gpu1", "127.0.0.1", 6, "trainer")
    assert before - 1 <= row["time"].timestamp() <= row["stored"].timestamp() + 1
    assert not [word for word in ("alice", "203.0.113.7", "hunter2", "bob", "carol") if word in str(row)]
    assert (
        row["line"].count("[user:") == 2
        and "[ip:" in row["line"]
        and "[mail:" in row["line"]
        and "=[secret]" in row["line"]
    )


def test_hostile_lines_arrive_as_text_and_one_by_one(pipeline: Pipeline) -> None:
    name = mark()
    hostile: list[bytes] = [
        b"'; DROP TABLE log_lines; --",
        b"\\'; SELECT pg_sleep(100) \\. \\N \\x",
        b'"} {"sender":"forged"} %msg% %rawmsg% $!aidc!line `id` $(id) {{ 7 * 7 }}',
        b"\xff\xfe\x80 \xc3\x28 \xed\xa0\x80 \xf8\x88\x80\x80\x80 broken",
        b"\x01 \x1b[2J \x7f \x08 control",
        b"BEGIN",
        b"COMMIT",
        "é 漢字 \U0001f600 \u2028 \u202e".encode(),
        b"x" * 70000,
        b"tab\there",
        b"<0>1 - - - - - syslog",
        b'","line":"-- MARK --"',
        # rsyslog ends a line where it finds the end of a string of C.
        b"before \x00 after",
    ]
    # The mark on both sides shows that no line took anything of its neighbour.
    pipeline.write(*(f"{name} {number} ".encode() + text + f" {name}".encode() for number, text in enumerate(hostile)))
    pipeline.write(f"{name} last")
    rows = {
        int(row["line"].split()[1]): row for row in pipeline.arrived(f"{name} ", 13) if row["line"].split()[1].isdigit()
    }
    pipeline.arrived(f"{name} last")
    assert sorted(rows) == list(range(len(hostile)))
    for number in (0, 1, 2, 5, 6, 9, 10, 11):
        assert rows[number]["line"] == f"{name} {number} {hostile[number].decode()} {name}"
    assert rows[7]["line"] == f"{name} 7 é 漢字 \U0001f600 ? \u202e {name}"
    assert rows[3]["line"].endswith(f"broken {name}") and rows[4]["line"].endswith(f"control {name}")
    assert rows[12]["line"] == f"{name} 12 before"
    assert "\x1b" not in rows[4]["line"] and len(rows[8]["line"]) == 8000
    assert {row["node"] for row in rows.values()} == {"gpu1"} and {row["sender"] for row in rows.values()} == {
        "127.0.0.1"
    }


def test_collector_goes_away_and_nothing_is_lost(pipeline: Pipeline) -> None:
    name = mark()
    pipeline.write(f"{name} before")
    pipeline.arrived(f"{name} before")
    pipeline.collector.stop()
    # More than the queue holds in memory.
    pipeline.write(*(f"{name} waits {number:05d}" for number in range(30000)))
    spool = pipeline.folder / "spool" / "sender"
    wait_for(lambda: list(spool.glob("aidc_send.0*")), 120, "lines of the queue on disk")
    wait_for(
        lambda: metrics(pipeline.textfiles / "aidc_logs_sender.prom").get("aidc_log_queue_messages relp", 0) > 29000,
        120,
        "all",
    )
    pipeline.collector.start()
    pipeline.write(f"{name} after")
    rows = pipeline.arrived(f"{name} waits", 30000, 240)
    assert {row["line"] for row in rows} == {f"{name} waits {number:05d}" for number in range(30000)}
    pipeline.arrived(f"{name} after", seconds=60)
    wait_for(
        lambda: metrics(pipeline.textfiles / "aidc_logs_sender.prom").get("aidc_log_queue_messages relp") == 0,
        60,
        "an empty queue",
    )


def test_database_goes_away_and_nothing_is_lost(pipeline: Pipeline) -> None:
    name = mark()
    pipeline.database.stop()
    try:
        pipeline.write(*(f"{name} {number:04d}" for number in range(3000)))
        wait_for(
            lambda: "not stored" in pipeline.collector.said() or waiting(pipeline) > 0, 60, "the collector to notice"
        )
        wait_for(lambda: waiting(pipeline) >= 3000, 60, "the collector to have them")
    finally:
        pipeline.database.start()
    rows = pipeline.arrived(name, 3000, 120)
    assert {row["line"] for row in rows} == {f"{name} {number:04d}" for number in range(3000)}


def waiting(pipeline: Pipeline) -> float:
    return metrics(pipeline.textfiles / "aidc_logs_collector.prom").get("aidc_log_queue_messages store", 0)


def test_helpers_that_die_come_back_and_nothing_leaves_unmasked(pipeline: Pipeline) -> None:
    name = mark()
    pipeline.write(f"{name} first for user alice")
    pipeline.arrived(f"{name} first")
    for daemon, program in ((pipeline.sender, "log_mask"), (pipeline.collector, "log_store")):
        for pid in wait_for(lambda daemon=daemon, program=program: daemon.children(program), 10, program):
            os.kill(pid, signal.SIGKILL)
    for number in range(20):
        pipeline.write(f"{name} {number} for user alice")
        time.sleep(0.1)
    pipeline.arrived(f"{name} 19 for", seconds=60)
    rows = pipeline.stored(name)
    assert not [row for row in rows if "alice" in row["line"]]
    # The one that the masking was busy with is lost and counted, never sent as it was.
    assert len({row["line"] for row in rows}) >= 20


def test_counters(pipeline: Pipeline) -> None:
    sender = wait_for(lambda: metrics(pipeline.textfiles / "aidc_logs_sender.prom"), 30, "counters of the sender")
    assert sender["aidc_log_action_processed_total relp"] > 0
    assert {
        "aidc_log_queue_messages relp",
        "aidc_log_queue_discarded_total relp",
        "aidc_log_stats_timestamp_seconds",
    } <= set(sender)
    collector = wait_for(
        lambda: metrics(pipeline.textfiles / "aidc_logs_collector.prom"), 30, "counters of the collector"
    )
    assert {"aidc_log_queue_messages store", "aidc_log_action_processed_total postgresql"} <= set(collector)


def handshake(pipeline: Pipeline, *arguments: str) -> str:
    """What openssl says when it asks the collector for a session of RELP."""
    frame = "1 open 85 relp_version=0\nrelp_software=test\ncommands=syslog\n"
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{pipeline.port}", "-quiet", *arguments],
        input=frame, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def sends(pipeline: Pipeline, authority: Authority, certificate: str, name: str) -> Rsyslogd:
    """A sender of its own with this certificate."""
    lines, etc = pipeline.folder / f"{name}.lines", pipeline.folder / f"{name}.etc"
    (etc / "sender").mkdir(parents=True)
    (pipeline.folder / f"{name}.spool" / "sender").mkdir(parents=True)
    pipeline.install(authority, certificate, etc / "sender")
    lines.write_text(f"{name} a line\n")
    return pipeline.rsyslogd(
        "sender", name, __log_pipeline_dir=str(etc), __log_pipeline_spool=str(pipeline.folder / f"{name}.spool"),
        log_pipeline_files=[{"path": str(lines), "program": "x"}], __log_pipeline_textfile_dir="",
    )  # fmt: skip


def test_who_has_no_certificate_of_ours_cannot_send(pipeline: Pipeline) -> None:
    assert "rsp" not in handshake(pipeline)
    foreign = Authority(pipeline.folder / mark())
    foreign.issue("gpu1")
    pipeline.authority.issue("stranger")
    names = [mark(), mark()]
    refused = [sends(pipeline, foreign, "gpu1", names[0]), sends(pipeline, pipeline.authority, "stranger", names[1])]
    pipeline.authority.issue("gpu1")
    allowed = mark()
    good = sends(pipeline, pipeline.authority, "gpu1", allowed)
    try:
        for daemon in (*refused, good):
            daemon.start()
        pipeline.arrived(allowed, seconds=60)
        time.sleep(3)
        assert [pipeline.stored(name) for name in names] == [[], []]
    finally:
        for daemon in (*refused, good):
            daemon.stop()


def test_search(pipeline: Pipeline) -> None:
    name = mark()
    pipeline.write(f"{name} 100%_sure NVRM: Xid 79", f"{name} 100 sure", f"{name} it's {{{{ 7 * 7 }}}}")
    pipeline.arrived(name, 3)
    found = answer(pipeline, "--text", name, "--text", "nvrm")
    assert [row["line"] for row in found] == [f"{name} 100%_sure NVRM: Xid 79"]
    assert [row["line"] for row in answer(pipeline, "--text", name, "--text", "%_")] == [
        f"{name} 100%_sure NVRM: Xid 79"
    ]
    assert len(answer(pipeline, "--text", name, "--text", "it's")) == 1
    assert len(answer(pipeline, "--text", name, "--node", "gpu1", "--program", "trainer", "--severity", "info")) == 3
    assert answer(pipeline, "--text", name, "--severity", "err") == []
    assert answer(pipeline, "--text", name, "--node", "gpu2") == []
    assert answer(pipeline, "--text", name, "--since", "2020-01-01", "--until", "2020-02-01") == []
    assert answer(pipeline, "--node", "gpu1'; DROP TABLE log_lines; --") == []
    assert answer(pipeline, "--text", name, "--count-by", "node")[0]["lines"] == 3
    assert len(answer(pipeline, "--text", name, "--limit", "2")) == 2


def test_search_cannot_write_and_ends(pipeline: Pipeline) -> None:
    done = pipeline.run("log_search.py", "--dsn", pipeline.dsn.replace("aidc_logs?", "none?"), "--user", "")
    assert done.returncode == 1 and "the database did not answer" in done.stderr
    done = pipeline.run("log_search.py", "--dsn", pipeline.dsn, "--user", "nobody-here")
    assert done.returncode == 2


def plan(pipeline: Pipeline, condition: str) -> str:
    with psycopg.connect(pipeline.dsn, autocommit=True) as database:
        database.execute("SET enable_seqscan = off")
        return "\n".join(
            row[0] for row in database.execute(f"EXPLAIN SELECT * FROM log_lines WHERE {condition}".encode())
        )


def test_indices_serve_a_search(pipeline: Pipeline) -> None:
    assert "gin" in plan(pipeline, "line ILIKE '%fallen off%'") or "line_idx" in plan(
        pipeline, "line ILIKE '%fallen off%'"
    )
    assert "node_time_idx" in plan(pipeline, "node = 'gpu1' AND time > now() - interval '1 hour'")


def test_reader_may_read_and_nothing_else(pipeline: Pipeline) -> None:
    assert pipeline.database_program("setup", "--owner", "aidc_logs", "--reader", "aidc_logs_reader") == []
    arguments = ("setup", "--owner", "aidc_logs", "--reader", "aidc_logs_reader")
    # Check mode says it and does not do it.
    planned = pipeline.database_program(*arguments, "--check", password="first 'secret'")
    assert planned == ["login of aidc_logs_reader", "password of aidc_logs_reader"]
    assert pipeline.database_program(*arguments, password="first 'secret'") == planned
    assert pipeline.database_program(*arguments, password="first 'secret'") == []
    assert pipeline.database_program(*arguments, password="second") == ["password of aidc_logs_reader"]
    url = f"host=127.0.0.1 port={pipeline.database.port} dbname=aidc_logs user=aidc_logs_reader password=second"
    with psycopg.connect(url, autocommit=True) as reader:
        assert reader.execute("SELECT count(*) FROM log_lines").fetchone()[0] > 0  # type: ignore[index]
        for statement in (
            "DELETE FROM log_lines", "DROP TABLE log_lines", "CREATE TABLE x (a int)",
            "SELECT log_lines_make_day('2030-01-01')",
            "SET default_transaction_read_only = off; INSERT INTO log_lines SELECT * FROM log_lines",
        ):  # fmt: skip
            with pytest.raises(psycopg.Error):
                reader.execute(statement.encode())
    # Without a password it cannot log in any more.
    assert pipeline.database_program(*arguments) == ["login of aidc_logs_reader"]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def days(pipeline: Pipeline) -> set[str]:
    with psycopg.connect(pipeline.dsn) as database:
        return {
            row[0] for row in database.execute("SELECT relname FROM pg_class WHERE relname ~ '^log_lines_[0-9]{8}$'")
        }


def test_old_days_are_dropped_and_new_ones_made(pipeline: Pipeline) -> None:
    with psycopg.connect(pipeline.dsn, autocommit=True) as database:
        for age in (400, 31, 8, 7):
            database.execute("SELECT log_lines_make_day((now() AT TIME ZONE 'UTC')::date - %s)", (age,))
    before = days(pipeline)
    textfile = pipeline.textfiles / "retention.prom"
    changed = pipeline.database_program("maintain", "--days", "7", "--textfile", str(textfile), user="aidc_logs")
    assert len([text for text in changed if text.startswith("dropped")]) == 3
    after = days(pipeline)
    assert len(before - after) == 3 and len(after - before) == 3
    assert pipeline.database_program("maintain", "--days", "7", user="aidc_logs") == []
    assert metrics(textfile)["aidc_log_retention_last_success_timestamp_seconds"] > time.time() - 100
    assert metrics(textfile)["aidc_log_database_bytes"] > 0


class Recorder(http.server.BaseHTTPRequestHandler):
    """An Elasticsearch that takes everything and remembers it."""

    documents: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            self.documents.append((json.loads(action)["index"]["_index"], json.loads(document)))
        items = [{"index": {"status": 201}}] * (len(lines) // 2)
        self._say(json.dumps({"errors": False, "items": items}).encode())

    def do_GET(self) -> None:
        self._say(b"{}")

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_arguments: Any) -> None:
        pass


class SyslogReceiver(socketserver.BaseRequestHandler):
    received: list[bytes] = []  # noqa: RUF012

    def handle(self) -> None:
        while chunk := self.request.recv(65536):
            self.received.append(chunk)


def test_forwarders(pipeline: Pipeline) -> None:
    """A second collector that forwards as well: to something like Elasticsearch, and as syslog over TLS."""
    pipeline.authority.issue("receiver")
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pipeline.authority.folder / "receiver.crt", pipeline.authority.folder / "receiver.key")
    context.load_verify_locations(pipeline.authority.folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    syslog = socketserver.ThreadingTCPServer(("127.0.0.1", 0), SyslogReceiver)
    syslog.daemon_threads = True
    syslog.socket = context.wrap_socket(syslog.socket, server_side=True)
    for server in (web, syslog):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    folder, port, name = pipeline.folder / mark(), free_port(), mark()
    for part in ("etc/sender", "etc/collector", "spool/sender", "spool/collector"):
        (folder / part).mkdir(parents=True)
    pipeline.install(pipeline.authority, "collector", folder / "etc" / "collector")
    pipeline.install(pipeline.authority, "gpu1", folder / "etc" / "sender")
    (folder / "etc" / "collector" / "elasticsearch_password").write_text("x-y")
    (folder / "lines").touch()
    same = {
        "__log_pipeline_dir": str(folder / "etc"), "__log_pipeline_spool": str(folder / "spool"),
        "log_pipeline_port": port,
        "__log_pipeline_textfile_dir": "", "log_pipeline_files": [{"path": str(folder / "lines"), "program": "my app"}],
        "log_pipeline_elasticsearch": {"servers": [f"http://127.0.0.1:{web.server_port}"], "user": "writer"},
        "log_pipeline_syslog": {"host": "127.0.0.1", "port": syslog.server_address[1], "name": "receiver"},
    }  # fmt: skip
    daemons = [pipeline.rsyslogd(function, f"{name}-{function}", **same) for function in ("collector", "sender")]
    assert daemons[0].check().returncode == 0, daemons[0].check().stderr
    try:
        for daemon in daemons:
            daemon.start()
        time.sleep(1)
        with (folder / "lines").open("a") as handle:
            handle.write(f'{name} "quoted" \\ é for user alice\n')
        row = pipeline.arrived(name, seconds=60)[0]
        wait_for(lambda: [text for _index, text in Recorder.documents if name in str(text)], 30, "the document")
        index, document = next(found for found in Recorder.documents if name in str(found[1]))
        assert index.startswith("aidc-logs-20") and document["message"] == row["line"]
        assert (document["node"], document["severity"], document["sender"]) == ("gpu1", 6, "127.0.0.1")
        assert "alice" not in str(Recorder.documents)
        wait_for(lambda: name.encode() in b"".join(SyslogReceiver.received), 30, "the syslog message")
        text = b"".join(SyslogReceiver.received).decode()
        length, _space, rest = text.partition(" ")
        assert rest.encode()[: int(length)].decode().endswith(row["line"])
        assert rest.startswith("<134>1 20") and f" gpu1 {document['program'].replace(' ', '_')} - - - " in rest
    finally:
        for daemon in daemons[::-1]:
            daemon.stop()
        web.shutdown()
        syslog.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
