# For each alert: series with which it fires, what it says then, and series with which it must not. Here the faults.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Series are in promtool's notation, a sample every 30 seconds unless a case says otherwise. ``{n}`` stands for the
labels of a node, ``{g}`` for those of one of its GPUs, ``{h}`` for those of another GPU, ``{p}`` for those of an
InfiniBand port. Each rule file has such a file of cases, ``rule_cases_<what>.py``: ``RULES`` names the rule file, and
after it those whose recorded series it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NODE = 'instance="n1",rack="r1",leaf="l1"'
GPU = f'{NODE},gpu="3",UUID="GPU-3",pci_bus_id="00000000:3b:00.0",device="nvidia3",modelName="H100"'
OTHER = f'{NODE},gpu="4",UUID="GPU-4",pci_bus_id="00000000:4b:00.0",device="nvidia4",modelName="H100"'
PORT = f'{NODE},device="mlx5_0",port="1"'
BOARD = "n1: GPU 3 00000000:3b:00.0 "


@dataclass(frozen=True)
class Case:
    """``fires`` and ``silent`` are series; ``labels`` are those that the alert has besides the node's and the GPU's.

    ``node``: whether the alert has the labels of the node. ``interval``: between two samples and two evaluations.
    """

    alert: str
    fires: tuple[tuple[str, str], ...]
    summary: str
    silent: tuple[tuple[str, str], ...]
    labels: dict[str, str] = field(default_factory=dict)
    gpu: bool = False
    at: str = "30m"
    node: bool = True
    interval: str = "30s"

    def series(self, firing: bool) -> list[dict[str, str]]:
        """The series as promtool wants them."""
        marks = {"{n}": NODE, "{g}": GPU, "{h}": OTHER, "{p}": PORT}
        found = []
        for name, values in self.fires if firing else self.silent:
            for mark, labels in marks.items():
                name = name.replace(mark, labels)
            found.append({"series": name, "values": values})
        return found


RULES = ("aidc_faults",)
XID = 'DCGM_EXP_XID_ERRORS_COUNT{{g},xid="%s"}'

