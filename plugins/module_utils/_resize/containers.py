# Requests and limits of containers: what is wished, whether it makes sense, and what it makes of what there is; pure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import ResizeError
from ansible_collections.aidc.ops.plugins.module_utils._resize import quantity

SIDES = ("requests", "limits")
IN_PLACE = frozenset({"cpu", "memory"})
"""What Kubernetes can change in a running container; the count of its devices is fixed."""

Wishes = t.Dict[str, t.Dict[str, t.Dict[str, str]]]
"""Container -> requests or limits -> resource -> quantity."""

_RESOURCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,316}[A-Za-z0-9])?")


def read_wishes(given: t.Sequence[t.Mapping[str, t.Any]]) -> Wishes:
    """What the option ``containers`` asks for. ResizeError names the container and the resource."""
    wishes: Wishes = {}
    for one in given:
        name = str(one["name"])
        if name in wishes:
            raise ResizeError(f"container {name!r:.80} is named twice; write all that is wished of it in one entry")
        wish: dict[str, dict[str, str]] = {side: {} for side in SIDES}
        for side in SIDES:
            for resource, value in (one.get(side) or {}).items():
                where = f"container {name:.80}: {side}.{resource!s:.80}"
                if not _RESOURCE.fullmatch(str(resource)):
                    raise ResizeError(f"{where} is no name of a resource, such as cpu, memory or nvidia.com/gpu")
                quantity.checked(str(resource), value, where)
                wish[side][str(resource)] = str(value).strip()
        if not any(wish.values()):
            raise ResizeError(f"container {name!r:.80}: nothing is wished of it; give requests or limits")
        _pair_devices(name, wish)
        wishes[name] = wish
    return wishes


def is_device(resource: str) -> bool:
    """Whether Kubernetes counts the resource as devices (GPUs, network ports) or huge pages: request is limit."""
    return "/" in resource or resource.startswith("hugepages-")


def gpus(containers: t.Iterable[t.Mapping[str, t.Any]]) -> int:
    """The GPUs that one pod of these containers takes, of any maker. A MIG slice is counted as none."""
    count = 0
    for container in containers:
        limits = (container.get("resources") or {}).get("limits") or {}
        for resource, value in limits.items():
            if str(resource).endswith("/gpu"):
                count += int(quantity.parse(value, f"limits.{resource}"))
    return count


def resized(containers: t.Sequence[t.Mapping[str, t.Any]], wishes: Wishes, whose: str) -> list[dict[str, t.Any]]:
    """The containers as wished. A quantity that is only written in another way stays as it is written.

    ResizeError for a container that *whose* does not have, and for a limit that would be below its request.
    """
    made = [copy.deepcopy(dict(container)) for container in containers]
    by_name = {str(container.get("name")): container for container in made}
    for name, wish in wishes.items():
        if name not in by_name:
            raise ResizeError(f"{whose} has no container {name!r:.80}; it has {', '.join(sorted(by_name))}")
        held = by_name[name].setdefault("resources", {})
        for side in SIDES:
            for resource, value in wish[side].items():
                present = held.setdefault(side, {})
                if not _same(present.get(resource), value):
                    present[resource] = value
        _check_order(f"container {name} of {whose}", held)
    return made


def shown(containers: t.Iterable[t.Mapping[str, t.Any]], wishes: Wishes) -> dict[str, t.Any]:
    """What the containers have of what is wished; None where they say nothing."""
    found: dict[str, t.Any] = {}
    for container in containers:
        name = str(container.get("name"))
        if name in wishes:
            held = container.get("resources") or {}
            found[name] = {
                side: {resource: (held.get(side) or {}).get(resource) for resource in wishes[name][side]}
                for side in SIDES
                if wishes[name][side]
            }
    return found


def touched(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> set[str]:
    """The resources in which two answers of ``shown`` differ."""
    return {
        resource
        for name, sides in after.items()
        for side, values in sides.items()
        for resource, value in values.items()
        if before[name][side][resource] != value
    }


def _pair_devices(name: str, wish: dict[str, dict[str, str]]) -> None:
    """Give devices that are wished on one side on the other too. ResizeError if the sides differ."""
    for resource in sorted({resource for side in SIDES for resource in wish[side] if is_device(resource)}):
        values = [wish[side][resource] for side in SIDES if resource in wish[side]]
        if len(values) == 2 and not _same(*values):
            raise ResizeError(
                f"container {name:.80}: {resource} is requested as {values[0]} and limited to {values[1]}; "
                "Kubernetes hands devices out whole, so both have to be the same"
            )
        for side in SIDES:
            wish[side].setdefault(resource, values[0])


def _check_order(whose: str, held: t.Mapping[str, t.Any]) -> None:
    limits = held.get("limits") or {}
    for resource, value in (held.get("requests") or {}).items():
        limit = limits.get(resource)
        if limit is not None and quantity.parse(limit, resource) < quantity.parse(value, resource):
            raise ResizeError(
                f"{whose}: the limit of {resource} would be {limit}, below its request of {value}; "
                "change both together, or lower the request first"
            )


def _same(one: t.Any, other: t.Any) -> bool:
    if one is None or other is None:
        return one is other
    return quantity.parse(one, "the present value") == quantity.parse(other, "the value")
