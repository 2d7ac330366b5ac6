# Prometheus exporter of NVIDIA GPU health, read through NVML, with the metric names of DCGM.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Serve the state of every GPU of this host at scrape time.

Three promises decide the shape of this program:

* A scrape always ends. NVML calls can hang inside the driver, so each GPU is read in a thread of its own and a scrape
  waits for all of them for a bounded time; a GPU that did not answer is reported by ``aidc_gpu_stale 1`` and by the
  absence of its values, never by its old values.
* A lost GPU is reported (``aidc_gpu_lost 1``) for as long as it stays lost; it does not just leave the output.
* XID errors are counted as events (``DCGM_EXP_XID_ERRORS_COUNT``), because the last-value gauge
  ``DCGM_FI_DEV_XID_ERRORS`` cannot tell one error from two.

Runs on Python 3.8 and newer with the packages nvidia-ml-py and prometheus-client.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric

VERSION = "0.1.0"
MIB = 1024 * 1024
GPU_LABELS = ("gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "DCGM_FI_DRIVER_VERSION")
EVENT_WAIT_MS = 2000
RETRY_SECONDS = 5.0
NEWCOMER_SECONDS = 60.0
# A client that says nothing for so long is let go.
CLIENT_SECONDS = 10.0
NEWCOMER = """
import sys, pynvml
try:
    pynvml.nvmlInit()
except pynvml.NVMLError as error:
    sys.exit(error.value)
"""

log = logging.getLogger("nvml_exporter")


@dataclass(frozen=True)
class Identity:
    """What names one GPU. Everything but the index is empty when the GPU was lost before it could be asked."""

    index: int
    uuid: str = ""
    pci_bus_id: str = ""
    device: str = ""
    model: str = ""


@dataclass
class Reading:
    """One GPU at one moment: metric name to value, or the fact that the GPU is lost."""

    identity: Identity
    lost: bool = False
    values: dict[str, float] = field(default_factory=dict)
    errors: int = 0


@dataclass
class Snapshot:
    """One collection: what was read, which GPUs did not answer in time, and whether NVML itself answered."""

    nvml_up: bool = False
    version_mismatch: bool = False
    stale: bool = False
    driver_version: str = ""
    readings: list[Reading] = field(default_factory=list)
    stale_gpus: list[Identity] = field(default_factory=list)


# --- What is read from one GPU ---------------------------------------------------------------------------------------
# Each reader returns DCGM names and values in DCGM's units; it raises the NVML error of what the GPU does not have.


def _read_temperature(nvml: Any, gpu: Any) -> dict[str, float]:
    return {"DCGM_FI_DEV_GPU_TEMP": nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)}


def _read_clocks(nvml: Any, gpu: Any) -> dict[str, float]:
    return {
        "DCGM_FI_DEV_SM_CLOCK": nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
        "DCGM_FI_DEV_MEM_CLOCK": nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
    }


def _read_power(nvml: Any, gpu: Any) -> dict[str, float]:
    return {"DCGM_FI_DEV_POWER_USAGE": nvml.nvmlDeviceGetPowerUsage(gpu) / 1000.0}


def _read_power_limit(nvml: Any, gpu: Any) -> dict[str, float]:
    return {"DCGM_FI_DEV_POWER_MGMT_LIMIT": nvml.nvmlDeviceGetPowerManagementLimit(gpu) / 1000.0}


