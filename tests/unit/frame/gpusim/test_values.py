# nvidia-ml-py, unchanged, reads every value of the state through the simulated library.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Node

# key of the state -> (value to set, expression over the handle h, expected answer)
VALUES: dict[str, tuple[str, str, Any]] = {
    "driver_version": ("571.1.2", "n.nvmlSystemGetDriverVersion()", "571.1.2"),
    "nvml_version": ("12.571.1", "n.nvmlSystemGetNVMLVersion()", "12.571.1"),
    "cuda_version": ("12070", "n.nvmlSystemGetCudaDriverVersion_v2()", 12070),
    "gsp_firmware_version": ("571.9", "n.nvmlDeviceGetGspFirmwareVersion(h)", "571.9"),
    "name": ("NVIDIA Test", "n.nvmlDeviceGetName(h)", "NVIDIA Test"),
    "uuid": ("GPU-1234", "n.nvmlDeviceGetUUID(h)", "GPU-1234"),
    "serial": ("42", "n.nvmlDeviceGetSerial(h)", "42"),
    "vbios_version": ("1.2.3", "n.nvmlDeviceGetVbiosVersion(h)", "1.2.3"),
    "board_part_number": ("900-1", "n.nvmlDeviceGetBoardPartNumber(h)", "900-1"),
    "inforom_image_version": ("G1", "n.nvmlDeviceGetInforomImageVersion(h)", "G1"),
    "brand": ("14", "n.nvmlDeviceGetBrand(h)", 14),
    "architecture": ("10", "n.nvmlDeviceGetArchitecture(h)", 10),
    "cuda_capability": ("7.5", "n.nvmlDeviceGetCudaComputeCapability(h)", [7, 5]),
    "cores": ("77", "n.nvmlDeviceGetNumGpuCores(h)", 77),
    "memory_bus_width": ("4096", "n.nvmlDeviceGetMemoryBusWidth(h)", 4096),
    "bus_id": ("00000002:AB:1F.0", "n.nvmlDeviceGetPciInfo(h).busId", "00000002:AB:1F.0"),
    "pci_device_id": ("0x123410DE", "n.nvmlDeviceGetPciInfo(h).pciDeviceId", 0x123410DE),
    "pci_subsystem_id": ("0x567810DE", "extended_pci().pciSubSystemId", 0x567810DE),
    "numa_node": ("1", "list(n.nvmlDeviceGetMemoryAffinity(h, 2, 0))", [2, 0]),
    "minor": ("9", "n.nvmlDeviceGetMinorNumber(h)", 9),
    "module_id": ("3", "n.nvmlDeviceGetModuleId(h)", 3),
    "board_id": ("0x900", "n.nvmlDeviceGetBoardId(h)", 0x900),
    "multi_gpu_board": ("1", "n.nvmlDeviceGetMultiGpuBoard(h)", 1),
    "display_mode": ("1", "n.nvmlDeviceGetDisplayMode(h)", 1),
    "display_active": ("1", "n.nvmlDeviceGetDisplayActive(h)", 1),
    "performance_state": ("2", "n.nvmlDeviceGetPerformanceState(h)", 2),
    "persistence_mode": ("1", "n.nvmlDeviceGetPersistenceMode(h)", 1),
    "compute_mode": ("3", "n.nvmlDeviceGetComputeMode(h)", 3),
    "accounting_mode": ("1", "n.nvmlDeviceGetAccountingMode(h)", 1),
    "memory_total": ("1000000", "n.nvmlDeviceGetMemoryInfo(h, version=n.nvmlMemory_v2).total", 1000000),
    "memory_reserved": ("1000", "n.nvmlDeviceGetMemoryInfo(h, version=n.nvmlMemory_v2).reserved", 1000),
    "memory_used": ("5000", "n.nvmlDeviceGetMemoryInfo(h, version=n.nvmlMemory_v2).used", 5000),
    "bar1_total": ("4096", "n.nvmlDeviceGetBAR1MemoryInfo(h).bar1Total", 4096),
    "bar1_used": ("96", "n.nvmlDeviceGetBAR1MemoryInfo(h).bar1Free", 4000),
    "utilization_gpu": ("91", "n.nvmlDeviceGetUtilizationRates(h).gpu", 91),
    "utilization_memory": ("17", "n.nvmlDeviceGetUtilizationRates(h).memory", 17),
    "utilization_encoder": ("5", "n.nvmlDeviceGetEncoderUtilization(h)[0]", 5),
    "utilization_decoder": ("6", "n.nvmlDeviceGetDecoderUtilization(h)[0]", 6),
    "utilization_jpeg": ("7", "n.nvmlDeviceGetJpgUtilization(h)[0]", 7),
    "utilization_ofa": ("8", "n.nvmlDeviceGetOfaUtilization(h)[0]", 8),
    "temperature_gpu": ("61", "n.nvmlDeviceGetTemperature(h, 0)", 61),
    "temperature_memory": ("71", "field(82)", 71),
    "temperature_shutdown": ("96", "n.nvmlDeviceGetTemperatureThreshold(h, 0)", 96),
    "temperature_slowdown": ("93", "n.nvmlDeviceGetTemperatureThreshold(h, 1)", 93),
    "temperature_memory_max": ("97", "n.nvmlDeviceGetTemperatureThreshold(h, 2)", 97),
    "temperature_gpu_max": ("88", "n.nvmlDeviceGetTemperatureThreshold(h, 3)", 88),
    "temperature_margin_supported": ("1", "n.nvmlDeviceGetMarginTemperature(h)", 88 - 61),
    "power_management": ("1", "n.nvmlDeviceGetPowerManagementMode(h)", 1),
    "power_usage": ("351000", "n.nvmlDeviceGetPowerUsage(h)", 351000),
    "power_limit": ("600000", "n.nvmlDeviceGetEnforcedPowerLimit(h)", 600000),
    "power_limit_default": ("650000", "n.nvmlDeviceGetPowerManagementDefaultLimit(h)", 650000),
    "power_limit_min": ("150000", "n.nvmlDeviceGetPowerManagementLimitConstraints(h)[0]", 150000),
    "power_limit_max": ("750000", "n.nvmlDeviceGetPowerManagementLimitConstraints(h)[1]", 750000),
    "energy": ("123456789012", "n.nvmlDeviceGetTotalEnergyConsumption(h)", 123456789012),
    "clock_graphics": ("1700", "n.nvmlDeviceGetClockInfo(h, 0)", 1700),
    "clock_sm": ("1710", "n.nvmlDeviceGetClockInfo(h, 1)", 1710),
    "clock_memory": ("2600", "n.nvmlDeviceGetClockInfo(h, 2)", 2600),
    "clock_video": ("1500", "n.nvmlDeviceGetClockInfo(h, 3)", 1500),
    "clock_graphics_max": ("1995", "n.nvmlDeviceGetMaxClockInfo(h, 0)", 1995),
    "clock_sm_max": ("1996", "n.nvmlDeviceGetMaxClockInfo(h, 1)", 1996),
    "clock_memory_max": ("2620", "n.nvmlDeviceGetMaxClockInfo(h, 2)", 2620),
    "clock_video_max": ("1550", "n.nvmlDeviceGetMaxClockInfo(h, 3)", 1550),
    "clock_graphics_min": ("1980", "n.nvmlDeviceGetSupportedGraphicsClocks(h, 2619)", [1995, 1980]),
    "clock_memory_supported": ("2620,1600", "n.nvmlDeviceGetSupportedMemoryClocks(h)", [2620, 1600]),
    "app_clock_graphics": ("1400", "n.nvmlDeviceGetApplicationsClock(h, 0)", 1400),
    "app_clock_memory": ("1600", "n.nvmlDeviceGetApplicationsClock(h, 2)", 1600),
    "app_clock_graphics_default": ("1410", "n.nvmlDeviceGetDefaultApplicationsClock(h, 0)", 1410),
    "app_clock_memory_default": ("2620", "n.nvmlDeviceGetDefaultApplicationsClock(h, 2)", 2620),
    "clocks_event_reasons": ("0x44", "n.nvmlDeviceGetCurrentClocksEventReasons(h)", 0x44),
    "clocks_event_reasons_supported": ("0xff", "n.nvmlDeviceGetSupportedClocksEventReasons(h)", 0xFF),
    "violation_power": ("11", "n.nvmlDeviceGetViolationStatus(h, 0).violationTime", 11),
    "violation_thermal": ("12", "n.nvmlDeviceGetViolationStatus(h, 1).violationTime", 12),
    "violation_sync_boost": ("13", "n.nvmlDeviceGetViolationStatus(h, 2).violationTime", 13),
    "violation_board_limit": ("14", "n.nvmlDeviceGetViolationStatus(h, 3).violationTime", 14),
    "violation_low_utilization": ("15", "n.nvmlDeviceGetViolationStatus(h, 4).violationTime", 15),
    "violation_reliability": ("16", "n.nvmlDeviceGetViolationStatus(h, 5).violationTime", 16),
    "violation_app_clocks": ("17", "field(80)", 17),
    "violation_base_clocks": ("18", "field(81)", 18),
    "violation_sw_thermal": ("19", "field(269)", 19),
    "violation_hw_thermal": ("20", "field(270)", 20),
    "violation_hw_power_brake": ("21", "field(271)", 21),
    "pcie_generation": ("3", "n.nvmlDeviceGetCurrPcieLinkGeneration(h)", 3),
    "pcie_generation_max": ("5", "n.nvmlDeviceGetMaxPcieLinkGeneration(h)", 5),
    "pcie_width": ("8", "n.nvmlDeviceGetCurrPcieLinkWidth(h)", 8),
    "pcie_width_max": ("16", "n.nvmlDeviceGetMaxPcieLinkWidth(h)", 16),
    "pcie_replay": ("31", "n.nvmlDeviceGetPcieReplayCounter(h)", 31),
    "pcie_replay_rollover": ("2", "field(95)", 2),
    "pcie_tx": ("1234", "n.nvmlDeviceGetPcieThroughput(h, 0)", 1234),
    "pcie_rx": ("4321", "n.nvmlDeviceGetPcieThroughput(h, 1)", 4321),
    "ecc_mode_current": ("1", "n.nvmlDeviceGetEccMode(h)[0]", 1),
    "ecc_mode_pending": ("0", "n.nvmlDeviceGetEccMode(h)[1]", 0),
    "ecc_corrected_volatile_dram": ("1", "n.nvmlDeviceGetMemoryErrorCounter(h, 0, 0, 2)", 1),
    "ecc_corrected_volatile_sram": ("2", "n.nvmlDeviceGetMemoryErrorCounter(h, 0, 0, 7)", 2),
    "ecc_uncorrected_volatile_dram": ("4", "n.nvmlDeviceGetMemoryErrorCounter(h, 1, 0, 2)", 4),
    "ecc_uncorrected_volatile_sram": ("8", "sram().volatileUncSecDed", 8),
    "ecc_corrected_aggregate_dram": ("16", "n.nvmlDeviceGetMemoryErrorCounter(h, 0, 1, 2)", 16),
    "ecc_corrected_aggregate_sram": ("32", "sram().aggregateCor", 32),
    "ecc_uncorrected_aggregate_dram": ("64", "n.nvmlDeviceGetMemoryErrorCounter(h, 1, 1, 2)", 64),
    "ecc_uncorrected_aggregate_sram": ("128", "n.nvmlDeviceGetTotalEccErrors(h, 1, 1)", 64 + 128),
    "ecc_sram_threshold_exceeded": ("1", "sram().bThresholdExceeded", 1),
    "remapped_rows_correctable": ("1", "n.nvmlDeviceGetRemappedRows(h)[0]", 1),
    "remapped_rows_uncorrectable": ("2", "n.nvmlDeviceGetRemappedRows(h)[1]", 2),
    "remapped_rows_pending": ("1", "n.nvmlDeviceGetRemappedRows(h)[2]", 1),
    "remapped_rows_failure": ("1", "n.nvmlDeviceGetRemappedRows(h)[3]", 1),
    "remap_banks": ("5,4,3,2,1", "n.nvmlDeviceGetRowRemapperHistogram(h).none", 1),
    "recovery_action": ("4", "field(230)", 4),
    "mig_mode_current": ("1", "n.nvmlDeviceGetMigMode(h)[0]", 1),
    "mig_mode_pending": ("0", "n.nvmlDeviceGetMigMode(h)[1]", 0),
    "nvlink_count": ("17", "field(91)", 17),
    "nvlink_version": ("4", "n.nvmlDeviceGetNvLinkVersion(h, 0)", 4),
    "nvlink_speed": ("26000", "field(90)", 26000),
    "nvlink_tx": ("100", "field(138)", 100),
    "nvlink_rx": ("200", "field(139)", 200),
    "nvlink_remote_type": ("0", "n.nvmlDeviceGetNvLinkRemoteDeviceType(h, 3)", 0),
    "nvlink_remote_bus_id": ("00000000:07:00.0", "n.nvmlDeviceGetNvLinkRemotePciInfo(h, 1).bus", 7),
    "fabric_state": ("2", "fabric().state", 2),
    "fabric_status": ("6", "fabric().status", 6),
    "fabric_clique": ("5", "fabric().cliqueId", 5),
    "locked_graphics_min": ("0", "n.nvmlDeviceGetClock(h, 0, 0)", 1700),
    "locked_graphics_max": ("0", "n.nvmlDeviceGetClock(h, 1, 0)", 1710),
    "locked_memory_min": ("0", "n.nvmlDeviceGetClock(h, 2, 0)", 2600),
    "locked_memory_max": ("0", "n.nvmlDeviceGetClock(h, 2, 3)", 2620),
}
# Keys that describe the file or the node, not an answer.
NOT_ASKED = {"gpusim", "end", "node", "seed", "gpus"}

