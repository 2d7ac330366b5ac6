# Cases of the anomalies.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

from rule_cases import BOARD, GPU, Case

RULES = ("aidc_anomaly", "aidc_recording", "aidc_gpu")
# The GPU that the cases are about is on n1; each of the four nodes has two.
NODES = ("n1", "n2", "n3", "n4")
PEERS = (
    GPU,
    *(
        f'instance="{node}",rack="r1",leaf="l1",gpu="{index}",UUID="{node}-{index}",modelName="H100"'
        for node in NODES
        for index in range(1 if node == "n1" else 2)
    ),
)
STARTS = "slurm_job_wait_seconds_count"


def gpus(name: str, *values: float) -> tuple[tuple[str, str], ...]:
    """A metric of the GPU and of its seven peers; the last value stands for all that are not named."""
    filled = [*values, *[values[-1]] * (len(PEERS) - len(values))]
    return tuple((f"{name}{{{labels}}}", f"{value}x400") for labels, value in zip(PEERS, filled, strict=True))


def hot(own: str, others: str) -> tuple[tuple[str, str], ...]:
    """Temperatures of the GPU and of its peers."""
    return tuple((f"DCGM_FI_DEV_GPU_TEMP{{{labels}}}", own if labels == GPU else others) for labels in PEERS)


def job(*nodes: str) -> tuple[tuple[str, str], ...]:
    """One job on some nodes, with the GPUs that are there."""
    labels = 'job_id="7",user="u",account="a",partition="p"'
    return tuple((f'slurm_job_gpus{{{labels},node="{node}"}}', "2x90") for node in nodes)


def network(*megabytes: int) -> tuple[tuple[str, str], ...]:
    """What each node receives in a second."""
    name = 'node_network_%s_bytes_total{instance="%s",rack="r1",leaf="l1",device="eth0"}'
    received = [
        (name % ("receive", node), f"0+{rate * 60}000000x90") for node, rate in zip(NODES, megabytes, strict=True)
    ]
    return (*received, *((name % ("transmit", node), "0+0x90") for node in NODES))


BUSY = gpus("DCGM_FI_DEV_GPU_UTIL", 99)

