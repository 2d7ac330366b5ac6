# The lines that we write for MIG instances, read by a real slurmd, and given to jobs by a real slurmctld.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from slurm_server import SlurmServer, SlurmServerError

from ansible_collections.aidc.ops.plugins.module_utils._hardware.slurm_lines import slurm_gres_lines, slurm_node_lines

GPU = {"device": "gpu0", "model": "NVIDIA H100 80GB HBM3"}
# GPU 0 is cut in two sorts of instances, GPU 1 is whole.
RECORD = {
    "node": "gpu1",
    "address": "127.0.0.1",
    "cpus": 4,
    "memory_mib": 1000,
    "gpus": [
        {
            **GPU,
            "index": 0,
            "minor_number": 0,
            "mig_mode": True,
            "mig_devices": [
                {"profile": "3g.40gb", "device_minors": [30, 31]},
                {"profile": "1g.10gb", "device_minors": [66, 67]},
                {"profile": "1g.10gb", "device_minors": [75, 76]},
            ],
        },
        {**GPU, "index": 1, "device": "gpu1", "minor_number": 1},
    ],
}


@pytest.fixture
def server(tmp_path: Path) -> t.Iterator[SlurmServer]:
    """One node with the lines of the record; files of a folder stand in for those of the driver."""
    made = SlurmServer(tmp_path / "slurm", 1, 1)
    devices = tmp_path / "dev"
    (devices / "nvidia-caps").mkdir(parents=True)
    lines = [line.replace("/dev/", f"{devices}/") for line in slurm_gres_lines([RECORD])]
    for name in re.findall(rf"{devices}/[\w/-]+", "\n".join(lines)):
        Path(name).touch()
    (made.folder / "gres.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (gres,) = re.findall(r" Gres=\S+", slurm_node_lines([RECORD])[0])
    config = made.folder / "slurm.conf"
    text = config.read_text(encoding="utf-8").replace(" RealMemory=1000", f" RealMemory=1000{gres}")
    config.write_text(f"GresTypes=gpu\n{text}", encoding="utf-8")
    with made:
        yield made


def runs(server: SlurmServer, gres: str) -> str:
    """Start a job with such instances; its number when it runs."""
    number = server.run("sbatch", "--parsable", "--output=/dev/null", f"--gres={gres}", "--wrap=sleep 600").strip()
    show = ("squeue", "--noheader", "--states=R", f"--jobs={number}")
    server.wait(lambda: server.run(*show).strip(), f"the job with {gres} runs", 20)
    return number


def test_instances_are_resources_of_their_own(server: SlurmServer) -> None:
    node = server.run("scontrol", "--oneliner", "show", "node", "gpu1")
    assert "State=IDLE" in node, "a slurmd that finds other files than its lines say makes its node invalid"
    assert re.search(r" Gres=(\S+)", node)[1].replace("(S:0)", "") == (  # type: ignore[index]
        "gpu:h100:1,gpu:h100_1g.10gb:2,gpu:h100_3g.40gb:1"
    )
    for gres in ("gpu:h100_1g.10gb:2", "gpu:h100_3g.40gb:1", "gpu:h100:1"):
        runs(server, gres)
    used = server.run("scontrol", "--oneliner", "show", "node", "gpu1", "--details")
    assert re.search(r"GresUsed=(\S+)", used)[1] == (  # type: ignore[index]
        "gpu:h100:1(IDX:0),gpu:h100_1g.10gb:2(IDX:1-2),gpu:h100_3g.40gb:1(IDX:3)"
    )
    with pytest.raises(SlurmServerError, match="Requested node configuration is not available"):
        server.run("sbatch", "--gres=gpu:h100_3g.40gb:2", "--wrap=true")
