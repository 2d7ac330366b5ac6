# Services of the log pipeline that are stopped or killed at the worst moment: no line is lost, and none stored twice.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from pathlib import Path

from pipeline import Pipeline, wait_for
from test_pipeline import mark, metrics, waiting

BATCH_OF_A_SENDER, BATCH_OF_A_COLLECTOR = 128, 2000


def held(pipeline: Pipeline) -> float:
    """Lines in the queue of the sender."""
    return metrics(pipeline.textfiles / "aidc_logs_sender.prom").get("aidc_log_queue_messages relp", 0)


def whole(pipeline: Pipeline, name: str, count: int, twice: int = 0) -> None:
    """Each of the lines is stored, and at most so many of them twice."""
    wanted = {f"{name} {number:05d}" for number in range(count)}
    pipeline.arrived(name, count, 240)
    wait_for(lambda: wanted <= {row["line"] for row in pipeline.stored(name)}, 120, "every line")
    wait_for(lambda: held(pipeline) == 0 == waiting(pipeline), 60, "empty queues")
    found = Counter(row["line"] for row in pipeline.stored(name))
    assert set(found) == wanted
    assert sum(found.values()) - count <= twice


def write(pipeline: Pipeline, name: str, numbers: range) -> None:
    pipeline.write(*(f"{name} {number:05d}" for number in numbers))


def test_a_sender_is_stopped_while_its_collector_is_away(pipeline: Pipeline) -> None:
    name, count = mark(), 3 * BATCH_OF_A_SENDER
    pipeline.collector.stop()
    write(pipeline, name, range(count))
    wait_for(lambda: held(pipeline) >= count, 60, "the lines in the queue")
    for _time in range(2):
        pipeline.sender.stop()
        pipeline.sender.start()
        # Long enough to take a batch out of the queue and to fail with it.
        time.sleep(3)
    pipeline.collector.start()
    whole(pipeline, name, count)


def test_a_collector_is_stopped_while_its_database_is_away(pipeline: Pipeline) -> None:
    name, count = mark(), BATCH_OF_A_COLLECTOR + 1000
    pipeline.database.stop()
    try:
        write(pipeline, name, range(count))
        wait_for(lambda: waiting(pipeline) >= count, 120, "the lines in the queue")
        for _time in range(2):
            pipeline.collector.stop()
            pipeline.collector.start()
            time.sleep(3)
    finally:
        pipeline.database.start()
    whole(pipeline, name, count)


def test_both_are_killed_while_they_work(pipeline: Pipeline) -> None:
    """What a file was read of since its state was last noted is read again, under new ids."""
    name, part, rounds = mark(), 1500, 6
    for number in range(rounds):
        write(pipeline, name, range(number * part, (number + 1) * part))
        time.sleep(0.4 + 0.3 * number)
        victim = (pipeline.sender, pipeline.collector)[number % 2]
        victim.kill()
        victim.start()
    whole(pipeline, name, rounds * part, twice=rounds * part)


def size(folder: Path) -> int:
    """Bytes of a queue on disk."""
    return sum(path.stat().st_size for path in folder.rglob("aidc_send.0*"))


def test_who_writes_waits_while_the_queue_is_full(pipeline: Pipeline) -> None:
    name, count, limit = mark(), 6000, 3 * 2**20
    wanted = {f"{name} {number:05d} {'x' * 900}" for number in range(count)}
    spool, lines = pipeline.folder / f"{name}.spool", pipeline.folder / f"{name}.lines"
    (spool / "sender").mkdir(parents=True)
    lines.write_text("\n".join(sorted(wanted)) + "\n")
    small = pipeline.rsyslogd(
        "sender", name, log_pipeline_queue_mib=3, log_pipeline_files=[{"path": str(lines), "program": "x"}],
        __log_pipeline_spool=str(spool), __log_pipeline_textfile_dir="",
    )  # fmt: skip
    pipeline.collector.stop()
    try:
        small.start()
        wait_for(lambda: size(spool) > limit, 120, "a full queue")
        time.sleep(5)
        assert size(spool) < limit + 2**16
        small.stop()
        small.start()
        pipeline.collector.start()
        wait_for(lambda: {row["line"] for row in pipeline.stored(name)} == wanted, 180, "every line")
    finally:
        small.stop()
        if pipeline.collector.ended():
            pipeline.collector.start()


def test_a_batch_that_comes_again_is_stored_once(pipeline: Pipeline) -> None:
    name = mark()
    known = [{"node": "gpu1", "line": f"{name} {number}", "id": uuid.uuid4().hex.upper()} for number in range(3)]
    # Not from a sender of ours: without an id that is one, each is a line of its own.
    strange = [{"node": "gpu1", "line": f"{name} strange", "id": text} for text in ("", "x'; --", None, 7, "0" * 31)]
    sent = [json.dumps({"sender": "192.0.2.1", "message": json.dumps(line)}) for line in (*known, *strange, known[0])]
    batch = "\n".join(("BEGIN", *sent, "COMMIT", ""))
    for _time in range(2):
        done = pipeline.run("log_store.py", pipeline.dsn, given=batch + batch)
        assert "not stored" not in done.stdout, done.stdout
    found = Counter(row["line"] for row in pipeline.stored(name))
    assert found == {**{f"{name} {number}": 1 for number in range(3)}, f"{name} strange": 4 * len(strange)}
