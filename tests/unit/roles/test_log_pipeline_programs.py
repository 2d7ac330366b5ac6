# Tests of the programs that store, search and count log lines, without a database.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from render import ROOT

FILES = ROOT / "roles" / "log_pipeline" / "files"
# The programs import what they share from their own folder.
sys.path.insert(0, str(FILES))
NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{name}_of_role", FILES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"{name}_of_role"] = module
    spec.loader.exec_module(module)
    return module


store, search, stats = _load("log_store"), _load("log_search"), _load("log_stats")
batches, send = _load("log_batches"), _load("log_send")


def received(message: str, sender: str = "192.0.2.1") -> bytes:
    return json.dumps({"sender": sender, "message": message}).encode()


def test_a_line_of_a_node_becomes_a_row() -> None:
    message = {
        "node": "gpu1",
        "time": "2026-03-01T12:59:00.5+01:00",
        "severity": "3",
        "facility": "kern",
        "program": "kernel",
    }
    row = store.row(received(json.dumps({**message, "line": "NVRM: Xid"})), NOW)
    assert row == {
        "stored": NOW.isoformat(),
        "time": "2026-03-01T11:59:00.500000+00:00",
        "node": "gpu1",
        "sender": "192.0.2.1",
        "severity": "3",
        "facility": "kern",
        "program": "kernel",
        "pid": "",
        "line": "NVRM: Xid",
        "id": None,
    }


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("0123456789ABCDEF" * 2, "0123456789ABCDEF" * 2), ("0" * 31, None), ("0" * 33, None), ("'; --", None), (7, None)],
)
def test_only_what_is_an_id_is_one(given: Any, wanted: str | None) -> None:
    assert store.row(received(json.dumps({"line": "x", "id": given})), NOW)["id"] == wanted


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100000,
        b'{"sender": 1, "message": null}',
        received("no json"),
        received("[]"),
        received("{}"),
    ],
)
def test_whatever_comes_has_every_column(line: bytes) -> None:
    row = store.row(line, NOW)
    assert set(row) == set(store.COLUMNS) and row.pop("id") is None
    assert all(isinstance(value, str) for value in row.values())
    assert row["severity"] == "6" and row["time"] == NOW.isoformat()


def test_what_is_not_from_a_sender_of_ours_is_kept_under_its_address() -> None:
    row = store.row(received("<13>hello"), NOW)
    assert (row["node"], row["sender"], row["line"]) == ("192.0.2.1", "192.0.2.1", "<13>hello")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-03-01T11:00:00Z", "2026-03-01T11:00:00+00:00"),
        ("2026-03-01T12:59:59+00:00", "2026-03-01T12:59:59+00:00"),
        # Wrong clocks, and no times at all.
        ("2026-03-01T13:00:01+00:00", NOW.isoformat()),
        ("1970-01-01T00:00:00Z", NOW.isoformat()),
        ("0001-01-01T00:00:00+14:00", NOW.isoformat()),
        ("'; DROP TABLE log_lines; --", NOW.isoformat()),
        (None, NOW.isoformat()),
        ({}, NOW.isoformat()),
    ],
)
def test_times(text: Any, wanted: str) -> None:
    assert store.when(text, NOW).isoformat() == wanted


def test_copy_escapes_what_would_end_a_value() -> None:
    row = dict.fromkeys(store.COLUMNS, "") | {"line": "a\tb\\.\n\r\\N", "id": None}
    text = store.copy_text([row])
    assert text.endswith("\ta\\tb\\\\.\\n\\r\\\\N\t\\N\n") and text.count("\n") == 1