READ_ALL = """
h = gpu(1)
def field(number):
    value = n.nvmlDeviceGetFieldValues(h, [number])[0]
    assert value.nvmlReturn == 0, (number, value.nvmlReturn)
    return {1: value.value.uiVal, 3: value.value.ullVal, 5: value.value.siVal}[value.valueType]
def fabric():
    info = n.c_nvmlGpuFabricInfo_v2_t()
    n.nvmlDeviceGetGpuFabricInfoV(h, n.byref(info))
    return info
def sram():
    status = n.c_nvmlEccSramErrorStatus_v1_t()
    n.nvmlDeviceGetSramEccErrorStatus(h, n.byref(status))
    return status
def extended_pci():
    info = n.nvmlPciInfoExt_v1_t()
    info.version = n.nvmlPciInfoExt_v1
    n.nvmlDeviceGetPciInfoExt(h, n.byref(info))
    return info
answer = {key: eval(expression) for key, expression in %r.items()}
"""


def test_every_key_is_read(node: Node) -> None:
    """A key that is written to the state but asked by no test would be a value that nobody checks."""
    keys = {line.split("=")[0].partition(".")[0] for line in node.state.read_text().splitlines()}
    assert keys - NOT_ASKED == set(VALUES)


def test_every_value_arrives(node: Node) -> None:
    node_keys = ("driver_version", "nvml_version", "cuda_version")
    node.gpusim("set", *[f"{key}={VALUES[key][0]}" for key in node_keys])
    node.gpusim("set", "--gpu", "1", *[f"{k}={v[0]}" for k, v in VALUES.items() if k not in node_keys])
    answers = node.ask(READ_ALL % {key: expression for key, (_value, expression, _expected) in VALUES.items()})
    assert answers == {key: expected for key, (_value, _expression, expected) in VALUES.items()}