def _read_energy(nvml: Any, gpu: Any) -> dict[str, float]:
    return {"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)}


def _read_utilisation(nvml: Any, gpu: Any) -> dict[str, float]:
    rates = nvml.nvmlDeviceGetUtilizationRates(gpu)
    return {"DCGM_FI_DEV_GPU_UTIL": rates.gpu, "DCGM_FI_DEV_MEM_COPY_UTIL": rates.memory}


def _read_memory(nvml: Any, gpu: Any) -> dict[str, float]:
    memory = nvml.nvmlDeviceGetMemoryInfo(gpu, version=nvml.nvmlMemory_v2)
    return {
        "DCGM_FI_DEV_FB_TOTAL": memory.total // MIB,
        "DCGM_FI_DEV_FB_FREE": memory.free // MIB,
        "DCGM_FI_DEV_FB_USED": memory.used // MIB,
        "DCGM_FI_DEV_FB_RESERVED": memory.reserved // MIB,
    }


def _read_ecc(nvml: Any, gpu: Any) -> dict[str, float]:
    corrected, uncorrected = nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
    volatile, aggregate = nvml.NVML_VOLATILE_ECC, nvml.NVML_AGGREGATE_ECC
    return {
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": nvml.nvmlDeviceGetTotalEccErrors(gpu, corrected, volatile),
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": nvml.nvmlDeviceGetTotalEccErrors(gpu, uncorrected, volatile),
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": nvml.nvmlDeviceGetTotalEccErrors(gpu, corrected, aggregate),
        "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": nvml.nvmlDeviceGetTotalEccErrors(gpu, uncorrected, aggregate),
    }


def _read_remapped_rows(nvml: Any, gpu: Any) -> dict[str, float]:
    correctable, uncorrectable, pending, failure = nvml.nvmlDeviceGetRemappedRows(gpu)
    return {
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": correctable,
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": uncorrectable,
        "DCGM_FI_DEV_ROW_REMAP_PENDING": pending,
        "DCGM_FI_DEV_ROW_REMAP_FAILURE": failure,
    }


def _read_pcie(nvml: Any, gpu: Any) -> dict[str, float]:
    return {
        "DCGM_FI_DEV_PCIE_LINK_GEN": nvml.nvmlDeviceGetCurrPcieLinkGeneration(gpu),
        "DCGM_FI_DEV_PCIE_LINK_WIDTH": nvml.nvmlDeviceGetCurrPcieLinkWidth(gpu),
        "DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH": nvml.nvmlDeviceGetMaxPcieLinkWidth(gpu),
    }


def _read_pcie_replays(nvml: Any, gpu: Any) -> dict[str, float]:
    return {"DCGM_FI_DEV_PCIE_REPLAY_COUNTER": nvml.nvmlDeviceGetPcieReplayCounter(gpu)}


def _read_clock_event_reasons(nvml: Any, gpu: Any) -> dict[str, float]:
    reasons = nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)
    hot = nvml.nvmlClocksThrottleReasonHwThermalSlowdown | nvml.nvmlClocksThrottleReasonSwThermalSlowdown
    return {"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": reasons, "aidc_gpu_thermal_slowdown": float(bool(reasons & hot))}


def _read_nvlinks(nvml: Any, gpu: Any) -> dict[str, float]:
    active = 0
    for link in range(nvml.NVML_NVLINK_MAX_LINKS):
        try:
            active += nvml.nvmlDeviceGetNvLinkState(gpu, link) == nvml.NVML_FEATURE_ENABLED
        except nvml.NVMLError as error:
            # The GPU has fewer links than any GPU may have; the first one tells whether it has any.
            if link == 0 or _is_lost(nvml, error):
                raise
            break
    return {"aidc_gpu_nvlinks_active": active}


def _read_recovery_action(nvml: Any, gpu: Any) -> dict[str, float]:
    value = nvml.nvmlDeviceGetFieldValues(gpu, [nvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION])[0]
    if value.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(value.nvmlReturn)
    return {"aidc_gpu_recovery_action": value.value.uiVal}


READERS: tuple[Callable[[Any, Any], dict[str, float]], ...] = (
    _read_temperature,
    _read_clocks,
    _read_power,
    _read_power_limit,
    _read_energy,
    _read_utilisation,
    _read_memory,
    _read_ecc,
    _read_remapped_rows,
    _read_pcie,
    _read_pcie_replays,
    _read_clock_event_reasons,
    _read_nvlinks,
    _read_recovery_action,
)