class FakeStore:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.batches: list[list[bytes]] = []

    def write(self, batch: list[bytes]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(list(batch))


def test_a_batch_that_failed_is_given_back() -> None:
    fake, sink = FakeStore(OSError("gone\nagain")), io.StringIO()
    batch = b"BEGIN\none\ntwo\nCOMMIT\n"
    batches.serve(fake, "not stored", io.BytesIO(batch * 2 + b"BEGIN\nCOMMIT\n"), sink)
    answers = sink.getvalue().splitlines()
    assert answers == [
        "OK",
        *("OK", "DEFER_COMMIT", "DEFER_COMMIT", "not stored: OSError: gone again"),
        *("OK", "DEFER_COMMIT", "DEFER_COMMIT", "OK"),
        *("OK", "OK"),
    ]
    assert fake.batches == [[b"one\n", b"two\n"]]


ACCEPTED = b"1 rsp 6 200 OK\n"


def test_a_batch_is_sent_when_each_line_is_acknowledged() -> None:
    sent = io.BytesIO()
    # Not in the order of the questions, and one without a text.
    session = send.Session(io.BytesIO(ACCEPTED + b"3 rsp 6 200 OK\n2 rsp 3 200\n4 rsp 6 200 OK\n"), sent)
    assert sent.getvalue().startswith(b"1 open 53 relp_version=0\n")
    sent.truncate(0)
    sent.seek(0)
    session.send([b"one\n", "é {{ 7 * 7 }}\n".encode()])
    assert sent.getvalue() == b"2 syslog 3 one\n3 syslog 14 \xc3\xa9 {{ 7 * 7 }}\n"
    session.send([b"\n"])
    assert sent.getvalue().endswith(b"4 syslog 0\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"2 rsp 6 200 OK\n",
        b"2 rsp 6 200 OK\n3 rsp 9 500 error\n",
        b"2 rsp 6 200 OK\n2 rsp 6 200 OK\n",
        b"0 serverclose 0\n",
        b"2 rsp 99999999 200\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"x" * 1000,
        b"2 rsp 6 20",
    ],
)
def test_a_batch_without_all_answers_is_not_sent(answer: bytes) -> None:
    session = send.Session(io.BytesIO(ACCEPTED + answer), io.BytesIO())
    with pytest.raises(send.RelpError, match="the collector"):
        session.send([b"one\n", b"two\n"])


def test_numbers_begin_anew_at_the_end() -> None:
    session = send.Session(io.BytesIO(ACCEPTED + b"999999999 rsp 3 200\n1 rsp 3 200\n"), io.BytesIO())
    session._number = send.LAST_NUMBER - 1
    session.send([b"one\n", b"two\n"])


def test_a_collector_that_is_away_is_asked_again(tmp_path: Path) -> None:
    collector = send.Collector("127.0.0.1", 9, "logs", *(str(tmp_path / name) for name in ("ca", "crt", "key")))
    sink = io.StringIO()
    batches.serve(collector, "not sent", io.BytesIO(b"BEGIN\none\nCOMMIT\n" * 2), sink)
    assert sink.getvalue().count("not sent: FileNotFoundError") == 2


def test_sending_needs_to_be_told_where_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert send.main(["logs", "20515"]) == send.main(["logs", "x", "logs", "ca", "crt", "key"]) == 2
    assert "usage: log_send.py" in capsys.readouterr().err


def asked(*arguments: str) -> tuple[str, list[Any]]:
    statement, values = search.question(search.parser().parse_args(list(arguments)), NOW)
    return str(statement), list(values)


def test_what_is_looked_for_is_never_part_of_the_statement() -> None:
    hostile = "x'; DROP TABLE log_lines; --%s"
    plain, _values = asked("--node", "a", "--program", "a", "--text", "a")
    statement, values = asked("--node", hostile, "--program", hostile, "--text", hostile)
    assert statement == plain
    assert statement.count("%s") == len(values)
    assert values[3:6] == [[hostile], [hostile], "%" + hostile.replace("%", r"\%").replace("_", r"\_") + "%"]


def test_wildcards_are_text() -> None:
    assert search.pattern(r"100%_\x") == r"%100\%\_\\x%"