def test_fields_that_exporters_ask_for(node: Node) -> None:
    """Field values that are sums, or that DCGM takes from here and not from the named calls."""
    node.gpusim(
        "set", "--gpu", "1", "ecc_corrected_volatile_dram=3", "ecc_corrected_volatile_sram=4",
        "remapped_rows_failure=1",
        "remapped_rows_uncorrectable=2", "energy=5000000000", "nvlink_replay_1=7", "nvlink_replay_17=1",
        "nvlink_crc_flit_7=9", "nvlink_state_3=0",
    )  # fmt: skip
    wanted = [3, 4, 143, 145, 83, 52, 47, 38, 97, 87, 88, 91, 9999]
    answer = node.ask(
        f"""
        values = n.nvmlDeviceGetFieldValues(gpu(1), {wanted})
        answer = [[v.fieldId, v.nvmlReturn, v.value.ullVal] for v in values]
        """
    )
    assert answer == [
        [3, 0, 7], [4, 0, 0], [143, 0, 2], [145, 0, 1], [83, 0, 5000000000], [52, 0, 8], [47, 0, 7], [38, 0, 9],
        [97, 0, 9], [87, 0, 0], [88, 0, 26562], [91, 0, 18], [9999, 3, 0],
    ]  # fmt: skip


def test_the_links_are_spread_over_the_switches(bare_node: Node) -> None:
    """Each board of eight has switches of its own; a list may name the other end of each link."""
    bare_node.gpusim("init", "--model", "NVIDIA H100 80GB HBM3", "--gpus", "9", "--node", "n1")
    bare_node.gpusim("set", "--gpu", "1", "nvlink_remote_bus_id=00000000:1B:00.0,00000000:C3:00.0",
                     "nvlink_remote_type=0,2")  # fmt: skip
    answer = bare_node.ask(
        """
        def ends(index):
            return [n.nvmlDeviceGetNvLinkRemotePciInfo(gpu(index), link).busId for link in range(5)]
        kinds = [n.nvmlDeviceGetNvLinkRemoteDeviceType(gpu(1), link) for link in range(3)]
        answer = [ends(0), ends(1)[:3], ends(8)[:2], kinds]
        """
    )
    switches = [f"00000000:0{number}:00.0" for number in range(5, 9)]
    assert answer == [
        [*switches, switches[0]],
        ["00000000:1B:00.0", "00000000:C3:00.0", "00000000:1B:00.0"],
        ["00000001:05:00.0", "00000001:06:00.0"],
        [0, 2, 0],
    ]