# name -> (help text, counts up only)
METRICS: dict[str, tuple[str, bool]] = {
    "DCGM_FI_DEV_GPU_TEMP": ("GPU temperature in degrees Celsius.", False),
    "DCGM_FI_DEV_SM_CLOCK": ("SM clock in MHz.", False),
    "DCGM_FI_DEV_MEM_CLOCK": ("Memory clock in MHz.", False),
    "DCGM_FI_DEV_POWER_USAGE": ("Power draw in watts.", False),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": ("Power limit in watts.", False),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("Energy in millijoules since the driver was loaded.", True),
    "DCGM_FI_DEV_GPU_UTIL": ("Share of time the GPU was busy, in percent.", False),
    "DCGM_FI_DEV_MEM_COPY_UTIL": ("Share of time the memory interface was busy, in percent.", False),
    "DCGM_FI_DEV_FB_TOTAL": ("Frame buffer size in MiB.", False),
    "DCGM_FI_DEV_FB_FREE": ("Free frame buffer in MiB.", False),
    "DCGM_FI_DEV_FB_USED": ("Used frame buffer in MiB.", False),
    "DCGM_FI_DEV_FB_RESERVED": ("Frame buffer the driver keeps for itself, in MiB.", False),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": ("Corrected memory errors since the driver was loaded.", True),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": ("Uncorrected memory errors since the driver was loaded.", True),
    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": ("Corrected memory errors in the life of the GPU.", True),
    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": ("Uncorrected memory errors in the life of the GPU.", True),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": ("Memory rows remapped after corrected errors.", True),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": ("Memory rows remapped after uncorrected errors.", True),
    "DCGM_FI_DEV_ROW_REMAP_PENDING": ("1 when a row waits for a reset to be remapped.", False),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": ("1 when a row could not be remapped.", False),
    "DCGM_FI_DEV_PCIE_LINK_GEN": ("PCIe generation in use.", False),
    "DCGM_FI_DEV_PCIE_LINK_WIDTH": ("PCIe lanes in use.", False),
    "DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH": ("PCIe lanes that GPU and slot could use.", False),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": ("PCIe transfers that had to be repeated.", True),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": ("Bit mask of what holds the clocks down.", False),
    "aidc_gpu_thermal_slowdown": ("1 while heat holds the clocks down.", False),
    "aidc_gpu_nvlinks_active": ("NVLinks that are up.", False),
    "aidc_gpu_recovery_action": ("Repair the driver asks for (0 none, 1 reset, 2 reboot, 3, 4 drain).", False),
}


def _text(value: Any) -> str:
    """NVML strings are bytes in some releases of nvidia-ml-py and text in others."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def read_identity(nvml: Any, gpu: Any, index: int) -> Identity:
    """Ask a GPU who it is. Raises the NVML error when it does not answer."""
    try:
        device = f"nvidia{nvml.nvmlDeviceGetMinorNumber(gpu)}"
    except nvml.NVMLError as error:
        if _is_lost(nvml, error):
            raise
        device = f"nvidia{index}"
    return Identity(
        index=index,
        uuid=_text(nvml.nvmlDeviceGetUUID(gpu)),
        pci_bus_id=_text(nvml.nvmlDeviceGetPciInfo(gpu).busId).upper(),
        device=device,
        model=_text(nvml.nvmlDeviceGetName(gpu)),
    )


def _is_lost(nvml: Any, error: Any) -> bool:
    return error.value == nvml.NVML_ERROR_GPU_IS_LOST


def _is_absent_feature(nvml: Any, error: Any) -> bool:
    return error.value in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND)


def read_gpu(nvml: Any, index: int) -> Reading:
    """Read one GPU. What it does not support is left out; a lost GPU is a result, not an error."""
    reading = Reading(Identity(index))
    try:
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        reading.identity = read_identity(nvml, gpu, index)
        for reader in READERS:
            try:
                reading.values.update(reader(nvml, gpu))
            except nvml.NVMLError as error:
                if _is_lost(nvml, error):
                    raise
                if not _is_absent_feature(nvml, error):
                    reading.errors += 1
                    log.debug("gpu %d: %s: %s", index, reader.__name__, error)
    except nvml.NVMLError as error:
        reading.values.clear()
        reading.lost = _is_lost(nvml, error)
        reading.errors += 0 if reading.lost else 1
    return reading


# --- Bounded reading -------------------------------------------------------------------------------------------------


class Run:
    """One run of a function in a thread: an event that is set at its end, and what it returned (None if it failed)."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.result: Any = None


