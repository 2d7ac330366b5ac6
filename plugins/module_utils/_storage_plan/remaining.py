# What is left of a plan when some of its moves were made, and which of it can be done now.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import StoragePlanError
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.model import Placement
from ansible_collections.aidc.ops.plugins.module_utils._storage_plan.moves import Move


class Step(t.NamedTuple):
    """What is left of a move.

    *source* is where to copy from and *to* where the copy goes, both empty where none is to be made (any more). *drop*
    is where a copy is removed afterwards, and *keep* where the copy is that has to be equal to it. *why* says why it
    cannot be done in this run, empty if it can.
    """

    piece: str
    size: int
    source: str
    to: str
    drop: str
    keep: str
    wave: int
    why: str


def read_moves(rows: t.Any, after: Placement) -> list[Move]:
    """The moves of a plan that was written to a file. StoragePlanError for what is none."""
    if not isinstance(rows, list):
        raise StoragePlanError("the plan has no list of moves; give all that dataset_plan returned")
    found, wave = [], 1
    for row in rows:
        try:
            move = Move(*(row[name] for name in Move._fields))
        except (KeyError, TypeError) as exc:
            raise StoragePlanError(f"{row!r:.200} is no move of a plan: {exc!r}") from exc
        texts = (move.piece, move.source, move.to, move.drop)
        numbers = (move.size, move.wave)
        whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
        if not whole or not all(isinstance(text, str) for text in texts):
            raise StoragePlanError(f"{row!r:.200} is no move of a plan: it has values of another kind")
        ends = after.get(move.piece, ())
        stray = (move.to and move.to not in ends) or move.drop in ends
        if not ends or stray or not (move.to or move.drop) or move.size < 0 or move.wave < wave:
            raise StoragePlanError(f"{row!r:.200} does not belong to this plan, or not here; make a new plan")
        wave = move.wave
        found.append(move)
    return found


def read_placement(what: str, given: t.Any) -> dict[str, tuple[str, ...]]:
    """The nodes of each piece. StoragePlanError for what is no placement."""
    if not isinstance(given, dict):
        raise StoragePlanError(f"{what} has to be the nodes of each piece, not {given!r:.100}")
    found = {}
    for piece, names in given.items():
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise StoragePlanError(f"{what}: {piece} has to be a list of names of nodes, not {names!r:.100}")
        if len(set(names)) < len(names):
            raise StoragePlanError(f"{what}: {piece} names a node twice")
        found[piece] = tuple(names)
    return found


def check_names(pieces: t.Iterable[str]) -> None:
    """StoragePlanError if the names of pieces cannot be those of directories, none of them in another."""
    known = set(pieces)
    for piece in known:
        parts = piece.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise StoragePlanError(f"piece {piece!r} cannot be a directory below that of the node; rename the dataset")
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in known:
                raise StoragePlanError(
                    f"piece {piece!r} would lie in the directory of piece {'/'.join(parts[:end])!r}; rename a dataset"
                )


def start(moves: t.Iterable[Move], after: Placement) -> dict[str, tuple[str, ...]]:
    """Where the pieces of a plan were when it was made: where they will be, less what is gained and with what goes."""
    found = {piece: list(names) for piece, names in after.items()}
    rows = list(moves)
    for move in rows:
        if move.to in found[move.piece]:
            found[move.piece].remove(move.to)
    for move in rows:
        if move.drop and move.drop not in found[move.piece]:
            found[move.piece].append(move.drop)
    return {piece: tuple(names) for piece, names in found.items()}


def reached(
    moves: t.Sequence[Move],
    after: Placement,
    given: Placement | None,
    copied: t.Iterable[tuple[str, str]] = (),
    dropped: t.Iterable[tuple[str, str]] = (),
) -> dict[str, tuple[str, ...]]:
    """Where each piece is, by what was *given* (by default, where it was when the plan was made), then pieces that were
    *copied* to nodes and *dropped* from nodes.

    Nodes that the plan does not name for a piece are left out, since they are gone; pieces that it does not name stay.
    StoragePlanError if what was given belongs to another plan.
    """
    before = start(moves, after)
    found = {piece: list(names) for piece, names in (before if given is None else given).items()}
    for piece, names in after.items():
        held = [name for name in found.get(piece, ()) if name in before[piece] or name in names]
        lost = [name for name in names if name in before[piece] and name not in held]
        if lost:
            raise StoragePlanError(
                f"by the plan {piece} was on {lost[0]}, by the placement that was reached it is not; make a new plan"
                " with that placement as present"
            )
        found[piece] = held
    for piece, node in copied:
        if node not in found[piece]:
            found[piece].append(node)
    for piece, node in dropped:
        if node in found[piece]:
            found[piece].remove(node)
    # One that is nowhere is written down as such: it is new, or lost.
    return {piece: tuple(names) for piece, names in found.items()}


def steps(moves: t.Sequence[Move], after: Placement, now: Placement, tried: int = 0) -> list[Step]:
    """What is left, in the order of the plan. Waves up to *tried* were tried: what is left of them waits for another
    run, and so does all that needs the room or the copy that it would have given.
    """
    found = []
    full: set[str] = set()
    waits: set[str] = set()
    for move in moves:
        held = now[move.piece]
        to = move.to if move.to not in held else ""
        drop = move.drop if move.drop in held else ""
        if not (to or drop):
            continue
        source = (move.source if move.source in held else held[0] if held else "") if to else ""
        staying = [move.to] if move.to else [name for name in after[move.piece] if name in held]
        keep = staying[0] if drop and staying else ""
        why = ""
        if to and not source:
            why = "there is no copy to copy from: put the data there and name the node in the placement"
        elif drop and not keep:
            why = "there is no other copy"
        elif to and to in full:
            why = f"the room that it needs on {to} was not made"
        elif move.piece in waits:
            why = "an earlier move of this piece was not done"
        elif move.wave <= tried:
            why = "it was not done in its wave"
        if why:
            waits.add(move.piece)
            full.add(drop)
        found.append(Step(move.piece, move.size if to else 0, source, to, drop, keep, move.wave, why))
    return found


def lines(left: t.Iterable[Step]) -> list[str]:
    """A line of text for each step."""
    found = []
    for step in left:
        text = f"wave {step.wave}: {step.piece}"
        if step.to:
            text += f", {step.size:,} bytes from {step.source or 'nowhere'} to {step.to}"
        if step.drop:
            text += f", then removed from {step.drop}"
        found.append(f"{text}; not now: {step.why}" if step.why else text)
    return found