def test_gpus_are_spread_over_the_numa_nodes(node: Node) -> None:
    node.gpusim("init", "--model", "NVIDIA H200", "--gpus", "8", "--node", "n1")
    affinity = "[list(n.nvmlDeviceGetMemoryAffinity(gpu(i), 1, 0))[0] for i in range(8)]"
    assert node.ask(f"answer = {affinity}") == [1, 1, 1, 1, 2, 2, 2, 2]
    node.gpusim("set", "--gpu", "0", "numa_node=70")
    assert node.ask(
        "h = gpu(0); answer = [error(n.nvmlDeviceGetMemoryAffinity, h, 1, 0),"
        " list(n.nvmlDeviceGetMemoryAffinity(h, 2, 1)), error(n.nvmlDeviceGetMemoryAffinity, h, 1, 2)]"
    ) == [7, [0, 64], 2]


def test_scoped_nvlink_fields_and_named_calls_agree(node: Node) -> None:
    node.gpusim("set", "--gpu", "0", "nvlink_state_5=0", "nvlink_recovery_5=3")
    answer = node.ask(
        """
        h = gpu(0)
        states = [n.nvmlDeviceGetNvLinkState(h, link) for link in range(18)]
        fields = [v.value.uiVal for v in n.nvmlDeviceGetFieldValues(h, [(165, link) for link in range(18)])]
        answer = [states == fields, states.index(0), sum(states), n.nvmlDeviceGetNvLinkErrorCounter(h, 5, 1)]
        """
    )
    assert answer == [True, 5, 17, 3]