class SingleFlight:
    """Runs one function in a thread, at most once at a time, so that a hanging call costs one thread and no more."""

    def __init__(self, function: Callable[[], Any], name: str) -> None:
        self._function = function
        self._name = name
        self._lock = threading.Lock()
        self._run: Run | None = None

    def start(self) -> Run:
        """Begin a run, or join the one under way."""
        with self._lock:
            if self._run is None or self._run.done.is_set():
                self._run = Run()
                threading.Thread(target=self._execute, args=(self._run,), name=self._name, daemon=True).start()
            return self._run

    def _execute(self, run: Run) -> None:
        try:
            run.result = self._function()
        except Exception:  # the event must be set whatever NVML or its binding raised
            log.exception("reading %s failed", self._name)
        finally:
            run.done.set()


def ask_as_newcomer() -> int:
    """The NVML error that a program meets which starts now; 0 for none."""
    return subprocess.run(
        [sys.executable, "-c", NEWCOMER],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=NEWCOMER_SECONDS,
        check=False,
    ).returncode


class GpuReader:
    """Collects all GPUs within ``timeout`` seconds, and remembers which GPUs this host has."""

    def __init__(self, nvml: Any, timeout: float, newcomer: Callable[[], int] = ask_as_newcomer) -> None:
        self._nvml = nvml
        self._timeout = timeout
        self._newcomer = SingleFlight(newcomer, "what a new program meets")
        self._newcomer_run: Run | None = None
        self._newcomer_is_refused = False
        self._newcomer_due = time.monotonic() + NEWCOMER_SECONDS
        self._initialised = False
        self._driver_version = ""
        self._version_mismatch = False
        self._head = SingleFlight(self._read_head, "driver version and GPU count")
        self._flights: dict[int, SingleFlight] = {}
        self._by_index: dict[int, Identity] = {}
        self._by_uuid: dict[str, Identity] = {}
        self._lock = threading.Lock()

    def collect(self) -> Snapshot:
        """One collection. Never raises for anything NVML does, and never takes longer than the timeout."""
        deadline = time.monotonic() + self._timeout
        head = self._head.start()
        in_time = head.done.wait(self._timeout)
        snapshot = Snapshot(
            nvml_up=in_time and head.result is not None,
            version_mismatch=(in_time and self._version_mismatch) or self._refuses_newcomers(),
            driver_version=self._driver_version,
        )
        if not in_time:
            snapshot.stale = True
            with self._lock:
                snapshot.stale_gpus = sorted(self._by_uuid.values(), key=lambda known: known.index)
        if not snapshot.nvml_up:
            return snapshot
        runs = [(index, self._flight(index).start()) for index in range(head.result)]
        for index, run in runs:
            if run.done.wait(max(0.0, deadline - time.monotonic())) and run.result is not None:
                snapshot.readings.append(self._remember(run.result))
            else:
                snapshot.stale_gpus.append(self.identity(index))
        self._add_vanished(snapshot)
        snapshot.stale = bool(snapshot.stale_gpus)
        return snapshot

    def _refuses_newcomers(self) -> bool:
        """Whether the driver takes no new program, for its version: one that opened NVML before the upgrade goes on.

        Asked now and then, by a program of its own, and never waited for: the answer counts in a later collection.
        """
        run = self._newcomer_run
        if run is not None and run.done.is_set():
            self._newcomer_run = None
            self._newcomer_is_refused = run.result == self._nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
        now = time.monotonic()
        if now >= self._newcomer_due:
            self._newcomer_due = now + NEWCOMER_SECONDS
            self._newcomer_run = self._newcomer.start()
        return self._newcomer_is_refused

    def identity(self, index: int) -> Identity:
        """The last known identity of the GPU with this index."""
        with self._lock:
            return self._by_index.get(index, Identity(index))

    def _flight(self, index: int) -> SingleFlight:
        with self._lock:
            if index not in self._flights:
                self._flights[index] = SingleFlight(lambda: read_gpu(self._nvml, index), f"GPU {index}")
            return self._flights[index]

    def _remember(self, reading: Reading) -> Reading:
        """Learn the identity of a GPU that answered; give one that did not the identity it had before."""
        index = reading.identity.index
        with self._lock:
            if reading.identity.uuid:
                # Another GPU in the same slot: the former one was replaced, which is not to be lost.
                for uuid, known in list(self._by_uuid.items()):
                    if known.pci_bus_id == reading.identity.pci_bus_id:
                        del self._by_uuid[uuid]
                self._by_index[index] = reading.identity
                self._by_uuid[reading.identity.uuid] = reading.identity
            else:
                reading.identity = self._by_index.get(index, reading.identity)
        return reading

    def _add_vanished(self, snapshot: Snapshot) -> None:
        """A GPU that was here and is not enumerated any more is lost; the others may have moved to new indexes."""
        seen = {reading.identity.uuid for reading in snapshot.readings} | {gpu.uuid for gpu in snapshot.stale_gpus}
        with self._lock:
            vanished = [gpu for uuid, gpu in self._by_uuid.items() if uuid not in seen]
        snapshot.readings.extend(Reading(gpu, lost=True) for gpu in vanished)

    def _read_head(self) -> int | None:
        """The GPU count, or None when NVML does not answer; (re)opens NVML after the driver went away."""
        nvml = self._nvml
        try:
            if not self._initialised:
                nvml.nvmlInit()
                self._initialised = True
                log.info("NVML is open")
            self._driver_version = _text(nvml.nvmlSystemGetDriverVersion())
            self._version_mismatch = False
            return int(nvml.nvmlDeviceGetCount())
        except nvml.NVMLError as error:
            self._version_mismatch = error.value == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
            log.warning("NVML does not answer: %s", error)
            if self._initialised:
                self._initialised = False
                _shutdown(nvml)
            return None