CASES = (
    Case(
        "GpuStopped", ((XID % "46", "0x50 1x20"),), BOARD + "has stopped processing", ((XID % "43", "1x70"),), gpu=True
    ),
    Case(
        "GpuEccUncorrectable",
        (("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{g}}", "0x50 1x20"),),
        BOARD + "has an uncorrectable memory error",
        # An error that was contained, or whose row is to be replaced, is counted too, and the GPU goes on.
        (
            ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{g}}", "1x70"),
            (XID % "94", "0x5 1x10 0x55"),
            ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{h}}", "1x40 0x30"),
        ),
        gpu=True,
    ),
    Case(
        "GpuRowRemapExhausted",
        (("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_NONE{{g}}", "2x70"),),
        BOARD + "has 2 memory banks without a spare row",
        (("DCGM_FI_DEV_BANKS_REMAP_ROWS_AVAIL_NONE{{g}}", "0x70"),),
        gpu=True,
    ),
    Case(
        "GpuSramThreshold",
        (("DCGM_FI_DEV_THRESHOLD_SRM{{g}}", "1x70"),),
        BOARD + "has more SRAM errors than its threshold",
        (("DCGM_FI_DEV_THRESHOLD_SRM{{g}}", "0x70"),),
        gpu=True,
    ),
    Case(
        "GpuC2cError",
        ((XID % "121", "1x70"),),
        BOARD + "corrected errors of its link to the processor",
        ((XID % "121", "0x70"),),
        gpu=True,
    ),
    Case(
        "GpuThermalThrottle",
        (("DCGM_FI_DEV_THERMAL_VIOLATION{{g}}", "0+6000000000x70"),),
        BOARD + "is too hot",
        # Short of a tenth of the time; and hot, but at work.
        (
            ("DCGM_FI_DEV_THERMAL_VIOLATION{{g}}", "0+600000000x70"),
            ("DCGM_FI_DEV_GPU_TEMP{{g}}", "80x70"),
            ("DCGM_FI_DEV_GPU_UTIL{{g}}", "98x70"),
        ),
        gpu=True,
    ),
    Case(
        "GpuThermalThrottle",
        (("DCGM_FI_DEV_GPU_TEMP_CELSIUS{{g}}", "80x70"), ("DCGM_FI_DEV_GPU_UTIL{{g}}", "0x70")),
        BOARD + "is too hot",
        (("DCGM_FI_DEV_GPU_TEMP_CELSIUS{{g}}", "45x70"), ("DCGM_FI_DEV_GPU_UTIL{{g}}", "0x70")),
        gpu=True,
    ),
    Case(
        "GpuPowerThrottle",
        (("DCGM_FI_DEV_POWER_VIOLATION{{g}}", "0+6000000000x70"),),
        BOARD + "is slowed down for lack of power",
        (("DCGM_FI_DEV_POWER_VIOLATION{{g}}", "0+600000000x70"),),
        gpu=True,
    ),
    Case(
        "GpuSlow",
        (
            ("DCGM_FI_DEV_SM_CLOCK{{g}}", "600x80"),
            ("DCGM_FI_DEV_GPU_UTIL{{g}}", "99x80"),
            ("DCGM_FI_DEV_SM_CLOCK{{h}}", "1980x80"),
            ("DCGM_FI_DEV_GPU_UTIL{{h}}", "99x80"),
            ('DCGM_FI_DEV_SM_CLOCK{instance="n2",UUID="GPU-9",modelName="H100"}', "1980x80"),
            ('DCGM_FI_DEV_GPU_UTIL{instance="n2",UUID="GPU-9",modelName="H100"}', "99x80"),
        ),
        BOARD + "runs at 600 MHz under load, far below others of its model",
        # Slow because there is nothing to do.
        (
            ("DCGM_FI_DEV_SM_CLOCK{{g}}", "345x80"),
            ("DCGM_FI_DEV_GPU_UTIL{{g}}", "0x80"),
            ("DCGM_FI_DEV_SM_CLOCK{{h}}", "1980x80"),
            ("DCGM_FI_DEV_GPU_UTIL{{h}}", "99x80"),
        ),
        gpu=True,
        at="35m",
    ),
    Case(
        "DriverMismatch",
        (("aidc_nvml_version_mismatch{{n}}", "1x70"), ("aidc_nvml_up{{n}}", "0x70")),
        "n1: the library and the loaded driver of its GPUs are of different versions",
        (("aidc_nvml_version_mismatch{{n}}", "0x70"), ("aidc_nvml_up{{n}}", "0x70")),
    ),
    Case(
        "DriverNotLoaded",
        (("aidc_nvml_version_mismatch{{n}}", "0x70"), ("aidc_nvml_up{{n}}", "0x70")),
        "n1: the driver of its GPUs does not answer",
        (("aidc_nvml_version_mismatch{{n}}", "1x70"), ("aidc_nvml_up{{n}}", "0x70")),
    ),
    Case(
        "NvmlHang",
        (
            ("aidc_gpu_exporter_stale{{n}}", "1x70"),
            ("aidc_gpu_stale{{g}}", "1x70"),
            ("aidc_gpu_stale{{h}}", "1x70"),
            ('aidc_gpus_expected{instance="n1"}', "2x70"),
        ),
        "n1: calls into the GPU driver hang on every GPU",
        # One GPU of two, and an exporter that was late once.
        (
            ("aidc_gpu_exporter_stale{{n}}", "1x70"),
            ("aidc_gpu_stale{{g}}", "1x70"),
            ("aidc_gpu_stale{{h}}", "0x70"),
            ('aidc_gpus_expected{instance="n1"}', "2x70"),
        ),
    ),
    Case(
        "NvlinkDegraded",
        (("aidc_gpu_nvlinks_active{{g}}", "18x40 17x30"),),
        BOARD + "has NVLinks that are down or full of errors",
        # A board without a single link, as those without a bridge.
        (("aidc_gpu_nvlinks_active{{g}}", "0x70"),),
        gpu=True,
    ),
    Case(
        "FabricManagerDown",
        (('node_systemd_unit_state{{n},name="nvidia-fabricmanager.service",state="active"}', "0x70"),),
        "n1: the fabric manager does not run",
        (('node_systemd_unit_state{{n},name="nvidia-fabricmanager.service",state="active"}', "1x70"),),
    ),
    Case(
        "PcieDegraded",
        (
            ('aidc_ops_hardware_pcie_link_width{{n},pci_bus_id="0000:18:00.0"}', "8x70"),
            ('aidc_ops_hardware_pcie_link_max_width{{n},pci_bus_id="0000:18:00.0"}', "16x70"),
        ),
        "n1: the PCIe link of 0000:18:00.0 has only 8 lanes",
        (
            ('aidc_ops_hardware_pcie_link_width{{n},pci_bus_id="0000:18:00.0"}', "16x70"),
            ('aidc_ops_hardware_pcie_link_max_width{{n},pci_bus_id="0000:18:00.0"}', "16x70"),
        ),
        labels={"pci_bus_id": "0000:18:00.0"},
    ),
    Case(
        "PcieErrors",
        (("DCGM_FI_DEV_PCIE_REPLAY_TOTAL{{g}}", "0+30x70"),),
        BOARD + "repeats 60 PCIe transfers a minute",
        (("DCGM_FI_DEV_PCIE_REPLAY_COUNTER{{g}}", "0+1x70"),),
        gpu=True,
    ),
    Case(
        "IbPortDown",
        (("node_infiniband_state_id{{p}}", "1x70"),),
        "n1: port mlx5_0:1 is down",
        (("node_infiniband_state_id{{p}}", "4x70"), ("node_infiniband_physical_state_id{{p}}", "5x70")),
        labels={"device": "mlx5_0", "port": "1"},
    ),
    Case(
        "IbPortFlapping",
        (("node_infiniband_link_downed_total{{p}}", "0x20 1x20 2x10 4x20"),),
        "n1: port mlx5_0:1 lost its link 4 times in twelve hours",
        (("node_infiniband_link_downed_total{{p}}", "7x70"),),
        labels={"device": "mlx5_0", "port": "1"},
    ),
    Case(
        "IbErrors",
        (("node_infiniband_symbol_error_total{{p}}", "0+10x70"),),
        "n1: port mlx5_0:1 has errors",
        (("node_infiniband_symbol_error_total{{p}}", "0+0.2x70"),),
        labels={"device": "mlx5_0", "port": "1"},
    ),
    Case(
        "IbRateLow",
        (
            ("node_infiniband_rate_bytes_per_second{{p}}", "5e10x20 2.5e10x50"),
            ("node_infiniband_state_id{{p}}", "4x70"),
        ),
        "n1: port mlx5_0:1 is slower than it was",
        (("node_infiniband_rate_bytes_per_second{{p}}", "5e10x70"), ("node_infiniband_state_id{{p}}", "4x70")),
        labels={"device": "mlx5_0", "port": "1"},
    ),
    Case(
        "EthernetFlapping",
        (('node_network_carrier_changes_total{{n},device="eth0"}', "0+1x70"),),
        "n1: the link of eth0 changed 60 times in an hour",
        (('node_network_carrier_changes_total{{n},device="eth0"}', "2x70"),),
        labels={"device": "eth0"},
    ),
    Case(
        "NvmeFailing",
        (('smartctl_device_critical_warning{{n},device="nvme4"}', "4x70"),),
        "n1: the drive nvme4 fails",
        (
            ('smartctl_device_critical_warning{{n},device="nvme4"}', "0x70"),
            ('smartctl_device_smart_status{{n},device="nvme4"}', "1x70"),
            ('smartctl_device_media_errors{{n},device="nvme4"}', "3x70"),
            ('smartctl_device_available_spare{{n},device="nvme4"}', "100x70"),
            ('smartctl_device_available_spare_threshold{{n},device="nvme4"}', "10x70"),
        ),
        labels={"device": "nvme4"},
    ),
    Case(
        "NvmeWorn",
        (('smartctl_device_percentage_used{{n},device="nvme4"}', "92x200"),),
        "n1: the drive nvme4 is worn to 92 %",
        (('smartctl_device_percentage_used{{n},device="nvme4"}', "79x200"),),
        labels={"device": "nvme4"},
        at="90m",
    ),
    Case(
        "DriveMissing",
        (('node_md_disks{{n},device="md0",state="failed"}', "1x70"),),
        "n1: the array md0 has lost a drive",
        (
            ('node_md_disks{{n},device="md0",state="failed"}', "0x70"),
            ('node_md_disks{{n},device="md0",state="active"}', "4x70"),
        ),
        labels={"device": "md0"},
    ),
    Case(
        "FilesystemReadonly",
        (('node_filesystem_readonly{{n},device="/dev/md0",mountpoint="/scratch",fstype="ext4"}', "0x40 1x30"),),
        "n1: /scratch can only be read any more",
        # Never writable as long as anyone remembers.
        (('node_filesystem_readonly{{n},device="/dev/sr0",mountpoint="/media",fstype="ext4"}', "1x70"),),
        labels={"device": "/dev/md0", "mountpoint": "/scratch"},
    ),
    Case(
        "FilesystemFull",
        (
            ('node_filesystem_avail_bytes{{n},device="/dev/md0",mountpoint="/scratch",fstype="xfs"}', "1e9x70"),
            ('node_filesystem_size_bytes{{n},device="/dev/md0",mountpoint="/scratch",fstype="xfs"}', "1e12x70"),
        ),
        "n1: /scratch is full",
        (
            ('node_filesystem_avail_bytes{{n},device="/dev/md0",mountpoint="/scratch",fstype="xfs"}', "1e11x70"),
            ('node_filesystem_size_bytes{{n},device="/dev/md0",mountpoint="/scratch",fstype="xfs"}', "1e12x70"),
            ('node_filesystem_avail_bytes{{n},device="tmpfs",mountpoint="/run",fstype="tmpfs"}', "1x70"),
            ('node_filesystem_size_bytes{{n},device="tmpfs",mountpoint="/run",fstype="tmpfs"}', "1e9x70"),
        ),
        labels={"device": "/dev/md0", "mountpoint": "/scratch"},
    ),
    Case(
        "RemoteFilesystemHang",
        (('node_filesystem_device_error{{n},device="s1:/home",mountpoint="/home",fstype="nfs4"}', "1x70"),),
        "n1: /home does not answer",
        (('node_filesystem_device_error{{n},device="/dev/md0",mountpoint="/scratch",fstype="xfs"}', "1x70"),),
        labels={"device": "s1:/home", "mountpoint": "/home"},
    ),
    Case(
        "MemoryUncorrectable",
        (('node_edac_uncorrectable_errors_total{{n},controller="0"}', "0x50 1x20"),),
        "n1: uncorrectable errors of main memory",
        (('node_edac_uncorrectable_errors_total{{n},controller="0"}', "1x70"),),
        labels={"sensor": "0"},
    ),
    Case(
        "MemoryCorrectable",
        (('node_edac_correctable_errors_total{{n},controller="0"}', "0+5x70"),),
        "n1: many corrected errors of main memory",
        (('node_edac_correctable_errors_total{{n},controller="0"}', "0x60 1x10"),),
        labels={"sensor": "0"},
    ),
    Case(
        "CpuLockup",
        (("node_kernel_hung_tasks_total{{n}}", "0x50 1x20"),),
        "n1: processes hang in the kernel",
        (("node_kernel_hung_tasks_total{{n}}", "3x70"),),
    ),
    Case(
        "NodeUnexpectedReboot",
        (("node_boot_time_seconds{{n}}", "1700000000x50 1700003000x20"),),
        "n1: was restarted, and not by us",
        (
            ("node_boot_time_seconds{{n}}", "1700000000x50 1700003000x20"),
            ("aidc_remediation_planned_reboot{{n}}", "1x70"),
        ),
    ),
    Case(
        "OutOfMemory",
        (("node_vmstat_oom_kill{{n}}", "0x50 1x20"),),
        "n1: ran out of memory",
        (("node_vmstat_oom_kill{{n}}", "5x70"),),
    ),
    Case(
        "ClockSkew",
        (("node_timex_offset_seconds{{n}}", "-0.2x70"),),
        "n1: its clock is wrong or not synchronised",
        (("node_timex_offset_seconds{{n}}", "0.001x70"), ("node_timex_sync_status{{n}}", "1x70")),
    ),
    Case(
        "UnitFailed",
        (('node_systemd_unit_state{{n},name="slurmd.service",state="failed"}', "1x70"),),
        "n1: slurmd.service has failed",
        (('node_systemd_unit_state{{n},name="slurmd.service",state="failed"}', "0x70"),),
        labels={"name": "slurmd.service"},
    ),
    Case(
        "NodeUnreachable",
        (
            ('up{{n},job="node_exporter"}', "0x70"),
            ('up{{n},job="gpu_exporter"}', "0x70"),
            ('probe_success{{n},module="icmp"}', "0x70"),
            ('probe_success{{n},module="ssh_banner"}', "0x70"),
        ),
        "n1: does not answer in any way",
        # One probe that is answered is enough.
        (
            ('up{{n},job="node_exporter"}', "0x70"),
            ('probe_success{{n},module="icmp"}', "1x70"),
            ('probe_success{{n},module="ssh_banner"}', "0x70"),
        ),
    ),
    Case(
        "NodeUnreachable",
        (('up{{n},job="node_exporter"}', "0x70"), ("probe_success{{n}}", "0x70")),
        "n1: does not answer in any way",
        # Another exporter of the node answers: it is the probe that is wrong.
        (
            ('up{{n},job="node_exporter"}', "0x70"),
            ('up{{n},job="gpu_exporter"}', "1x70"),
            ("probe_success{{n}}", "0x70"),
        ),
    ),
    Case(
        "NodeUnreachable",
        (('up{{n},job="node_exporter"}', "0x70"), ("probe_success{{n}}", "0x70")),
        "n1: does not answer in any way",
        # Nobody probes it: no data is no proof.
        (('up{{n},job="node_exporter"}', "0x70"),),
    ),
    Case(
        "PsuFailed",
        (('ipmi_power_state{{n},name="PSU2"}', "2x70"),),
        "n1: the power supply PSU2 has failed",
        (('ipmi_power_state{{n},name="PSU2"}', "0x70"), ('aidc_ops_hardware_power_supply_ok{{n},name="PSU2"}', "1x70")),
        labels={"sensor": "PSU2"},
    ),
    Case(
        "FanFailed",
        (('aidc_ops_hardware_fan_ok{{n},name="FAN 3"}', "0x70"),),
        "n1: the fan FAN 3 has failed",
        (('aidc_ops_hardware_fan_ok{{n},name="FAN 3"}', "1x70"), ('ipmi_fan_speed_state{{n},name="FAN 3"}', "0x70")),
        labels={"sensor": "FAN 3"},
    ),
    Case(
        "BmcUnreachable",
        (('ipmi_up{{n},collector="bmc"}', "0x70"), ('ipmi_up{{n},collector="sel"}', "0x70")),
        "n1: its BMC does not answer",
        # It answers, but cannot do everything.
        (('ipmi_up{{n},collector="bmc"}', "1x70"), ('ipmi_up{{n},collector="dcmi"}', "0x70")),
    ),
    Case(
        "FirmwareDrift",
        (("aidc_hardware_drift_fields{{n}}", "2x200"),),
        "n1: firmware or hardware differs from its baseline",
        (("aidc_hardware_drift_fields{{n}}", "0x200"),),
        at="90m",
    ),
    Case(
        "GpuExporterDown",
        (('up{{n},job="gpu_exporter"}', "0x70"), ('up{{n},job="node_exporter"}', "1x70")),
        "n1: the GPU exporter does not answer, the node does",
        (('up{{n},job="gpu_exporter"}', "0x70"), ('up{{n},job="node_exporter"}', "0x70")),
    ),
    Case(
        "ExporterDown",
        (
            ('up{{n},job="node_exporter"}', "0x70"),
            ('probe_success{{n},module="icmp"}', "1x70"),
            ('probe_success{{n},module="http_2xx"}', "0x70"),
        ),
        "n1: the node exporter does not answer, the node does",
        (('up{{n},job="node_exporter"}', "0x70"), ("probe_success{{n}}", "0x70")),
    ),
    Case(
        "MonitoringBlind",
        (('node_scrape_collector_success{{n},collector="cpu"}', "1x40 0x30"),),
        "n1: part of its metrics cannot be collected",
        # A collector for something that the node does not have never worked.
        (("node_textfile_scrape_error{{n}}", "0x70"), ('node_scrape_collector_success{{n},collector="zfs"}', "0x70")),
    ),
)
