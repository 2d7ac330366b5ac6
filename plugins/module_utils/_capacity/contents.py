# The best content of one empty node at given prices, for all groups of nodes at once.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pricing by dynamic programming over CPU.

``one(c)`` is the most that one GPU is worth when c units of CPU go with it, ``f(g, c)`` the same of g GPUs. Tables are
shared by groups that pay the same prices. Memory and network enter as a price for each group that is raised where the
answer does not fit (Lagrange). CPU and shares are rounded up when contents are made (always feasible) and down when a
bound is wanted (always valid).
"""

from __future__ import annotations

import math
import typing as t

from .layout import layout
from .numeric import np
from .packing import FULL, Content, Packing

if t.TYPE_CHECKING:
    from numpy.typing import NDArray

    from .numeric import Flags, Real, Whole

# CPU units of a table: of a quick one, of the usual one, and of one that rounds hardly anything away.
FEW_UNITS = 256
UNITS = 1280
FINE_UNITS = 12800
MAX_LEVELS = 100
TINY = 1e-9
# A size is scarce where there are fewer copies than that many for each GPU of a node.
AMPLE = 4
MAX_GPUS = 16
# Scarce sizes are bits of a word.
MAX_SCARCE = 60


class Shares(t.NamedTuple):
    """What one GPU can hold: ``base`` of sizes with ample supply, ``grown`` with at most one of each scarce one.

    Both are worth by level (share in use) and CPU units; the bits of ``used`` say which scarce ones are in.
    """

    base: Real
    grown: Real
    used: NDArray[np.uint64] | None
    items: list[tuple[int, int, int]]
    scarce: list[tuple[int, int, int]]


class Gpu(t.NamedTuple):
    """``worth[c]`` of one GPU with c units of CPU; ``size[c]`` is the size that has it alone, -1 where it is shared.

    ``shares`` by kin.
    """

    worth: Real
    size: Whole
    shares: dict[int, Shares]


class Table(t.NamedTuple):
    """Values of one set of prices, and how they came about. ``gpu[j]`` is for the j-th GPU of a node."""

    gpu: list[Gpu]
    rest_size: Whole
    several: list[Real]
    choice: list[Whole | None]
    worth: Real


def _unit(values: t.Iterable[int], top: int, most: int) -> int:
    """The largest unit that all values are multiples of, or the smallest that keeps the tables small."""
    common = top
    for value in values:
        common = math.gcd(common, int(value))
    return max(common, -(-top // most)) if common else 1


class Pricer:
    """``price`` gives for each group the worth of its best content and the content."""

    def __init__(self, packing: Packing, down: bool = False, most: int = UNITS) -> None:
        self.packing = packing
        sizes, groups = packing.sizes, packing.groups
        top = int(groups.cpu_milli.max()) if len(groups.cpu_milli) else 1
        self.unit = _unit(sizes.cpu_milli, max(top, 1), most)
        shares = [int(share) for gpus, share in zip(sizes.gpus, sizes.share) if gpus == 1 and share < FULL]
        partial = [free for free_of in groups.gpus for free in free_of]
        self.kins = sorted({0, *sizes.kin.tolist(), *(kin for kin_of in groups.kin for kin in kin_of)})
        self.step = _unit(shares + partial, FULL, MAX_LEVELS)
        self.levels = FULL // self.step
        if down:
            self.cpu = sizes.cpu_milli // self.unit
            self.share = sizes.share // self.step
            self.room = groups.cpu_milli // self.unit
        else:
            self.cpu = -(-sizes.cpu_milli // self.unit)
            self.share = -(-sizes.share // self.step)
            self.room = groups.cpu_milli // self.unit
        self.down = down
        self.side = np.stack([sizes.memory_mib, sizes.network_mbit], 1).astype(float)
        self.side_room = np.stack([groups.memory_mib, groups.network_mbit], 1).astype(float)
        self.whole = [groups.whole(group) for group in range(len(groups.count))]
        self.partial = [groups.partial(group) for group in range(len(groups.count))]
        # What no price can put on a node of that group: its table never holds it.
        whole = np.array(self.whole, np.int64)
        self.could = (self.cpu[:, None] <= self.room[None, :]) & (sizes.gpus[:, None] <= whole[None, :])

    def _front(self, chosen: t.Iterable[int], worth: Real) -> list[int]:
        """Of sizes that take the same GPU those that pay more than every one that takes less CPU."""
        front, best = [], TINY
        for size in sorted(chosen, key=lambda one: (self.cpu[one], -worth[one], one)):
            if worth[size] > best:
                front.append(size)
                best = worth[size]
        return front

    def table(self, worth: Real, supply: Whole, gpus: int, units: int) -> Table:
        """Tables up to that many whole GPUs and CPU units; ``worth`` is 0 for a size that must not be used.

        A size of which there are fewer than GPUs on the node may be on as many of its GPUs only. That is one table for
        the first GPU, one for the second, one for the third and fourth, and so on.
        """
        sizes, count = self.packing.sizes, units + 1
        chosen = [int(size) for size in np.flatnonzero((worth > TINY) & (self.cpu < count))]
        shared = [size for size in chosen if sizes.gpus[size] == 1 and sizes.share[size] < FULL]
        alone = [size for size in chosen if sizes.gpus[size] == 1 and sizes.share[size] == FULL]
        ample = AMPLE * max(1, gpus)
        bounded = [size for size in shared if supply[size] < ample and not self.down]
        plenty = [size for size in shared if supply[size] >= ample or self.down]
        width = self._width(chosen, gpus, count)
        items = {kin: self._items([size for size in plenty if sizes.kin[size] == kin], worth) for kin in self.kins}
        base = {kin: self._base(items[kin], worth, width) for kin in self.kins}
        kept: list[Gpu] = []
        last = 0
        while last < max(1, gpus):
            end = min(max(1, gpus), max(1, 2 * last))
            scarce = [size for size in bounded if supply[size] >= end]
            whole = [size for size in alone if supply[size] >= end or self.down]
            grown = {
                kin: self._grow(base[kin], items[kin], [size for size in scarce if sizes.kin[size] == kin], worth)
                for kin in self.kins
            }
            gpu = self._gpu(grown, whole, worth, count)
            kept += [gpu] * (end - last)
            last = end
        rest, rest_size = self._rest([size for size in chosen if not sizes.gpus[size]], worth, count)
        several, choice = self._several(kept, rest, [size for size in chosen if sizes.gpus[size] > 1], worth, gpus)
        return Table(kept, rest_size, several, choice, worth)

    def _width(self, chosen: t.Sequence[int], gpus: int, count: int) -> int:
        """CPU units of the table of one GPU: a bound needs all of them, a content hardly four times the fair part."""
        if self.down or gpus <= 1:
            return count
        largest = max((int(self.cpu[size]) for size in chosen), default=0)
        return min(count, max(4 * count // gpus, largest + 1))

    def _items(self, shared: t.Iterable[int], worth: Real) -> list[tuple[int, int, int]]:
        """(share, CPU, size) of what pays at all, smallest share first."""
        by_share: dict[int, list[int]] = {}
        for size in shared:
            by_share.setdefault(int(self.share[size]), []).append(size)
        fronts = ((share, self._front(sizes, worth)) for share, sizes in by_share.items())
        return sorted((share, int(self.cpu[size]), size) for share, front in fronts for size in front)

    def _base(self, items: t.Sequence[tuple[int, int, int]], worth: Real, width: int) -> Real:
        """Worth of one shared GPU by level and CPU, any number of each size."""
        base = np.zeros((self.levels + 1, width))
        for level in range(1, self.levels + 1):
            row = base[level]
            row[:] = base[level - 1]
            for share, cpu, size in items:
                if share > level:
                    break
                if cpu < width:
                    np.maximum(row[cpu:], base[level - max(1, share), : width - cpu] + worth[size], out=row[cpu:])
        return base

    def _grow(self, base: Real, items: list[tuple[int, int, int]], scarce: t.Iterable[int], worth: Real) -> Shares:
        """The same with at most one copy of each scarce size."""
        width = base.shape[1]
        wanted = [
            (int(self.share[size]), int(self.cpu[size]), size)
            for size in scarce
            if self.cpu[size] < width
            and not any(s <= self.share[size] and c <= self.cpu[size] and worth[k] >= worth[size] for s, c, k in items)
        ]
        wanted = sorted(wanted, key=lambda one: (-worth[one[2]], one[2]))[:MAX_SCARCE]
        if not wanted:
            return Shares(base, base, None, items, [])
        grown, used = base.copy(), np.zeros(base.shape, np.uint64)
        for bit, (share, cpu, size) in enumerate(wanted):
            share = max(1, share)
            value = grown[:-share, : width - cpu] + worth[size]
            better = value > grown[share:, cpu:] + TINY
            bits = used[:-share, : width - cpu] | np.uint64(1 << bit)
            np.copyto(grown[share:, cpu:], value, where=better)
            np.copyto(used[share:, cpu:], bits, where=better)
        return Shares(base, grown, used, items, wanted)

    def _gpu(self, shares: dict[int, Shares], alone: t.Sequence[int], worth: Real, count: int) -> Gpu:
        """One GPU that is shared by one kin or held by one copy."""
        row: Real = np.max([one.grown[self.levels] for one in shares.values()], axis=0)
        one = np.concatenate([row, np.full(count - len(row), row[-1])])
        size_of = np.full(count, -1, np.int64)
        for size in self._front(alone, worth):
            cpu = int(self.cpu[size])
            better = worth[size] > one[cpu:] + TINY
            one[cpu:][better], size_of[cpu:][better] = worth[size], size
        return Gpu(one, size_of, shares)

    def _rest(self, chosen: t.Sequence[int], worth: Real, count: int) -> tuple[Real, Whole]:
        """Copies without GPU in the CPU that is left: an unbounded knapsack."""
        rest, size_of = np.zeros(count), np.full(count, -1, np.int64)
        for size in sorted(chosen, key=lambda one: (self.cpu[one], one)):
            cpu = max(1, int(self.cpu[size]))
            for start in range(cpu, count, cpu):
                end = min(count, start + cpu)
                value = rest[start - cpu : end - cpu] + worth[size]
                better = value > rest[start:end] + TINY
                rest[start:end][better], size_of[start:end][better] = value[better], size
        return rest, size_of

    def _several(
        self, kept: t.Sequence[Gpu], rest: Real, multi: t.Sequence[int], worth: Real, gpus: int
    ) -> tuple[list[Real], list[Whole | None]]:
        """f(g, c) for g = 0 … gpus, and the choice.

        0 is nothing, s + 1 a GPU with s units, -(size + 1) a copy of several GPUs.
        """
        several: list[Real] = [rest]
        choice: list[Whole | None] = [None]
        for number in range(1, gpus + 1):
            best, how = self._add(several[-1], kept[number - 1].worth)
            for size in multi:
                needs, cpu = int(self.packing.sizes.gpus[size]), int(self.cpu[size])
                if needs <= number:
                    value = several[number - needs][: len(best) - cpu] + worth[size]
                    better = value > best[cpu:] + TINY
                    best[cpu:][better], how[cpu:][better] = value[better], -(size + 1)
            several.append(best)
            choice.append(how)
        return several, choice

    @staticmethod
    def _add(before: Real, one: Real) -> tuple[Real, Whole]:
        """One more GPU: the best split of the CPU between it and the others."""
        best, how = before.copy(), np.zeros(len(one), np.int64)
        for units in np.flatnonzero(np.diff(one, prepend=0.0) > TINY):
            value = before[: len(one) - units] + one[units]
            better = value > best[units:] + TINY
            best[units:][better], how[units:][better] = value[better], units + 1
        return best, how

    def price(
        self, worth: Real, side_price: Real, groups: t.Iterable[int] | None = None
    ) -> dict[int, tuple[float, Content]]:
        """``worth`` (T, G); ``side_price`` (G, 2) of memory and network. The worth given is a valid upper bound when
        the pricer rounds down; the content may break memory, network and supply (see ``settle``)."""
        answer: dict[int, tuple[float, Content]] = {}
        net = np.maximum(worth - self.side @ side_price.T, 0.0)
        supply = np.minimum(self.packing.supply, self.packing.sizes.most[:, None])
        chosen = range(net.shape[1]) if groups is None else groups
        for members in self._together(chosen, net, np.minimum(supply, AMPLE * MAX_GPUS)):
            gpus, units = max(self.whole[g] for g in members), max(int(self.room[g]) for g in members)
            table = self.table(net[:, members[0]], supply[:, members[0]], gpus, units)
            for group in members:
                value, content = self._read(table, group)
                answer[group] = (value + float(side_price[group] @ self.side_room[group]), content)
        return answer

    def _together(self, groups: t.Iterable[int], net: Real, limit: Whole) -> list[list[int]]:
        """Groups that share a table: they pay the same for all that the smaller one has the CPU and GPUs for."""
        sets: list[list[int]] = []
        for group in sorted(groups, key=lambda one: (-int(self.room[one]), -self.whole[one], one)):
            could = self.could[:, group]
            for members in sets:
                first = members[0]
                if self.partial[first] or self.partial[group] or self.whole[group] > self.whole[first]:
                    continue
                if self.room[group] * self.whole[first] > 4 * self.room[first] * max(1, self.whole[group]):
                    continue  # its GPUs may have more CPU each than the table of one GPU is wide
                pays = net[could, group]
                if np.array_equal(pays, net[could, first]) and np.array_equal(
                    limit[could, group] * (pays > TINY), limit[could, first] * (pays > TINY)
                ):
                    members.append(group)
                    break
            else:
                sets.append([group])
        return sets

    def _read(self, table: Table, group: int) -> tuple[float, Content]:
        """Worth and content of one group; GPUs of which something is taken are added here."""
        units, content = int(self.room[group]), t.cast("Content", {})

        def put(size: int) -> None:
            content[size] = content.get(size, 0) + 1

        values, hows = table.several[self.whole[group]], []
        for free, kin in self.partial[group]:
            level = -(-free // self.step) if self.down else free // self.step
            shares = table.gpu[0].shares[kin]
            values, how = self._add(values, self._row(shares, level, len(values)))
            hows.append((shares, level, how))
        worth = float(values[units])
        for shares, level, how in reversed(hows):
            if how[units]:
                spent = int(how[units]) - 1
                units -= spent
                self._read_shared(shares, table.worth, level, spent, put)
        number = self.whole[group]
        while number:
            chosen = int(t.cast("Whole", table.choice[number])[units])
            if chosen < 0:
                put(-chosen - 1)
                number -= int(self.packing.sizes.gpus[-chosen - 1])
                units -= int(self.cpu[-chosen - 1])
                continue
            number -= 1
            if chosen:
                spent = chosen - 1
                units -= spent
                if table.gpu[number].size[spent] >= 0:
                    put(int(table.gpu[number].size[spent]))
                else:
                    several = table.gpu[number].shares.values()
                    best = max(several, key=lambda one: float(one.grown[-1, min(spent, one.grown.shape[1] - 1)]))
                    self._read_shared(best, table.worth, self.levels, spent, put)
        while table.rest_size[units] >= 0:
            size = int(table.rest_size[units])
            put(size)
            units -= max(1, int(self.cpu[size]))
        return worth, content

    @staticmethod
    def _row(shares: Shares, level: int, count: int) -> Real:
        """Worth of a GPU of which that much is free, by CPU."""
        row = shares.grown[level]
        return np.concatenate([row, np.full(count - len(row), row[-1])])

    @staticmethod
    def _read_shared(shares: Shares, worth: Real, level: int, units: int, put: t.Callable[[int], None]) -> None:
        """What shares one GPU."""
        units = min(units, shares.base.shape[1] - 1)
        if shares.used is not None:
            bits = int(shares.used[level, units])
            for bit, (share, cpu, size) in enumerate(shares.scarce):
                if bits >> bit & 1:
                    put(size)
                    level, units = level - max(1, share), units - cpu
        base = shares.base
        while level and base[level, units] > TINY:
            if base[level - 1, units] >= base[level, units] - 1e-12:
                level -= 1
                continue
            for share, cpu, size in shares.items:
                step = max(1, share)
                if step > level or cpu > units:
                    continue
                if base[level - step, units - cpu] + worth[size] >= base[level, units] - TINY:
                    put(size)
                    level, units = level - step, units - cpu
                    break
            else:
                return

    def steer(self, priced: t.Mapping[int, tuple[float, Content]], side_price: Real) -> Flags:
        """Raise prices of memory and network where a content breaks them, lower them elsewhere; where they broke."""
        broken = np.zeros(side_price.shape, bool)
        for group, (value, content) in priced.items():
            used = sum((copies * self.side[size] for size, copies in content.items()), np.zeros(2))
            for kind in range(2):
                room = self.side_room[group, kind]
                price = side_price[group, kind]
                if used[kind] > room:
                    broken[group, kind] = True
                    side_price[group, kind] = price * 1.5 if price else 0.05 * max(value, TINY) / max(room, 1.0)
                elif price:
                    side_price[group, kind] = price * 0.8 if price * room > 1e-4 else 0.0
        return broken

    def settle(self, group: int, content: Content, worth: Real) -> Content:
        """Make a content feasible in everything, then fill what is left with what pays best."""
        packing, sizes = self.packing, self.packing.sizes
        groups = packing.groups
        most = np.minimum(packing.supply[:, group], sizes.most)
        kept = {size: min(copies, int(most[size])) for size, copies in content.items() if most[size] > 0}
        room = [int(groups.memory_mib[group]), int(groups.network_mbit[group])]
        needs = (sizes.memory_mib, sizes.network_mbit)
        for kind in range(2):
            over = sum(int(needs[kind][size]) * copies for size, copies in kept.items()) - room[kind]
            while over > 0:
                size = max(kept, key=lambda one: (float(needs[kind][one]) / max(float(worth[one]), TINY), one))
                kept[size] -= 1
                over -= int(needs[kind][size])
                if not kept[size]:
                    del kept[size]
        cpu = int(groups.cpu_milli[group]) - sum(int(sizes.cpu_milli[size]) * copies for size, copies in kept.items())
        for kind in range(2):
            room[kind] -= sum(int(needs[kind][size]) * copies for size, copies in kept.items())
        left = self.left(group, kept)
        if left is None:
            return {}
        for size in np.argsort(-worth, kind="stable"):
            if worth[size] <= TINY:
                break
            one = int(size)
            while (
                kept.get(one, 0) < most[one]
                and sizes.cpu_milli[one] <= cpu
                and sizes.memory_mib[one] <= room[0]
                and sizes.network_mbit[one] <= room[1]
                and self._take(left, int(sizes.gpus[one]), int(sizes.share[one]), int(sizes.kin[one]))
            ):
                kept[one] = kept.get(one, 0) + 1
                cpu -= int(sizes.cpu_milli[one])
                room[0] -= int(sizes.memory_mib[one])
                room[1] -= int(sizes.network_mbit[one])
        return kept

    def left(self, group: int, content: Content) -> list[tuple[int, int]] | None:
        """What is free of each GPU under that content, and the kin that shares it; None if it does not fit."""
        sizes, groups = self.packing.sizes, self.packing.groups
        every = [size for size, number in sorted(content.items()) for _unused in range(number)]
        copies = [(int(sizes.gpus[size]), int(sizes.share[size])) for size in every]
        kins = [int(sizes.kin[size]) for size in every]
        places = layout(copies, groups.gpus[group], kins, groups.kin[group])
        if places is None:
            return None
        left = list(zip(groups.gpus[group], groups.kin[group]))
        for (_unused, share), kin, place in zip(copies, kins, places):
            for gpu in place:
                left[gpu] = (left[gpu][0] - share, kin)
        return left

    @staticmethod
    def _take(left: list[tuple[int, int]], gpus: int, share: int, kin: int) -> bool:
        """Take that of the tightest GPUs that have it; False, and nothing taken, if there are too few."""
        good = ((free, gpu) for gpu, (free, of) in enumerate(left) if free >= share and (free == FULL or of == kin))
        chosen = sorted(good)[:gpus]
        if len(chosen) < gpus:
            return False
        for free, gpu in chosen:
            left[gpu] = (free - share, kin)
        return True
