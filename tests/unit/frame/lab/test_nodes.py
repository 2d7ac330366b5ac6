# Tests of molecule/shared/nodes.py and disks.py: what is kept, replaced, removed. No container is started.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nodes
import pytest
import spec
from host import HostError

PLATFORMS: list[dict[str, Any]] = [{"name": "ctl", "controller": True}, {"name": "gpu1", "gpus": 2, "gpu_model": "M"}]


@pytest.fixture
def fleet(host, tmp_path: Path) -> nodes.Nodes:
    host.on("podman network inspect aidc-t", json.dumps([{"subnets": [{"subnet": "10.1.2.0/24"}]}]))
    host.on("podman network inspect other", json.dumps([{"subnets": [{"subnet": "10.213.0.0/24"}]}]))
    host.on("podman network ls", "other\n")
    host.on("podman image inspect", "sha256:i\n")
    host.on("ip -j route", "[]")
    for name in ("ctl", "gpu1"):
        host.on(f"podman exec aidc-t-{name} sh -c systemctl", f"ssh-ed25519 KEY{name} root@{name}\n")
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh" / "id_ed25519.pub").write_text("ssh-ed25519 OWN lab\n")
    return nodes.Nodes("t", host, tmp_path, {})


def there(fleet: nodes.Nodes, *containers: tuple[str, str, str, str]) -> None:
    """Let containers exist: name, state, digest, address."""
    fleet.host.on("podman ps", "".join(f"{name}\n" for name, *_rest in containers))
    found = [
        {
            "Name": name,
            "State": {"Status": state},
            "Config": {"Labels": {"aidc.ops.node": digest}},
            "NetworkSettings": {"Networks": {"aidc-t": {"IPAddress": address}}},
        }
        for name, state, digest, address in containers
    ]
    fleet.host.on("podman container inspect", json.dumps(found))


def as_wished(fleet: nodes.Nodes, name: str, state: str = "running") -> tuple[str, str, str, str]:
    """The container of a platform as it should be, by now in another state maybe."""
    hosts = {"ctl": "10.1.2.11", "gpu1": "10.1.2.12"}
    node = next(node for node in spec.nodes(PLATFORMS) if node.name == name)
    chosen = nodes.options("t", node, hosts, fleet.cache / "wheels")
    return f"aidc-t-{name}", state, nodes.digest(chosen, node, "sha256:i"), hosts[name]


def started(fleet: nodes.Nodes, word: str) -> list[str]:
    return [command for command in fleet.host.commands if command.startswith(f"podman {word} ")]


def test_missing_nodes_are_created_with_fixed_addresses(fleet: nodes.Nodes) -> None:
    result = fleet.up(PLATFORMS)
    assert result["changed"]
    assert result["nodes"]["gpu1"] == {"container": "aidc-t-gpu1", "address": "10.1.2.12", "state": "created"}
    gpu = next(command for command in started(fleet, "create") if "--name=aidc-t-gpu1" in command)
    assert "--device=/dev/null:/dev/nvidia0 --device=/dev/null:/dev/nvidia1" in gpu
    assert "--add-host=ctl:10.1.2.11" in gpu
    assert "--restart=always" in gpu
    assert "--privileged" not in gpu


def test_every_node_lets_this_machine_in_even_if_an_earlier_run_was_interrupted(fleet: nodes.Nodes) -> None:
    there(fleet, as_wished(fleet, "ctl"), as_wished(fleet, "gpu1"))
    fleet.up(PLATFORMS)
    admitted = [command for command in fleet.host.commands if "authorized_keys" in command and " -i " in command]
    assert {command.split()[3] for command in admitted} == {"aidc-t-ctl", "aidc-t-gpu1"}


