# Tests of what the role slurm writes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import configparser
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from render import ROOT, load_variables, render

ROLE = ROOT / "roles" / "slurm"
BOOKWORM = load_variables(ROLE / "vars" / "Debian_12.yml")
TRIXIE = load_variables(ROLE / "vars" / "Debian_13.yml")
CLUSTER: dict[str, Any] = {
    "slurm_controller": "ctl",
    "slurm_functions": ["controller", "database", "rest"],
    "slurm_nodes": ["gpu1", "gpu2"],
    "hostvars": {"ctl": {"ansible_host": "192.0.2.10", "ansible_facts": {"hostname": "ctl-a"}}, "gpu1": {}, "gpu2": {}},
    "ansible_facts": {"hostname": "ctl-a"},
}


def gpu(minor: int, model: str = "NVIDIA H100 80GB HBM3", **more: Any) -> dict[str, Any]:
    """One GPU as a record has it."""
    return {
        "index": minor,
        "device": f"gpu:0000:{minor:02x}:00",
        "model": model,
        "serial": "1",
        "uuid": "u",
        "minor_number": minor,
    } | more


def record(node: str, gpus: list[dict[str, Any]], cpus: int = 224, memory_mib: int = 2048000) -> dict[str, Any]:
    """What the controller keeps of one node."""
    topology = {"SocketsPerBoard": 2, "CoresPerSocket": cpus // 4, "ThreadsPerCore": 2}
    return {
        "node": node,
        "address": f"{node}.example",
        "cpus": cpus,
        "memory_mib": memory_mib,
        "topology": topology,
        "gpus": gpus,
    }


RECORDS = [
    record("gpu1", [gpu(number) for number in range(8)]),
    record("gpu2", [gpu(number, "NVIDIA A100-SXM4-80GB") for number in range(8)], cpus=64, memory_mib=1024000),
]


def lines(template: str, **variables: Any) -> list[str]:
    """The lines of a rendered file without comments and empty ones."""
    text = render("slurm", template, **({**CLUSTER, **BOOKWORM, "__slurm_records": RECORDS} | variables))
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def options(template: str, **variables: Any) -> dict[str, str]:
    pairs = [line.partition("=")[::2] for line in lines(template, **variables) if "=" in line]
    assert len(dict(pairs)) == len(pairs), "an option is set twice"
    return dict(pairs)


# nodes.conf, gres.conf


def test_nodes_are_what_was_found_in_them() -> None:
    assert lines("nodes.conf.j2") == [
        "NodeName=gpu1 NodeAddr=gpu1.example CPUs=224 RealMemory=2048000 Gres=gpu:h100:8 State=UNKNOWN "
        "SocketsPerBoard=2 CoresPerSocket=56 ThreadsPerCore=2",
        "NodeName=gpu2 NodeAddr=gpu2.example CPUs=64 RealMemory=1024000 Gres=gpu:a100:8 State=UNKNOWN "
        "SocketsPerBoard=2 CoresPerSocket=16 ThreadsPerCore=2",
    ]


def test_overridden_processors_do_not_keep_the_measured_topology() -> None:
    made = lines(
        "nodes.conf.j2", slurm_node_overrides={"gpu1": {"CPUs": 16, "RealMemory": 64000}, "gpu2": {"Weight": 10}}
    )
    assert made[0] == "NodeName=gpu1 NodeAddr=gpu1.example CPUs=16 RealMemory=64000 Gres=gpu:h100:8 State=UNKNOWN"
    assert made[1].endswith("SocketsPerBoard=2 CoresPerSocket=16 ThreadsPerCore=2 Weight=10")


def test_gpus_are_named_by_type_and_device_file() -> None:
    assert lines("gres.conf.j2") == [
        "NodeName=gpu1 Name=gpu Type=h100 File=/dev/nvidia[0-7]",
        "NodeName=gpu2 Name=gpu Type=a100 File=/dev/nvidia[0-7]",
    ]


def test_a_node_without_gpus_has_no_gpu_line() -> None:
    records = [record("cpu1", [])]
    assert lines("gres.conf.j2", __slurm_records=records) == []
    assert "Gres=" not in lines("nodes.conf.j2", __slurm_records=records)[0]


def test_a_gpu_that_does_not_tell_its_model_is_an_error() -> None:
    with pytest.raises(AnsibleError, match="gpu1"):
        lines("gres.conf.j2", __slurm_records=[record("gpu1", [gpu(0, model=None)])])


@pytest.mark.parametrize("name", ["gpu1\nNodeName=evil", "", "-"])
def test_a_hostile_node_name_is_an_error(name: str) -> None:
    with pytest.raises(AnsibleError):
        lines("nodes.conf.j2", __slurm_records=[record(name, [gpu(0)])])


# the records


def kept(*found: str) -> dict[str, Any]:
    """What the task that reads the kept records registers."""
    return {"__slurm_kept_files": {"stdout_lines": list(found)}}


def node_lines(**variables: Any) -> list[str]:
    """nodes.conf from the records that the role itself puts together."""
    text = render("slurm", "nodes.conf.j2", **({**CLUSTER, **BOOKWORM} | variables))
    return [line for line in text.splitlines() if line.startswith("NodeName=")]


def test_kept_records_are_used_when_a_node_is_not_in_the_run() -> None:
    found = {**CLUSTER["hostvars"], "gpu1": {"__slurm_record": RECORDS[0]}}
    outdated = record("gpu1", [], cpus=4)
    made = node_lines(hostvars=found, **kept(*map(json.dumps, [outdated, RECORDS[1], record("old", [])])))
    assert [line.split()[0] for line in made] == ["NodeName=gpu1", "NodeName=gpu2"], (
        "a host that left slurm_nodes is gone"
    )
    assert "CPUs=224" in made[0], "what this run found comes before what was kept"


def test_a_broken_record_is_an_error() -> None:
    with pytest.raises(AnsibleError):
        node_lines(**kept('{"node": "gpu1", "cp'))


# what a hardware record becomes


HARDWARE = json.loads((ROOT / "tests/unit/fixtures/hardware_record/node.json").read_text(encoding="utf-8"))


def value(expression: str, hardware: Any, **variables: Any) -> Any:
    """What an expression over the role's variables gives on gpu1 after its hardware was collected."""
    names: dict[str, Any] = {"ansible_check_mode": False, "inventory_hostname": "gpu1", "ansible_host": "192.0.2.21"}
    for source in ("defaults/main.yml", "vars/main.yml"):
        names.update(load_variables(ROLE / source))
    names.update({**CLUSTER, "__slurm_hardware": hardware, "__slurm_kept_files": {"stdout_lines": []}} | variables)
    return Templar(DataLoader(), variables=names).template(trust_as_template("{{ " + expression + " }}"))


def found(**changes: Any) -> dict[str, Any]:
    return {"record": {**HARDWARE, **changes}}


def test_processors_memory_and_gpus_come_from_one_record() -> None:
    made = value("__slurm_measured", found())
    assert {key: made[key] for key in ("node", "address", "cpus", "memory_mib")} == {
        "node": "gpu1",
        "address": "192.0.2.21",
        "cpus": 224,
        "memory_mib": 2063360,
    }
    assert made["topology"] == {"SocketsPerBoard": 2, "CoresPerSocket": 56, "ThreadsPerCore": 2}
    assert [one["minor_number"] for one in value("__slurm_good_gpus", found())] == [0, 1]
    assert value("__slurm_keep_gpus", found()) is False
    assert value("__slurm_left_out", found()) is False


@pytest.mark.parametrize(
    "lost", [[{**HARDWARE["gpus"][0], "lost": True}, HARDWARE["gpus"][1]], [HARDWARE["gpus"][0]], []]
)
def test_a_lost_gpu_does_not_shrink_a_known_node(lost: list[Any]) -> None:
    known = kept(json.dumps(record("gpu1", [gpu(0), gpu(1)])))
    assert value("__slurm_keep_gpus", found(gpus=lost), **known) is True
    assert value("__slurm_keep_gpus", found(gpus=lost), slurm_accept_fewer_gpus=True, **known) is False
    assert value("__slurm_is_new", found(gpus=lost), **known) is False


def test_a_known_node_that_cannot_tell_anything_keeps_its_record() -> None:
    known = kept(json.dumps(RECORDS[0]))
    assert value("__slurm_measured", {"msg": "no such interpreter"}, **known) == RECORDS[0]
    assert value("__slurm_keep_gpus", {"msg": "no such interpreter"}, **known) is True


@pytest.mark.parametrize(
    ("hardware", "complaint"),
    [
        ({"msg": "no such interpreter"}, "no such interpreter"),
        (found(gpus=[], problems=[]), "no GPU was found"),
        (
            found(gpus=None, problems=[{"part": "gpus", "device": None, "message": "version mismatch"}]),
            "version mismatch",
        ),
    ],
)
def test_a_new_node_whose_gpus_cannot_be_told_is_left_out_of_a_check_and_refused_otherwise(
    hardware: dict[str, Any], complaint: str
) -> None:
    assert value("__slurm_complaint", hardware) == complaint
    assert value("__slurm_is_new", hardware) is True
    assert value("__slurm_left_out", hardware, ansible_check_mode=True) is True
    assert value("__slurm_left_out", hardware) is False
    assert value("__slurm_seen_gpus", hardware) == []


def test_a_host_without_gpus_needs_none() -> None:
    bare = found(gpus=None, problems=[])
    assert value("__slurm_left_out", bare, ansible_check_mode=True, slurm_discover_gpus=False) is False
    assert value("__slurm_good_gpus", found(), slurm_discover_gpus=False) == []


def test_a_record_without_processors_is_an_error() -> None:
    with pytest.raises(AnsibleError, match="does not tell the processors"):
        value("__slurm_measured", found(cpus=None))


# slurm.conf, partitions.conf, cgroup.conf


def test_cluster_options() -> None:
    made = options("slurm.conf.j2")
    assert made["SlurmctldHost"] == "ctl-a(192.0.2.10)", "Slurm compares the name with the host's own"
    assert made["AccountingStorageHost"] == "192.0.2.10"
    assert made["AccountingStorageTRES"] == "gres/gpu"
    assert made["ProctrackType"] == "proctrack/cgroup"
    assert made["DefMemPerCPU"] == str(2048000 // 224), "the smallest share of all nodes"
    assert "SlurmdParameters" not in made
    assert lines("slurm.conf.j2")[-2:] == ["Include nodes.conf", "Include partitions.conf"]


def test_overrides_make_slurm_believe_the_configuration() -> None:
    made = options("slurm.conf.j2", slurm_node_overrides={"gpu1": {"CPUs": 16, "RealMemory": 64000}})
    assert made["SlurmdParameters"] == "config_overrides"
    assert made["DefMemPerCPU"] == "4000"


def test_options_of_the_user_win() -> None:
    made = options("slurm.conf.j2", slurm_options={"ReturnToService": 0, "DefMemPerCPU": 100, "SlurmdTimeout": 120})
    assert (made["ReturnToService"], made["DefMemPerCPU"], made["SlurmdTimeout"]) == ("0", "100", "120")


def test_linuxproc_needs_no_control_groups() -> None:
    made = options("slurm.conf.j2", slurm_process_tracking="linuxproc")
    assert "cgroup" not in " ".join(made.values())


def test_slurm_of_debian_13_writes_its_process_ids_where_its_user_may() -> None:
    assert options("slurm.conf.j2", **TRIXIE)["SlurmctldPidFile"] == "/run/slurmctld/slurmctld.pid"


def test_control_groups_confine_gpus() -> None:
    assert options("cgroup.conf.j2")["ConstrainDevices"] == "yes"


def test_default_partition_has_all_nodes() -> None:
    assert lines("partitions.conf.j2") == ["PartitionName=gpu Nodes=ALL Default=YES MaxTime=UNLIMITED State=UP"]


def test_partitions_take_options() -> None:
    partitions = [
        {"name": "a", "nodes": ["gpu1", "gpu2"], "options": {"MaxTime": "1-00:00:00", "QOS": "x"}},
        {"name": "b", "default": True},
    ]
    assert lines("partitions.conf.j2", slurm_partitions=partitions) == [
        "PartitionName=a Nodes=gpu1,gpu2 Default=NO MaxTime=1-00:00:00 State=UP QOS=x",
        "PartitionName=b Nodes=ALL Default=YES MaxTime=UNLIMITED State=UP",
    ]


# accounting


def test_accounting_daemon() -> None:
    made = options("slurmdbd.conf.j2", slurm_database_password="given", slurm_database_address="192.0.2.11")
    assert made["StoragePass"] == "given"
    assert (made["DbdHost"], made["DbdAddr"]) == ("ctl-a", "192.0.2.11")


def test_kept_password_is_used_when_none_is_given() -> None:
    assert options("slurmdbd.conf.j2", __slurm_database_secret={"content": "a2VwdA=="})["StoragePass"] == "kept"


def test_database_listens_on_the_host_only() -> None:
    made = options("mariadb.cnf.j2", slurm_database_buffer_pool_mib=64)
    assert (made["bind-address"], made["innodb_buffer_pool_size"]) == ("127.0.0.1", "64M")


def test_a_password_cannot_end_the_statement() -> None:
    made = render(
        "slurm",
        "database.sql.j2",
        **CLUSTER,
        slurm_database_password="a'; DROP DATABASE x; -- \\",
        slurm_database_user="s'u",
    )
    assert "IDENTIFIED BY 'a''; DROP DATABASE x; -- \\\\'" in made
    assert "'s''u'@'localhost'" in made


# units


@pytest.mark.parametrize(
    "unit", ["slurmctld.service.j2", "slurmdbd.service.j2", "slurmd.service.j2", "slurmrestd.service.j2"]
)
def test_daemons_come_back_by_themselves(unit: str) -> None:
    assert _unit(render("slurm", unit, **CLUSTER, **BOOKWORM))["Service"]["Restart"] == ["on-failure"]


@pytest.mark.parametrize(
    ("release", "plugins"),
    [
        (BOOKWORM, "-s openapi/v0.0.38,openapi/dbv0.0.38"),
        (TRIXIE, "-s openapi/slurmctld,openapi/slurmdbd -d v0.0.41"),
    ],
)
def test_rest_service_takes_tokens_only_and_has_no_rights(release: dict[str, Any], plugins: str) -> None:
    service = _unit(render("slurm", "slurmrestd.service.j2", **CLUSTER, **release, slurm_rest_port=6899))["Service"]
    assert service["ExecStart"] == ["", f"/usr/sbin/slurmrestd -a rest_auth/jwt {plugins} 127.0.0.1:6899"]
    assert (service["User"], service["Environment"]) == (["slurmrestd"], ["SLURM_JWT=daemon"])


def test_slurmd_reports_as_the_inventory_name() -> None:
    assert lines("slurmd.default.j2", inventory_hostname="gpu7") == ['SLURMD_OPTIONS="-N gpu7"']


def _unit(text: str) -> dict[str, dict[str, list[str]]]:
    """Sections of a unit file; a key that comes twice keeps both values."""

    class Both(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            if isinstance(value, list) and key in self:
                self[key].extend(value)
            else:
                super().__setitem__(key, value)

    parser = configparser.RawConfigParser(strict=False, dict_type=Both)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return {name: {key: str(value).split("\n") for key, value in parser.items(name)} for name in parser.sections()}


# the checker


def run_checker(tmp_path: Path, *arguments: str, program: str, answer: str) -> subprocess.CompletedProcess[str]:
    """Run the checker with a stand-in for one of Slurm's programs."""
    stand_in = tmp_path / "bin" / program
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text(f"#!/bin/sh\n{answer}\n")
    stand_in.chmod(0o755)
    path = f"{stand_in.parent}:/usr/bin:/bin"
    command = ["sh", str(ROLE / "files" / "slurm-config-check"), *arguments]
    return subprocess.run(
        command, env={"PATH": path, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )


def test_checker_shows_a_new_file_beside_the_others_and_cleans_up(tmp_path: Path) -> None:
    candidate = tmp_path / "new"
    candidate.write_text("NodeName=gpu9\n")
    done = run_checker(
        tmp_path,
        "nodes.conf",
        str(candidate),
        program="scontrol",
        answer='cat "$(dirname "$SLURM_CONF")/nodes.conf" "$SLURM_CONF"',
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("NodeName=gpu9\nClusterName=check\n")
    assert "Include nodes.conf" in done.stdout
    assert sorted(os.listdir(tmp_path)) == ["bin", "new"]


def test_checker_passes_a_refusal_on(tmp_path: Path) -> None:
    candidate = tmp_path / "new"
    candidate.write_text("Nonsense\n")
    done = run_checker(
        tmp_path, "slurm.conf", str(candidate), program="scontrol", answer="echo 'unknown key' >&2; exit 1"
    )
    assert (done.returncode, done.stderr) == (1, "unknown key\n")


def test_checker_looks_for_the_gpus_of_this_node(tmp_path: Path) -> None:
    candidate = tmp_path / "new"
    candidate.write_text("Name=gpu\n")
    answer = 'echo "$@" >&2; test -f "$(dirname "$SLURM_CONF")/gres.conf"; grep ^Auth "$SLURM_CONF" >&2'
    done = run_checker(tmp_path, "gres.conf", str(candidate), "gpu1", program="slurmd", answer=answer)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("-G -N gpu1 -f ")
    assert done.stderr.endswith("AuthType=auth/none\n"), "no running munge is needed"