def test_question() -> None:
    statement, values = asked(
        "--since", "24h", "--severity", "err", "--program", "kernel", "--count-by", "node", "--limit", "5"
    )
    assert statement.startswith("SELECT node, count(*)") and "severity <= %s" in statement
    assert values[1] == NOW - datetime.timedelta(hours=24) and values[-2:] == [3, 5]


@pytest.mark.parametrize("text", ["", "yesterday", "24", "1y", "9999999w", "999999w", "2026-13-01", "now'"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        search.when(text, NOW)


def test_times_that_are_some() -> None:
    assert search.when("2026-01-31", NOW).isoformat() == "2026-01-31T00:00:00+00:00"
    assert search.when("2026-01-31T12:00:00+02:00", NOW).isoformat() == "2026-01-31T10:00:00+00:00"
    with pytest.raises(ValueError, match="before until"):
        asked("--since", "1h", "--until", "2h")


def test_table_shows_and_does_nothing() -> None:
    rows = search.shown(
        [
            (NOW, "gpu2", 3, "kernel", "later"),
            (NOW - datetime.timedelta(seconds=1), "gpu1", 6, "sshd", "a\x1b[2J\u202eb\n| {{ 7 * 7 }}"),
        ],
        "",
    )
    assert search.table(rows, 200).splitlines() == [
        "time                      node  severity  program  line",
        "2026-03-01T11:59:59.000Z  gpu1  info      sshd     a?[2J?b?| {{ 7 * 7 }}",
        "2026-03-01T12:00:00.000Z  gpu2  err       kernel   later",
    ]
    assert "may be more" in search.table(rows, 2)
    assert search.table([], 2) == "No line was found."
    assert search.shown([("gpu1", 7, NOW)], "node") == [
        {"node": "gpu1", "lines": 7, "last": "2026-03-01T12:00:00.000Z"}
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--limit", "0"], "limit"),
        (["--limit", "10001"], "limit"),
        (["--timeout", "0"], "timeout"),
        (["--text", "a\0b"], "NUL"),
        (["--since", "x"], "is no time"),
    ],
)
def test_search_says_what_is_wrong(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert search.main(arguments) == 2
    assert why in capsys.readouterr().err


def counters(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f" {value}" for _name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_become_metrics(tmp_path: Path) -> None:
    lines = [
        {"name": "aidc_relp queue[DA]", "origin": "core.queue", "size": 5, "discarded.full": 1},
        {"name": "aidc_relp queue", "origin": "core.queue", "size": 2, "discarded.full": 2},
        {"name": "aidc_relp", "origin": "core.action", "processed": 9, "failed": 4},
        {"name": "main Q", "origin": "core.queue", "size": 99},
        {"name": "aidc_masking", "origin": "dynstats.bucket", "values": {"lost": 3}},
    ]
    rounds = [*lines, *lines, lines[0]]
    text = b"no json\n[]\n7\n" + b"".join(json.dumps(line).encode() + b"\n" for line in rounds)
    path = tmp_path / "logs.prom"
    stats.serve("sender", str(path), io.BytesIO(text))
    found = counters(path.read_text())
    assert found.pop("aidc_log_stats_timestamp_seconds sender") > 1e9
    assert found == {
        "aidc_log_queue_messages sender relp": 7,
        "aidc_log_queue_discarded_total sender relp": 3,
        "aidc_log_action_processed_total relp sender": 9,
        "aidc_log_action_failed_total relp sender": 4,
        "aidc_log_unmasked_total sender": 3,
    }


def test_a_file_that_cannot_be_written_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = json.dumps({"name": "aidc_relp", "origin": "core.action", "processed": 9}).encode() + b"\n"
    stats.serve("sender", str(tmp_path / "none" / "x.prom"), io.BytesIO(line * 3))
    assert capsys.readouterr().err.count("No such file") == 2


def test_counting_needs_a_function() -> None:
    assert stats.main(["other", "file"]) == 2
    assert store.main([]) == 2