def test_processes_with_the_size_asked_first(node: Node) -> None:
    node.gpusim("set", "--gpu", "2", "processes=4242:1000000:python3,99:2000")
    answer = node.ask(
        """
        h = gpu(2)
        call = n._nvmlGetFunctionPointer("nvmlDeviceGetComputeRunningProcesses_v3")
        count = n.c_uint(0)
        first = call(h, n.byref(count), None)
        small = (n.c_nvmlProcessInfo_v2_t * 1)()
        one = n.c_uint(1)
        second = call(h, n.byref(one), small)
        running = [[p.pid, p.usedGpuMemory] for p in n.nvmlDeviceGetComputeRunningProcesses(h)]
        answer = [first, count.value, second, one.value, running, n.nvmlSystemGetProcessName(4242),
                  error(n.nvmlSystemGetProcessName, 1), n.nvmlDeviceGetComputeRunningProcesses(gpu(0))]
        """
    )
    assert answer == [7, 2, 7, 2, [[4242, 1000000], [99, 2000]], "python3", 6, []]


def test_texts_and_lists_that_do_not_fit_are_refused(node: Node) -> None:
    answer = node.ask(
        """
        h = gpu(0)
        text = n.create_string_buffer(8)
        name = n._nvmlGetFunctionPointer("nvmlDeviceGetName")(h, text, n.c_uint(8))
        clocks = n._nvmlGetFunctionPointer("nvmlDeviceGetSupportedGraphicsClocks")
        count = n.c_uint(0)
        first = clocks(h, n.c_uint(2619), n.byref(count), None)
        answer = [name, text.value.decode(), first, count.value, len(n.nvmlDeviceGetSupportedGraphicsClocks(h, 2619))]
        """
    )
    assert answer == [7, "", 7, 110, 110]


