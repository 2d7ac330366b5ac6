# Asks many BMCs at the same time and makes hosts of their answers, for code that runs on the controller.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import queue
import re
import threading
import time
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import BmcError, Clock
from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_parts import Problems, from_redfish
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_client import Access, RedfishClient
from ansible_collections.aidc.ops.plugins.module_utils._hardware.redfish_walk import read_service

PARTS = ("system", "bmc")
PROGRESS_SECONDS = 5.0

# What a BMC may take beyond its time limit: hanging up, and a thread that waits for the processor.
_GRACE_SECONDS = 10.0
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")

Value = t.TypeVar("Value")


class Facts(t.NamedTuple):
    """What one BMC told; *problems* is what is missing from it, *damages* what is there but not as it was meant."""

    system: dict[str, t.Any]
    bmc: dict[str, t.Any]
    problems: Problems
    damages: Problems


def expand(entries: t.Sequence[str], limit: int) -> list[str]:
    """The addresses of a list of names, addresses and CIDR ranges, each once, in order; AidcOpsError for a wrong one.

    The first and the last address of an IPv4 range are those of the network itself and of everybody in it.
    """
    found: dict[str, None] = {}
    for entry in entries:
        text = str(entry).strip()
        for address in _range(text, limit) if "/" in text else [_address(text)]:
            found[address] = None
        if len(found) > limit:
            raise AidcOpsError(f"addresses has more than {limit} of them; raise max_addresses if they are meant")
    return list(found)


def _range(text: str, limit: int) -> list[str]:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as exc:
        raise AidcOpsError(f"addresses: {text[:100]!r} is no range of addresses: {exc}") from exc
    if network.num_addresses > limit + 2:
        raise AidcOpsError(
            f"addresses: {text} has {network.num_addresses} addresses, more than the {limit} of max_addresses"
        )
    return [str(address) for address in network.hosts()]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if not _NAME.fullmatch(text):
        raise AidcOpsError(f"addresses: {text[:100]!r} is no name, no IP address and no range; a port goes into port")
    return text.lower()


def read_facts(access: Access, timeout: float) -> Facts:
    """Ask one BMC; BmcError if it does not answer."""
    with RedfishClient(access, Clock(timeout)) as client:
        service, problems, damages = read_service(client, PARTS)
    answer = from_redfish(service, access.address, 0)
    if answer["system"] is None and not problems:
        raise BmcError(f"{access.url}: this BMC has no server")
    return Facts(answer["system"] or {}, answer["bmc"] or {}, problems + answer["problems"], damages)


def ask_all(
    addresses: t.Sequence[str],
    ask: t.Callable[[str], Value],
    concurrency: int,
    timeout: float,
    progress: t.Callable[[int], None] = lambda done: None,
) -> dict[str, Value | BmcError]:
    """Call ask(address) for all of them, so many at the same time; the value or the error of each, in their order.

    An address that takes longer than *timeout* and a moment more is left alone: its thread ends with the program.
    """
    done: queue.SimpleQueue[tuple[str, Value | BmcError]] = queue.SimpleQueue()
    waiting = list(reversed(addresses))
    running: dict[str, float] = {}
    results: dict[str, Value | BmcError] = {}
    told = time.monotonic()

    def work(address: str) -> None:
        try:
            done.put((address, ask(address)))
        except BmcError as exc:
            done.put((address, exc))
        except Exception as exc:
            # A thread that ends without a word would look like a BMC that hangs.
            done.put((address, BmcError(f"{address}: {type(exc).__name__}: {exc}")))

    while waiting or running:
        while waiting and len(running) < concurrency:
            address = waiting.pop()
            running[address] = time.monotonic() + timeout + _GRACE_SECONDS
            threading.Thread(target=work, args=(address,), name=f"redfish {address}", daemon=True).start()
        try:
            address, value = done.get(timeout=1)
            if running.pop(address, None) is not None:
                results[address] = value
        except queue.Empty:
            pass
        now = time.monotonic()
        for address in [address for address, end in running.items() if end < now]:
            del running[address]
            results[address] = BmcError(f"{address}: keeps the connection open without answering")
        if now - told >= PROGRESS_SECONDS:
            told = now
            progress(len(results))
    return {address: results[address] for address in addresses}


def host_name(address: str, facts: Facts, preferences: t.Sequence[str]) -> str:
    """The inventory name of a server: the first of the preferences that it has and that can be a name."""
    offers = {"address": address, "hostname": facts.system.get("hostname"), "serial": facts.system.get("serial")}
    for preference in preferences:
        name = offers[preference]
        if name and (_NAME.fullmatch(name) or name == address):
            return str(name)
    return address


def host_variables(address: str, facts: Facts) -> dict[str, t.Any]:
    """The host variables of a server; what its BMC does not tell is null."""
    system, bmc = facts.system, facts.bmc
    gpus = system.get("gpus")
    present = None if gpus is None else [gpu for gpu in gpus if gpu["state"] != "absent"]
    models = sorted({str(gpu["model"]) for gpu in present or [] if gpu["model"]})
    mac = bmc.get("mac")
    return {
        "aidc_ops_node_id": system.get("node_id") or (f"bmc:{mac}" if mac else None),
        "aidc_ops_manufacturer": system.get("manufacturer"),
        "aidc_ops_product": system.get("product"),
        "aidc_ops_serial": system.get("serial"),
        "aidc_ops_uuid": system.get("uuid"),
        "aidc_ops_hostname": system.get("hostname"),
        "aidc_ops_power_state": system.get("power_state"),
        "aidc_ops_health": system.get("health"),
        "aidc_ops_bios_version": system.get("bios_version"),
        "aidc_ops_memory_total_bytes": system.get("memory_total_bytes"),
        "aidc_ops_cpu_model": system.get("cpu_model"),
        "aidc_ops_cpu_count": system.get("cpu_count"),
        # Of several models none is the model.
        "aidc_ops_gpu_model": models[0] if len(models) == 1 else None,
        "aidc_ops_gpu_count": None if present is None else len(present),
        "aidc_ops_bmc_address": address,
        "aidc_ops_bmc_mac": mac,
        "aidc_ops_bmc_firmware": bmc.get("firmware"),
    }
