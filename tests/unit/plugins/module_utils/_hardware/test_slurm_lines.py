# Tests of Slurm's node and GRES lines.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._hardware import slurm_lines


def gpus(*minors: int, model: str = "NVIDIA H100 80GB HBM3") -> list[dict[str, Any]]:
    return [{"index": minor, "model": model, "minor_number": minor, "error": None} for minor in minors]


def record(node: str = "gpu1", **values: Any) -> dict[str, Any]:
    return {"node": node, "address": "10.0.0.11", "cpus": 16, "memory_mib": 64000, "gpus": gpus(*range(8))} | values


@pytest.mark.parametrize(
    ("model", "short"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA GH200 480GB", "gh200"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA L40S", "l40s"),
        ("Tesla V100-SXM2-32GB", "v100"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx6000"),
        ("NVIDIA RTX A6000", "rtxa6000"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
    ],
)
def test_short_model(model: str, short: str) -> None:
    assert slurm_lines.short_model(model) == short


@pytest.mark.parametrize("model", ["", "NVIDIA", " - ", "NVIDIA Tesla"])
def test_model_without_a_name_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="GPU model"):
        slurm_lines.short_model(model)


def test_node_and_gres_line() -> None:
    assert slurm_lines.slurm_node_lines([record()]) == [
        "NodeName=gpu1 NodeAddr=10.0.0.11 CPUs=16 RealMemory=64000 Gres=gpu:h100:8 State=UNKNOWN"
    ]
    assert slurm_lines.slurm_gres_lines([record()]) == ["NodeName=gpu1 Name=gpu Type=h100 File=/dev/nvidia[0-7]"]


def test_lines_are_sorted_by_node() -> None:
    lines = slurm_lines.slurm_node_lines([record("b"), record("a")])
    assert [line.split()[0] for line in lines] == ["NodeName=a", "NodeName=b"]


def test_node_without_gpus_has_no_gres() -> None:
    assert "Gres" not in slurm_lines.slurm_node_lines([record(gpus=[])])[0]
    assert slurm_lines.slurm_gres_lines([record(gpus=[])]) == []


def test_two_models_in_one_node() -> None:
    mixed = record(gpus=gpus(0, 2, 3) + gpus(1, model="NVIDIA A100-SXM4-80GB"))
    assert "Gres=gpu:a100:1,gpu:h100:3" in slurm_lines.slurm_node_lines([mixed])[0]
    assert slurm_lines.slurm_gres_lines([mixed]) == [
        "NodeName=gpu1 Name=gpu Type=a100 File=/dev/nvidia1",
        "NodeName=gpu1 Name=gpu Type=h100 File=/dev/nvidia[0,2-3]",
    ]


def divided(minor: int, *devices: tuple[str | None, list[int] | None]) -> dict[str, Any]:
    (gpu,) = gpus(minor)
    rows = [{"profile": profile, "device_minors": minors} for profile, minors in devices]
    return {**gpu, "mig_mode": True, "mig_devices": rows}


def test_gpus_that_mig_has_cut() -> None:
    cut = [divided(1, ("3g.40gb", [156, 157]), ("1g.10gb", [201, 202]), ("1g.10gb", [210, 211]))]
    node = record(gpus=[*gpus(0, 2), *cut])
    (line,) = slurm_lines.slurm_node_lines([node])
    assert "Gres=gpu:h100:2,gpu:h100_1g.10gb:2,gpu:h100_3g.40gb:1 " in line
    caps = "/dev/nvidia1,/dev/nvidia-caps/nvidia-cap"
    assert slurm_lines.slurm_gres_lines([node]) == [
        "NodeName=gpu1 Name=gpu Type=h100 File=/dev/nvidia[0,2]",
        f"NodeName=gpu1 Name=gpu Type=h100_1g.10gb MultipleFiles={caps}201,/dev/nvidia-caps/nvidia-cap202",
        f"NodeName=gpu1 Name=gpu Type=h100_1g.10gb MultipleFiles={caps}210,/dev/nvidia-caps/nvidia-cap211",
        f"NodeName=gpu1 Name=gpu Type=h100_3g.40gb MultipleFiles={caps}156,/dev/nvidia-caps/nvidia-cap157",
    ]


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        ([], "node gpu1: GPU 1 is in MIG mode and has no instance"),
        ([("1g.10gb", None)], "GPU 1 does not tell profile and files of its MIG instances"),
        ([(None, [1, 2])], "GPU 1 does not tell profile and files of its MIG instances"),
        ([("1g.10gb x", [1, 2])], "GPU 1 does not tell profile and files of its MIG instances"),
    ],
)
def test_a_gpu_in_mig_mode_is_never_written_as_whole(devices: list[Any], told: str) -> None:
    for lines in (slurm_lines.slurm_node_lines, slurm_lines.slurm_gres_lines):
        with pytest.raises(ValueError, match=told):
            lines([record(gpus=[*gpus(0), divided(1, *devices)])])


