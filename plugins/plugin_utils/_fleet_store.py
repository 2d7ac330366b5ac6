# Keeps fleet files on the controller: one for each run, and a link to the newest one that is whole.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reads the fleet reads the link. So a node that was not reached must not fall out of it by itself: the link only
moves to a fleet without a node that it has now, or without a host that was asked, where somebody said so.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware import atomic_file, fleet

Record = t.Mapping[str, t.Any]

KEEP, CARRY_OVER, REPLACE = "keep", "carry_over", "replace"


class StoreError(AidcOpsError):
    """A file of the fleet cannot be read or written."""


class Wanted(t.NamedTuple):
    """What is to be kept. ``absent``: hosts that were asked and gave no record. ``latest`` may be None."""

    records: t.Sequence[Record]
    path: str
    mode: int
    latest: str | None
    absent: t.Sequence[str]
    if_smaller: str


def _target(latest: str) -> str | None:
    """Where the link leads; None if it is not there yet. StoreError if it is something else than a link."""
    if not os.path.lexists(latest):
        return None
    if not os.path.islink(latest):
        raise StoreError(f"{latest} is there and is no link; move it away, or name another one")
    return os.path.join(os.path.dirname(latest), os.readlink(latest))


def _link(latest: str, path: str) -> None:
    """Let the link lead to the file, in one step."""
    folder, name = os.path.split(latest)
    there = os.path.basename(path) if os.path.dirname(path) == folder else path
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.new")
    try:
        os.symlink(there, temporary)
        os.replace(temporary, latest)
    except OSError as exc:
        raise StoreError(f"{latest} cannot be made: {exc.strerror}") from exc


def _unreadable(path: str, exc: Exception) -> StoreError:
    return StoreError(f"{exc}. So nobody can tell which nodes are missing now; repair or remove {path} first")


def _named(records: t.Iterable[Record]) -> list[dict[str, t.Any]]:
    return [{"id": record["node"]["id"], "hostname": record["node"]["hostname"]} for record in records]


def _text(lines: t.Mapping[str, str]) -> str:
    return "".join(f"{line}\n" for line in lines.values())


def keep(wanted: Wanted, dry: bool) -> dict[str, t.Any]:
    """Write the file and move the link where that is right; what was done, or with ``dry`` would be.

    A file that differs in readings only is left as it is. StoreError or FleetError if something cannot be done; then
    the link has not moved.
    """
    path = os.path.abspath(wanted.path)
    latest = None if wanted.latest is None else os.path.abspath(wanted.latest)
    linked = _target(latest) if latest else None
    former: t.Sequence[Record] = ()
    if linked is not None and wanted.if_smaller != REPLACE:
        try:
            former = fleet.read(linked)
        except fleet.FleetError as exc:
            raise _unreadable(str(latest), exc) from exc
    records = fleet.verify(wanted.records)
    gone = {identity: record for identity, record in fleet.by_id(former).items() if identity not in records}
    carried = fleet.verify([*gone.values()]) if gone and wanted.if_smaller == CARRY_OVER else {}
    records.update(carried)
    smaller = bool(gone or wanted.absent) and wanted.if_smaller == KEEP

    same = _same(path, records, wanted.mode)
    if not same and not dry:
        _write(path, fleet.render(records), wanted.mode)
    moved = latest is not None and not smaller and linked != path
    if moved and not dry:
        _link(str(latest), path)
    return {
        "changed": moved or not same,
        "path": path,
        "nodes": len(records),
        "absent": sorted(wanted.absent),
        "gone": _named(gone.values()),
        "carried": _named(carried.values()),
        "latest": latest,
        "latest_moved": moved,
        "latest_kept_back": latest is not None and smaller,
    }


def difference(wanted: Wanted, answer: t.Mapping[str, t.Any]) -> dict[str, str]:
    """One line for each node, against the fleet that the link led to, since each run writes a file of its own.

    To be asked for after a dry run of ``keep``, whose answer it takes.
    """
    linked = _target(answer["latest"]) if answer["latest"] else None
    former = _readable(linked) if linked else []
    carried = {node["id"] for node in answer["carried"]}
    now = [*wanted.records, *(record for record in former if record["node"]["id"] in carried)]
    return {
        "before_header": linked or "no fleet",
        "after_header": answer["path"],
        "before": _text(fleet.summary(former)),
        "after": _text(fleet.summary(now)),
    }


def _readable(path: str) -> list[dict[str, t.Any]]:
    try:
        return fleet.read(path, deep=True)
    except fleet.FleetError:
        return []


def _same(path: str, records: t.Mapping[str, Record], mode: int) -> bool:
    """Whether the file is there with this hardware. One that cannot be read is not."""
    try:
        if not os.path.isfile(path) or atomic_file.find(path).mode != mode:
            return False
        return fleet.summary(fleet.read(path, deep=True)) == fleet.summary(records.values())
    except atomic_file.FileError as exc:
        raise StoreError(str(exc)) from exc
    except fleet.FleetError:
        return False


def _write(path: str, text: str, mode: int) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        atomic_file.write(path, text, mode)
    except atomic_file.FileError as exc:
        raise StoreError(str(exc)) from exc
    except OSError as exc:
        raise StoreError(f"{os.path.dirname(path)} cannot be made: {exc.strerror}") from exc