CASES = (
    Case(
        "GpuUnlikeItsPast",
        (*hot("60x375 80x20", "60x400"), *BUSY),
        BOARD + "has a temperature of 80, more than lately, and more than its peers",
        # All of them are hotter than ever: it is not this GPU.
        (*hot("60x375 80x20", "60x375 80x20"), *BUSY),
        labels={"signal": "temperature"},
        gpu=True,
        at="26h",
        interval="4m",
    ),
    Case(
        "FleetUnlikeItsPast",
        ((STARTS, "0+40x75 3000x10"),),
        "job_starts of the fleet is 0, unlike the last days and the same hour of last week",
        # Yesterday, none started at this hour either.
        ((STARTS, "0+40x6 240x6 240+40x63 2760x10"),),
        labels={"signal": "job_starts", "scope": "fleet"},
        node=False,
        at="27h",
        interval="20m",
    ),
    Case(
        "FleetUnlikeItsPast",
        ((STARTS, "0+40x504 20160+400x10"),),
        "job_starts of the fleet is 1.2k, unlike the last days and the same hour of last week",
        # More than on any of the last days, but as last week at this hour.
        ((STARTS, "0+40x2 80+400x6 2480+40x496 22320+400x10"),),
        labels={"signal": "job_starts", "scope": "fleet"},
        node=False,
        at="170h",
        interval="20m",
    ),
    Case(
        "GpuUnlikePeers",
        (*gpus("DCGM_FI_DEV_GPU_TEMP", 90, 60, 61, 62, 60, 61, 62, 61), *BUSY),
        BOARD + "is 7.832 spreads away from its peers in temperature",
        # Half of them are hot: another kind of work.
        (*gpus("DCGM_FI_DEV_GPU_TEMP", 90, 90, 90, 60), *BUSY),
        labels={"signal": "temperature"},
        gpu=True,
        at="60m",
        interval="1m",
    ),
    Case(
        "GpuUnlikePeers",
        (*gpus("DCGM_FI_DEV_GPU_TEMP_CELSIUS", 90, 60, 61, 62, 60, 61, 62, 61), *BUSY),
        BOARD + "is 7.832 spreads away from its peers in temperature",
        # Too few that work.
        (*gpus("DCGM_FI_DEV_GPU_TEMP_CELSIUS", 90, 60), *gpus("DCGM_FI_DEV_GPU_UTIL", 99, 99, 99, 99, 99, 99, 99, 50)),
        labels={"signal": "temperature"},
        gpu=True,
        at="60m",
        interval="1m",
    ),
    Case(
        "GpuUnlikePeers",
        (*gpus("DCGM_FI_PROF_PCIE_TX_BYTES", 1e9, 3e9), *gpus("DCGM_FI_PROF_PCIE_RX_BYTES", 0), *BUSY, *job(*NODES)),
        BOARD + "is -32.79 spreads away from its peers in pcie",
        # How much a GPU moves, and how fast it runs, depends on its job; these may be of many.
        (
            *gpus("DCGM_FI_PROF_PCIE_TX_BYTES", 1e9, 3e9),
            *gpus("DCGM_FI_PROF_PCIE_RX_BYTES", 0),
            *gpus("DCGM_FI_DEV_SM_CLOCK", 1500, 1980),
            *BUSY,
        ),
        labels={"signal": "pcie"},
        gpu=True,
        at="60m",
        interval="1m",
    ),
    Case(
        "NodeUnlikePeers",
        (*network(100, 1000, 1010, 990), *BUSY, *job(*NODES)),
        "n1: is -25.05 spreads below the other nodes of its job in node_network",
        # A node with work of its own.
        (*network(100, 1000, 1010, 990), *BUSY, *job("n2", "n3", "n4")),
        labels={"signal": "node_network"},
        at="60m",
        interval="1m",
    ),
    Case(
        "GpuSilentlySlow",
        (*gpus("DCGM_FI_DEV_SM_CLOCK", 1500, 1980), *gpus("DCGM_FI_DEV_POWER_USAGE", 500, 690), *BUSY, *job(*NODES)),
        BOARD + "is as busy as the others of its job, but below them in 2 ways",
        # In one way only: slower clocks alone may be what its cooling allows.
        (*gpus("DCGM_FI_DEV_SM_CLOCK", 1500, 1980), *gpus("DCGM_FI_DEV_POWER_USAGE", 690), *BUSY, *job(*NODES)),
        gpu=True,
        at="60m",
        interval="1m",
    ),
    Case(
        "GpuSilentlySlow",
        (
            *gpus("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.3, 0.5),
            *gpus("DCGM_FI_DEV_BOARD_POWER_WATTS", 500, 690),
            *BUSY,
            *job(*NODES),
        ),
        BOARD + "is as busy as the others of its job, but below them in 2 ways",
        # It waits for work.
        (
            *gpus("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.3, 0.5),
            *gpus("DCGM_FI_DEV_BOARD_POWER_WATTS", 500, 690),
            *gpus("DCGM_FI_DEV_GPU_UTIL", 40, 99),
            *job(*NODES),
        ),
        gpu=True,
        at="60m",
        interval="1m",
    ),
    Case(
        "NodeSilentlySlow",
        (
            *gpus("DCGM_FI_DEV_SM_CLOCK", 1500, 1500, 1980),
            *gpus("DCGM_FI_DEV_POWER_USAGE", 500, 500, 690),
            *BUSY,
            *job(*NODES),
        ),
        "n1: is as busy as the other nodes of its job, but below them in 2 ways",
        # The nodes differ, each in its own way.
        (
            *gpus("DCGM_FI_DEV_SM_CLOCK", 1950, 1960, 1970, 1980, 1965, 1975, 1940, 1985),
            *network(900, 1000, 950, 980),
            *BUSY,
            *job(*NODES),
        ),
        at="60m",
        interval="1m",
    ),
)