def test_half_a_key_of_an_interrupted_run_is_made_anew(host, tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh" / "id_ed25519").write_text("half")
    with pytest.raises(FileNotFoundError):  # the stand-in makes no file
        nodes.access.own_key(host, tmp_path)
    assert not (tmp_path / "ssh" / "id_ed25519").exists()
    assert [command.split()[0] for command in host.commands] == ["ssh-keygen"]


def test_a_new_network_avoids_the_ranges_of_others(fleet: nodes.Nodes, failed: HostError) -> None:
    fleet.host.on("podman network exists", failed)
    fleet.up(PLATFORMS)
    assert started(fleet, "network create") == ["podman network create --subnet 10.213.7.0/24 aidc-t"]


def test_nodes_as_they_should_be_are_kept(fleet: nodes.Nodes) -> None:
    fleet.up(PLATFORMS)
    known = "ctl,10.1.2.11 ssh-ed25519 KEYctl\ngpu1,10.1.2.12 ssh-ed25519 KEYgpu1\n"
    for node in spec.nodes(PLATFORMS):
        stamp = nodes.simulator.wanted_stamp(node, fleet.cache / "gpusim" / "root")
        ready = f"podman exec aidc-t-{node.name} sh -c systemctl"
        fleet.host.on(ready, f"ssh-ed25519 KEY{node.name} root@{node.name}\n{stamp}\n")
    fleet.host.on("podman exec aidc-t-ctl sh -c cat /etc/ssh/ssh_known_hosts", known)
    there(fleet, as_wished(fleet, "ctl"), as_wished(fleet, "gpu1"))
    fleet.host.commands.clear()
    result = fleet.up(PLATFORMS)
    assert not result["changed"]
    assert not [command for word in ("create", "rm", "start", "cp") for command in started(fleet, word)]


@pytest.mark.parametrize(("field", "value"), [(1, "paused"), (1, "created"), (2, "other"), (2, "")])
def test_a_node_that_differs_is_replaced(fleet: nodes.Nodes, field: int, value: str) -> None:
    found = list(as_wished(fleet, "ctl"))
    found[field] = value
    there(fleet, (found[0], found[1], found[2], found[3]), as_wished(fleet, "gpu1"))
    result = fleet.up(PLATFORMS)
    assert result["nodes"]["ctl"]["state"] == "created"
    assert result["nodes"]["gpu1"]["state"] == "kept"
    assert started(fleet, "rm") == ["podman rm --force --volumes --time 3 aidc-t-ctl"]


def test_a_node_that_was_stopped_is_started(fleet: nodes.Nodes) -> None:
    there(fleet, as_wished(fleet, "ctl", "exited"), as_wished(fleet, "gpu1"))
    assert fleet.up(PLATFORMS)["nodes"]["ctl"]["state"] == "started"
    assert started(fleet, "start") == ["podman start aidc-t-ctl"]


def test_a_node_that_left_the_platforms_is_removed(fleet: nodes.Nodes) -> None:
    there(fleet, as_wished(fleet, "ctl"), as_wished(fleet, "gpu1"), ("aidc-t-gone", "running", "x", "10.1.2.99"))
    assert fleet.up(PLATFORMS)["changed"]
    assert started(fleet, "rm") == ["podman rm --force --volumes --time 3 aidc-t-gone"]


def test_a_new_host_key_connects_the_controller_again(fleet: nodes.Nodes) -> None:
    there(fleet, as_wished(fleet, "ctl"), as_wished(fleet, "gpu1"))
    fleet.host.on("podman exec aidc-t-ctl sh -c cat /etc/ssh/ssh_known_hosts", "ctl,10.1.2.11 ssh-ed25519 OLD\n")
    fleet.up(PLATFORMS)
    assert "podman exec -i aidc-t-ctl tee /etc/ssh/ssh_known_hosts" in fleet.host.commands


def test_a_node_that_does_not_boot_is_named_with_where_to_look(
    fleet: nodes.Nodes, failed: HostError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "BOOT_DEADLINE", 0.0)
    fleet.host.on("podman exec aidc-t-gpu1 sh -c systemctl", failed)
    with pytest.raises(HostError, match=r"gpu1 did not boot.*podman exec aidc-t-gpu1 journalctl"):
        fleet._ready("gpu1")


def test_down_removes_only_its_own_and_may_be_repeated(fleet: nodes.Nodes, failed: HostError, tmp_path: Path) -> None:
    folder = tmp_path / "disks" / "t"
    folder.mkdir(parents=True)
    (folder / "store1-vdb.img").touch()
    there(fleet, as_wished(fleet, "ctl"))
    fleet.host.on("losetup --associated", "/dev/loop9\n")
    result = fleet.down()
    assert result == {"changed": True, "containers": ["aidc-t-ctl"], "drives": ["store1-vdb.img"]}
    assert "losetup --detach /dev/loop9" in fleet.host.commands
    assert not folder.exists()
    fleet.host.on("podman ps", "")
    fleet.host.on("podman network exists", failed)
    assert fleet.down() == {"changed": False, "containers": [], "drives": []}


def test_down_asks_again_about_containers_that_were_just_ending(fleet: nodes.Nodes, failed: HostError) -> None:
    there(fleet, as_wished(fleet, "ctl"), as_wished(fleet, "gpu1"))
    fleet.host.on("podman rm", failed)
    with pytest.raises(HostError):
        fleet.down()
    assert len(started(fleet, "rm")) == 2


def test_a_drive_is_made_sparse_and_attached_once(fleet: nodes.Nodes, tmp_path: Path) -> None:
    (node,) = spec.nodes([{"name": "s", "disks": [{"name": "vdb", "size": "512M"}]}])
    fleet.host.on("losetup --associated", "")
    fleet.host.on("losetup --find", "/dev/loop3\n")
    assert nodes.disks.attach(fleet.host, tmp_path, node) == {"vdb": "/dev/loop3"}
    assert (tmp_path / "s-vdb.img").stat().st_size == 512 << 20
    assert (tmp_path / "s-vdb.img").stat().st_blocks == 0
    fleet.host.on("losetup --associated", "/dev/loop3\n")
    fleet.host.commands.clear()
    assert nodes.disks.attach(fleet.host, tmp_path, node) == {"vdb": "/dev/loop3"}
    assert not any("--find" in command for command in fleet.host.commands)


def test_drives_need_root_and_a_scenario_without_any_does_not() -> None:
    plain = spec.nodes([{"name": "ctl"}])
    drives = spec.nodes([{"name": "ctl"}, {"name": "s", "disks": [{"name": "vdb", "size": "512M"}]}])
    nodes.disks.check_rights(plain, uid=1000)
    nodes.disks.check_rights(drives, uid=0)
    with pytest.raises(HostError, match=r"drives of s are loop devices.*as root"):
        nodes.disks.check_rights(drives, uid=1000)


def test_nothing_is_made_where_the_drives_could_not_be(fleet: nodes.Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes.os, "getuid", lambda: 1000)
    with pytest.raises(HostError, match="only root can attach"):
        fleet.up([{"name": "s", "disks": [{"name": "vdb", "size": "512M"}]}])
    assert fleet.host.commands == []


def test_every_node_gets_its_hardware_and_gpu_nodes_their_gpus(host, tmp_path: Path) -> None:
    for node in spec.nodes(PLATFORMS):
        assert nodes.simulator.place(host, f"aidc-t-{node.name}", node, tmp_path, "stamp of another build")
        stamp = nodes.simulator.wanted_stamp(node, tmp_path)
        script = host.commands[-1]
        assert f"hardware_tree.py --node {node.name}" in script
        # The stamp comes last: a node that was interrupted gets everything again.
        assert script.endswith(f"echo {stamp} >/var/lib/gpusim/.build")
        assert ("gpusim init" in script, "ExecStartPost=" in script) == (bool(node.gpus), bool(node.gpus))
        host.commands.clear()
        assert not nodes.simulator.place(host, f"aidc-t-{node.name}", node, tmp_path, stamp)
        assert host.commands == []


def test_a_changed_simulator_concerns_only_nodes_with_gpus(tmp_path: Path) -> None:
    def stamps() -> list[str]:
        return [nodes.simulator.wanted_stamp(node, tmp_path) for node in spec.nodes(PLATFORMS)]

    (tmp_path / "library").write_text("1")
    first = stamps()
    (tmp_path / "library").write_text("2")
    assert [old == new for old, new in zip(first, stamps(), strict=True)] == [True, False]


def test_the_tree_digest_sees_content_names_and_modes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = nodes.simulator.tree_digest(tmp_path)
    (tmp_path / "a").chmod(0o755)
    second = nodes.simulator.tree_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    third = nodes.simulator.tree_digest(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, third, nodes.simulator.tree_digest(tmp_path)}) == 4


def test_the_digest_changes_with_platform_and_image_only(tmp_path: Path) -> None:
    def of(platform: dict[str, Any], image: str = "i", address: str = "10.1.2.11") -> str:
        (node,) = spec.nodes([platform])
        return nodes.digest(nodes.options("t", node, {"a": address}, tmp_path), node, image)

    disk = {"name": "a", "disks": [{"name": "vdb", "size": "1G"}]}
    assert of({"name": "a"}) == of({"name": "a", "groups": ["x"]})
    different = [of({"name": "a"}), of({"name": "a"}, "j"), of({"name": "a"}, address="10.1.2.12"), of(disk)]
    different += [of({"name": "a", "volumes": ["/x:/y"]}), of({"name": "a", "gpus": 1, "gpu_model": "M"})]
    assert len(set(different)) == len(different)


def test_the_hardware_address_follows_the_address(tmp_path: Path) -> None:
    (node,) = spec.nodes([{"name": "a"}])
    assert "--mac-address=02:00:0a:01:02:0b" in nodes.options("t", node, {"a": "10.1.2.11"}, tmp_path)