def test_memory_of_both_versions(node: Node) -> None:
    """The first version counts as used what the driver reserves."""
    node.gpusim("set", "--gpu", "0", f"memory_used={5 << 20}")
    old, new = node.ask(
        """
        a, b = n.nvmlDeviceGetMemoryInfo(gpu(0)), n.nvmlDeviceGetMemoryInfo(gpu(0), version=n.nvmlMemory_v2)
        answer = [[a.total, a.used, a.free], [b.total, b.reserved, b.used, b.free]]
        """
    )
    total, reserved = 81559 << 20, 480 << 20
    assert old == [total, (5 << 20) + reserved, total - reserved - (5 << 20)]
    assert new == [total, reserved, 5 << 20, total - reserved - (5 << 20)]


@pytest.mark.parametrize(
    ("model", "gpus", "links", "mig"),
    [("NVIDIA H100 80GB HBM3", 8, 18, 0), ("NVIDIA A100-SXM4-80GB", 8, 12, 0), ("NVIDIA H200", 16, 18, 0),
     ("NVIDIA L40S", 4, -3, -3)],
)  # fmt: skip
def test_models(bare_node: Node, model: str, gpus: int, links: int, mig: int) -> None:
    """Each model has its own values; what it lacks is Not Supported, not zero."""
    bare_node.gpusim("init", "--model", model, "--gpus", str(gpus), "--node", "n1")
    found = bare_node.ask(
        """
        handles = [gpu(i) for i in range(n.nvmlDeviceGetCount())]
        h = handles[-1]
        def number(call, *arguments):
            return -error(call, *arguments) or call(*arguments)
        link = n.nvmlDeviceGetFieldValues(h, [91])[0]
        memory = n.nvmlDeviceGetMemoryInfo(h)
        mig = error(n.nvmlDeviceGetMigMode, h)
        answer = {
            "names": sorted({n.nvmlDeviceGetName(x) for x in handles}),
            "different": [len({call(x) for x in handles}) for call in
                          (n.nvmlDeviceGetUUID, n.nvmlDeviceGetSerial, lambda x: n.nvmlDeviceGetPciInfo(x).busId)],
            "links": -link.nvmlReturn or link.value.uiVal,
            "mig": -mig or n.nvmlDeviceGetMigMode(h)[0],
            "free": memory.free > 0,
            "found": [n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(h))),
                      n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleBySerial(n.nvmlDeviceGetSerial(h))),
                      n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByPciBusId(n.nvmlDeviceGetPciInfo(h).busId))],
            "fan": error(n.nvmlDeviceGetFanSpeed, h), "retired": error(n.nvmlDeviceGetRetiredPages, h, 0),
        }
        """
    )
    assert found == {
        "names": [model], "different": [gpus] * 3, "links": links, "mig": mig, "free": True, "found": [gpus - 1] * 3,
        "fan": 3, "retired": 3,
    }  # fmt: skip