def test_the_record_of_a_gpu_that_mig_has_cut() -> None:
    device = {
        "uuid": "MIG-1",
        "profile": "1g.10gb",
        "gpu_instance": 7,
        "compute_instance": 0,
        "device_minors": [66, 67],
    }
    hardware = {
        "cpus": [{"cores": 8, "threads": 16}],
        "memory": {"total_bytes": 2**36},
        "gpus": [
            {**gpus(0)[0], "mig_mode": False, "mig_devices": []},
            {**gpus(1)[0], "mig_mode": True, "mig_devices": [device]},
        ],
    }
    whole, cut = slurm_lines.slurm_record(hardware, "gpu1", "10.0.0.11")["gpus"]
    assert not {"mig_mode", "mig_devices"} & set(whole)
    assert (cut["mig_mode"], cut["mig_devices"]) == (True, [{"profile": "1g.10gb", "device_minors": [66, 67]}])


@given(st.sets(st.integers(0, 200), min_size=1))
def test_device_files_name_each_gpu_once(minors: set[int]) -> None:
    line = slurm_lines.slurm_gres_lines([record(gpus=gpus(*minors))])[0]
    text = line.rpartition("/dev/nvidia")[2].strip("[]")
    numbers = []
    for part in text.split(","):
        first, _hyphen, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    assert numbers == sorted(minors)


def test_overrides_add_replace_and_leave_out() -> None:
    line = slurm_lines.slurm_node_lines(
        [record(), record("gpu2")], {"gpu1": {"CPUs": 8, "Weight": 10, "State": None, "Feature": "a,b"}}
    )[0]
    assert line == "NodeName=gpu1 NodeAddr=10.0.0.11 CPUs=8 RealMemory=64000 Gres=gpu:h100:8 Weight=10 Feature=a,b"


@pytest.mark.parametrize(
    "overrides",
    [
        {"gpu9": {"CPUs": 8}},
        {"gpu1": {"NodeName": "other"}},
        {"gpu1": {"CPUs": "8 State=DOWN"}},
        {"gpu1": {"CPUs": "8\nNodeName=evil"}},
        {"gpu1": {"Bad Key": 1}},
        {"gpu1": {"Comment": 'a"b'}},
        {"gpu1": {"Comment": "a#b"}},
    ],
)
def test_override_that_would_break_the_file_is_refused(overrides: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"gpu1|gpu9"):
        slurm_lines.slurm_node_lines([record()], overrides)


@pytest.mark.parametrize(
    "values",
    [
        {"node": ""},
        {"node": None},
        {"node": "gpu1 State=DOWN"},
        {"node": "gpu1\n"},
        {"node": "gpu[1-4]"},
        {"node": "{{ x }}"},
        {"address": "10.0.0.1 State=DOWN"},
        {"address": None},
        {"cpus": 0},
        {"cpus": "16"},
        {"cpus": True},
        {"memory_mib": -1},
        {"memory_mib": 1.5},
        {"gpus": None},
    ],
)
def test_malformed_record_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"node|records"):
        slurm_lines.slurm_node_lines([record(**values)])


@pytest.mark.parametrize("records", ["gpu1", {"node": "gpu1"}, None, 3, [1]])
def test_records_that_are_no_list_are_refused(records: Any) -> None:
    with pytest.raises(ValueError, match="record"):
        slurm_lines.slurm_gres_lines(records)


def test_same_node_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="gpu1 appears twice"):
        slurm_lines.slurm_node_lines([record(), record()])