def _shutdown(nvml: Any) -> None:
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        log.debug("nvmlShutdown: %s", error)


# --- XID events ------------------------------------------------------------------------------------------------------


class XidLog:
    """The XID errors of the last ``window`` seconds, and the last one of each GPU."""

    def __init__(self, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.window_ms = int(window * 1000)
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()
        self._events: deque[tuple[float, int, int]] = deque()
        self._last: dict[int, int] = {}

    def add(self, index: int, xid: int) -> None:
        with self._lock:
            self._events.append((self._clock(), index, xid))
            self._last[index] = xid

    def counts(self) -> dict[tuple[int, int], int]:
        """(gpu index, xid) to the number of events within the window."""
        with self._lock:
            horizon = self._clock() - self._window
            while self._events and self._events[0][0] < horizon:
                self._events.popleft()
            result: dict[tuple[int, int], int] = {}
            for _at, index, xid in self._events:
                result[(index, xid)] = result.get((index, xid), 0) + 1
            return result

    def last(self, index: int) -> int:
        """The last XID of a GPU, 0 when there was none since the exporter started."""
        with self._lock:
            return self._last.get(index, 0)


def _handle_key(handle: Any) -> int:
    """An NVML handle is a pointer; its address is what two handles of one GPU have in common."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


class XidListener:
    """Waits for XID events for the life of the process, whatever happens to the driver meanwhile."""

    def __init__(self, nvml: Any, events: XidLog) -> None:
        self._nvml = nvml
        self._events = events
        self._stop = threading.Event()
        self.up = False

    def start(self) -> None:
        threading.Thread(target=self.run, name="xid events", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except self._nvml.NVMLError as error:
                log.warning("XID events: %s; trying again in %g s", error, RETRY_SECONDS)
            except Exception:  # a listener that dies would make the host look healthy
                log.exception("XID events: unexpected error; trying again in %g s", RETRY_SECONDS)
            self.up = False
            self._stop.wait(RETRY_SECONDS)

    def _listen(self) -> None:
        nvml = self._nvml
        nvml.nvmlInit()
        try:
            event_set = nvml.nvmlEventSetCreate()
            try:
                self._wait(event_set)
            finally:
                nvml.nvmlEventSetFree(event_set)
        finally:
            _shutdown(nvml)

    def _wait(self, event_set: Any) -> None:
        nvml = self._nvml
        registered: dict[int, int] = {}
        while not self._stop.is_set():
            self._register_missing(event_set, registered)
            self.up = bool(registered)
            if not registered:
                return
            try:
                event = nvml.nvmlEventSetWait_v2(event_set, EVENT_WAIT_MS)
            except nvml.NVMLError as error:
                # A lost GPU makes some drivers end the wait with "GPU is lost": the others go on being heard.
                if error.value == nvml.NVML_ERROR_TIMEOUT:
                    continue
                if _is_lost(nvml, error):
                    self._stop.wait(EVENT_WAIT_MS / 1000.0)
                    continue
                raise
            if event.eventType & nvml.nvmlEventTypeXidCriticalError:
                # -1, a GPU nobody knows, is still better than an error nobody hears of.
                index = registered.get(_handle_key(event.device), -1)
                log.warning("gpu %d: XID %d", index, event.eventData)
                self._events.add(index, int(event.eventData))

    def _register_missing(self, event_set: Any, registered: dict[int, int]) -> None:
        """Register what is not registered yet: a GPU that was lost when the exporter started comes back this way."""
        nvml = self._nvml
        for index in range(int(nvml.nvmlDeviceGetCount())):
            if index in registered.values():
                continue
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, event_set)
            except nvml.NVMLError as error:
                log.debug("gpu %d: no XID events: %s", index, error)
                continue
            registered[_handle_key(handle)] = index


# --- Exposition ------------------------------------------------------------------------------------------------------


class GpuCollector:
    """Turns a snapshot into metric families; the registry calls ``collect`` once per scrape."""

    def __init__(self, reader: GpuReader, events: XidLog, listener: XidListener, hostname: str) -> None:
        self._reader = reader
        self._events = events
        self._listener = listener
        self._hostname = hostname
        self._lock = threading.Lock()
        self._timeouts = 0
        self._errors = 0

    def describe(self) -> Iterable[Metric]:
        """Nothing: otherwise the registry would collect once at start, before NVML may be ready."""
        return []

    def collect(self) -> Iterator[Metric]:
        started = time.monotonic()
        snapshot = self._reader.collect()
        duration = time.monotonic() - started
        with self._lock:
            self._timeouts += int(snapshot.stale)
            self._errors += sum(reading.errors for reading in snapshot.readings)
            timeouts, errors = self._timeouts, self._errors
        yield from self._values(snapshot)
        yield from self._states(snapshot)
        yield from self._xids(snapshot)
        yield _single("aidc_nvml_up", "1 when NVML answered.", float(snapshot.nvml_up))
        mismatch = float(snapshot.version_mismatch)
        yield _single("aidc_nvml_version_mismatch", "1 when library and loaded driver are of two versions.", mismatch)
        yield _single("aidc_gpu_exporter_stale", "1 when something did not answer within the bound.", snapshot.stale)
        yield _single("aidc_gpu_exporter_xid_listener_up", "1 while XID events are being heard.", self._listener.up)
        yield _single("aidc_gpu_exporter_collect_duration_seconds", "Time the last collection took.", duration)
        yield _counter("aidc_gpu_exporter_collect_timeouts_total", "Collections that hit the bound.", timeouts)
        yield _counter("aidc_gpu_exporter_read_errors_total", "NVML reads that failed.", errors)
        info = GaugeMetricFamily("aidc_gpu_exporter_build_info", "Version of this exporter.", labels=("version",))
        info.add_metric((VERSION,), 1)
        yield info

    def _labels(self, identity: Identity, snapshot: Snapshot) -> tuple[str, ...]:
        return (
            str(identity.index),
            identity.uuid,
            identity.pci_bus_id,
            identity.device,
            identity.model,
            self._hostname,
            snapshot.driver_version,
        )

    def _values(self, snapshot: Snapshot) -> Iterator[Metric]:
        for name, (text, counts_up) in METRICS.items():
            # DCGM's counters have no _total suffix, which a family of type counter would add; so they go untyped.
            metric = Metric(name, text, "unknown" if counts_up else "gauge")
            for reading in snapshot.readings:
                if name in reading.values:
                    labels = dict(zip(GPU_LABELS, self._labels(reading.identity, snapshot)))
                    metric.add_sample(name, labels, float(reading.values[name]))
            if metric.samples:
                yield metric

    def _states(self, snapshot: Snapshot) -> Iterator[Metric]:
        lost = GaugeMetricFamily("aidc_gpu_lost", "1 when the driver says the GPU is lost.", labels=GPU_LABELS)
        stale = GaugeMetricFamily("aidc_gpu_stale", "1 when the GPU did not answer in time.", labels=GPU_LABELS)
        for reading in snapshot.readings:
            labels = self._labels(reading.identity, snapshot)
            lost.add_metric(labels, float(reading.lost))
            stale.add_metric(labels, 0.0)
        for identity in snapshot.stale_gpus:
            stale.add_metric(self._labels(identity, snapshot), 1.0)
        yield lost
        yield stale
        if snapshot.nvml_up:
            answering = sum(1 for reading in snapshot.readings if reading.values)
            yield _single("aidc_gpu_count", "GPUs that answered.", answering)

    def _xids(self, snapshot: Snapshot) -> Iterator[Metric]:
        last = GaugeMetricFamily("DCGM_FI_DEV_XID_ERRORS", "Last XID error, 0 for none.", labels=GPU_LABELS)
        for reading in snapshot.readings:
            labels = self._labels(reading.identity, snapshot)
            last.add_metric(labels, float(self._events.last(reading.identity.index)))
        yield last
        count = GaugeMetricFamily(
            "DCGM_EXP_XID_ERRORS_COUNT",
            "XID errors within the window.",
            labels=GPU_LABELS + ("window_size_in_ms", "xid"),
        )
        for (index, xid), number in sorted(self._events.counts().items()):
            labels = self._labels(self._reader.identity(index), snapshot)
            count.add_metric(labels + (str(self._events.window_ms), str(xid)), number)
        yield count


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    metric = Metric(name[: -len("_total")], text, "counter")
    metric.add_sample(name, {}, float(value))
    return metric


# --- Serving ---------------------------------------------------------------------------------------------------------


class Tls:
    """Makes the TLS context of a connection from files, so that a renewed certificate needs no restart.

    With ``client_ca``, only clients with a certificate of that authority are let in. Raises OSError.
    """

    def __init__(self, certificate: str, key: str, client_ca: str) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificate, self._key)
        if self._client_ca:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Handler(WSGIRequestHandler):
    """Answers a scrape without a line in the log."""

    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each client. The TLS handshake is made there: a client that says nothing holds nobody up."""

    daemon_threads = True

    def __init__(self, address: str, port: int, tls: Tls | None) -> None:
        self._tls = tls
        family, _kind, _protocol, _name, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        super().__init__(where[:2], Handler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        # That of HTTPServer asks the name service for the name of the machine, which may take long.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]
        self.setup_environ()

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(CLIENT_SECONDS)
        with self._tls.context().wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("client %s", client_address, exc_info=True)


# --- Program ---------------------------------------------------------------------------------------------------------


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prometheus exporter of NVIDIA GPU health with DCGM's metric names.")
    parser.add_argument("--listen-address", default="127.0.0.1")
    parser.add_argument("--listen-port", type=int, default=9400)
    parser.add_argument("--collect-timeout", type=float, default=5.0, help="seconds one scrape may wait for NVML")
    parser.add_argument("--xid-window", type=float, default=300.0, help="seconds an XID error stays counted")
    parser.add_argument("--tls-certificate", default="", help="serve with this certificate")
    parser.add_argument("--tls-key", default="", help="its key")
    parser.add_argument("--tls-client-ca", default="", help="let in only clients with a certificate of this authority")
    options = parser.parse_args(arguments)
    if bool(options.tls_certificate) != bool(options.tls_key) or (options.tls_client_ca and not options.tls_key):
        parser.error("--tls-certificate and --tls-key belong together, and --tls-client-ca needs both")
    return options


def main(arguments: list[str] | None = None) -> int:
    import pynvml  # here, so that the parts above can be used with any object that has NVML's functions

    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    tls = Tls(options.tls_certificate, options.tls_key, options.tls_client_ca) if options.tls_key else None
    try:
        if tls is not None:
            # An unusable file is better known now than at the first scrape.
            tls.context()
        server = Server(options.listen_address, options.listen_port, tls)
    except OSError as error:
        log.error("cannot start: %s", error)
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())

    events = XidLog(options.xid_window)
    listener = XidListener(pynvml, events)
    listener.start()
    reader = GpuReader(pynvml, options.collect_timeout)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(GpuCollector(reader, events, listener, socket.gethostname()))
    server.set_app(make_wsgi_app(registry))
    threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
    log.info("listening on %s port %d", options.listen_address, options.listen_port)
    stop.wait()
    listener.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