def test_the_same_node_is_always_the_same_hardware(bare_node: Node) -> None:
    texts = []
    for name in ("gpu1", "gpu1", "gpu2"):
        bare_node.gpusim("init", "--model", "NVIDIA L40S", "--gpus", "2", "--node", name)
        serial = (bare_node.folder / "root/sys/class/dmi/id/product_serial").read_text().strip()
        texts.append((serial, bare_node.entry("uuid", 1), bare_node.entry("serial", 0)))
        assert re.fullmatch(r"SIM-[0-9A-F]{12}", serial)
    assert texts[0] == texts[1]
    assert all(a != b for a, b in zip(texts[0], texts[2], strict=True))


def test_unknown_not_supported_and_injected_errors_differ(node: Node) -> None:
    """A missing symbol, a model without it, a driver without the call and an injected error are four answers."""
    node.gpusim("set", "--gpu", "0", "temperature_gpu=!17", "power_usage=N/A", "retired_pages_pending=1")
    node.gpusim("set", "functions_missing=nvmlDeviceGetGpuFabricInfoV,nvmlDeviceGetUtilizationRates")
    answer = node.ask(
        """
        h = gpu(0)
        answer = [error(n.nvmlDeviceGetTemperature, h, 0), error(n.nvmlDeviceGetPowerUsage, h),
                  error(n.nvmlDeviceGetUtilizationRates, h), error(n.nvmlDeviceGetTemperature, gpu(1), 0),
                  error(n.nvmlDeviceGetRetiredPagesPendingStatus, h), error(n.nvmlDeviceGetFanSpeed, h),
                  error(n.nvmlGpmQueryDeviceSupport, h), error(n.nvmlDeviceGetHandleByIndex, 99),
                  error(n.nvmlDeviceGetTemperature, h, 5), error(n.nvmlDeviceGetHandleByUUID, "GPU-nobody"),
                  error(n.nvmlDeviceGetHandleByPciBusId, "rubbish"), error(n.nvmlDeviceGetName, n.c_nvmlDevice_t())]
        """
    )
    assert answer == [17, 3, 13, 0, 0, 3, 13, 2, 2, 6, 2, 2]


def test_a_call_before_the_start_and_after_the_end(node: Node) -> None:
    answer = node.ask(
        """
        n._LoadNvmlLibrary()
        before = [error(n.nvmlDeviceGetCount), error(n.nvmlShutdown)]
        n.nvmlInit(); n.nvmlInit(); n.nvmlShutdown()
        still = error(n.nvmlDeviceGetCount)
        n.nvmlShutdown()
        answer = before + [still, error(n.nvmlDeviceGetCount), n.nvmlErrorString(15), n.nvmlErrorString(12345)]
        """,
        init=False,
    )
    assert answer == [1, 1, 0, 1, "GPU is lost", "Unknown Error"]