@pytest.mark.parametrize("broken", [{"minor_number": None}, {"model": None}, {"minor_number": "1"}])
def test_gpu_that_does_not_tell_what_it_is_never_shrinks_the_node(broken: dict[str, Any]) -> None:
    sick = gpus(0, 1)
    sick[1].update(broken, error="GPU is lost")
    for make in (slurm_lines.slurm_node_lines, slurm_lines.slurm_gres_lines):
        with pytest.raises(ValueError, match="GPU is lost"):
            make([record(gpus=sick)])


def test_two_gpus_with_one_device_file_are_refused() -> None:
    twice = gpus(0, 1) + gpus(1, model="NVIDIA A100-SXM4-80GB")
    with pytest.raises(ValueError, match="two GPUs claim /dev/nvidia1"):
        slurm_lines.slurm_gres_lines([record(gpus=twice)])


# hardware records


HARDWARE = {
    "cpus": [{"socket": number, "cores": 56, "threads": 112} for number in range(2)],
    "memory": {"total_bytes": 2164146941952},
    "gpus": [{**gpu, "lost": False, "temperature_celsius": 40, "uuid": "u"} for gpu in gpus(0, 1)],
}


def test_a_hardware_record_becomes_what_the_lines_need() -> None:
    made = slurm_lines.slurm_record(HARDWARE, "gpu1", "10.0.0.11")
    assert made["topology"] == {"SocketsPerBoard": 2, "CoresPerSocket": 56, "ThreadsPerCore": 2}
    assert slurm_lines.slurm_node_lines([made]) == [
        "NodeName=gpu1 NodeAddr=10.0.0.11 CPUs=224 RealMemory=2063360 Gres=gpu:h100:2 State=UNKNOWN"
    ]
    assert made["memory_mib"] % 1024 == 0
    assert "temperature_celsius" not in made["gpus"][0], "what changes by itself is no part of it"


@pytest.mark.parametrize(
    ("cpus", "topology", "count"),
    [
        ([(8, 16)], {"SocketsPerBoard": 1, "CoresPerSocket": 8, "ThreadsPerCore": 2}, 16),
        ([(72, 72)] * 2, {"SocketsPerBoard": 2, "CoresPerSocket": 72, "ThreadsPerCore": 1}, 144),
        ([(8, 16), (7, 14)], {}, 30),
        ([(8, 12)], {}, 12),
    ],
)
def test_sockets_that_are_not_alike_have_no_topology(cpus: list[tuple[int, int]], topology: Any, count: int) -> None:
    made = slurm_lines.slurm_record({**HARDWARE, "cpus": [{"cores": c, "threads": t} for c, t in cpus]}, "a", "b")
    assert (made["topology"], made["cpus"]) == (topology, count)


def test_a_small_memory_is_not_rounded_to_nothing() -> None:
    made = slurm_lines.slurm_record({**HARDWARE, "memory": {"total_bytes": 512 * 1024 * 1024}}, "a", "b")
    assert made["memory_mib"] == 512


@pytest.mark.parametrize("broken", [{"lost": True}, {"model": None}, {"minor_number": None}])
def test_a_gpu_that_cannot_be_used_is_left_out(broken: dict[str, Any]) -> None:
    sick = [{**HARDWARE["gpus"][0], **broken}, HARDWARE["gpus"][1]]  # type: ignore[dict-item, index]
    made = slurm_lines.slurm_record({**HARDWARE, "gpus": sick}, "a", "b")
    assert [gpu["minor_number"] for gpu in made["gpus"]] == [1]


@pytest.mark.parametrize("gpus_found", [[], None])
def test_a_node_without_gpus(gpus_found: Any) -> None:
    assert slurm_lines.slurm_record({**HARDWARE, "gpus": gpus_found}, "a", "b")["gpus"] == []


@pytest.mark.parametrize(
    "broken",
    [
        {"cpus": None},
        {"cpus": []},
        {"cpus": [{"cores": None, "threads": 8}]},
        {"cpus": [{"cores": 0, "threads": 8}]},
        {"memory": None},
        {"memory": {"total_bytes": None}},
    ],
)
def test_what_the_record_does_not_tell_is_an_error_that_names_the_node(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="node gpu1: the hardware record does not tell the"):
        slurm_lines.slurm_record({**HARDWARE, **broken}, "gpu1", "b")
