# The lab as a whole: containers, the controller's tools, provisioning, health, removal.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host only makes containers; all plays run on the node ctl, over SSH, as they do at a site.

On ctl: /opt/aidc_ops/venv (ansible-core, ansible-rulebook; from wheels), /srv/aidc/collections (this collection, from
its artifact), /srv/aidc/inventory, /srv/aidc/ansible.cfg. /srv/aidc/provisioned on each node holds the hash of all that
it was provisioned from, so that an unchanged lab is not provisioned again.
"""

from __future__ import annotations

import concurrent.futures
import fcntl
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import yaml

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT / "molecule" / "shared"
sys.path.insert(0, str(SHARED))

import demo_plan
import disks
import engine
import spec
from containers import container
from demo_progress import DemoError, Progress
from host import Host, HostError
from nodes import Nodes

SCENARIO = "lab"
CACHE = Path(os.environ.get("AIDC_OPS_LAB_CACHE", ROOT / ".cache"))
LOGS = CACHE / "logs"
SITE = "/srv/aidc"
# Where the role pki keeps the certificates, on the node ctl.
PKI = "/etc/aidc_ops/pki"
VENV = "/opt/aidc_ops/venv"
STAMP = f"{SITE}/provisioned"
STATUS = f"{SITE}/status"
# Bundled with the ansible package, mounted where the loop's own configuration looks for them too.
NEIGHBOURS = ("ansible/posix", "community/general", "community/crypto")
NEIGHBOUR_ROOT = "/usr/share/ansible/collections/ansible_collections"
# What the collection consists of for a controller; a change elsewhere needs no new provisioning.
PARTS = ("galaxy.yml", "meta", "plugins", "roles", "playbooks", "extensions")
ANSIBLE_CFG = f"""\
[defaults]
inventory = {SITE}/inventory
collections_path = {SITE}/collections:{NEIGHBOUR_ROOT.removesuffix("/ansible_collections")}
forks = 6
inject_facts_as_vars = false
host_pattern_mismatch = error
host_key_checking = true
callbacks_enabled = ansible.posix.profile_tasks
retry_files_enabled = false
nocolor = true
[ssh_connection]
pipelining = true
ssh_args = -o ControlMaster=auto -o ControlPersist=120s
"""

RUN_SCRIPT = f"""\
# Runs its arguments as a command. Shared connections would outlive it, and keep its unit from ending.
"$@"
status=$?
echo $status >{STATUS}
for path in /root/.ansible/cp/*; do
    test -S "$path" && ssh -o ControlPath="$path" -O exit nobody 2>/dev/null
done
exit $status
"""


def source_digest(root: Path, extra: Sequence[str] = ()) -> str:
    """Hash of the collection's and the lab inventory's files, and of the texts in extra."""
    total = hashlib.sha256("\0".join(extra).encode())
    for top in (*PARTS, "inventories/lab", "requirements.txt"):
        start = root / top
        for path in sorted([start] if start.is_file() else start.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of the files, by their names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Lab:
    """The containers of the scenario `lab` and what runs in them."""

    def __init__(self, progress: Progress, host: Host | None = None, env: Mapping[str, str] = os.environ) -> None:
        self.progress = progress
        self.host = host or Host()
        self.env = env
        self.plan = demo_plan.read(env)
        self.nodes = Nodes(SCENARIO, self.host, CACHE, env)
        self.addresses: dict[str, str] = {}
        LOGS.mkdir(parents=True, exist_ok=True)

    def lock(self) -> TextIO:
        """Keep others away from the lab until the returned file is closed; DemoError if somebody has it."""
        path = CACHE / "lab.lock"
        held = open(path, "a+", encoding="utf-8")  # noqa: SIM115
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            owner = held.read().strip()
            held.close()
            raise DemoError(f"another run uses the lab ({owner}); wait for its end or stop it") from None
        held.truncate(0)
        held.write(f"process {os.getpid()}: {' '.join(sys.argv)}")
        held.flush()
        return held

    # --- small helpers -----------------------------------------------------------------------------------------------

    def exec(self, node: str, *command: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Return what a command on a node prints; HostError if it fails."""
        flag = ("-i",) if stdin is not None else ()
        return self.host.run("podman", "exec", *flag, container(SCENARIO, node), *command, stdin=stdin, timeout=timeout)

    def ask(self, port: int, path: str, *options: str, stdin: str | None = None, address: str | None = None) -> str:
        """Return what a server on the node ctl answers to who has a certificate; HostError if it fails."""
        url = f"https://{address or self.addresses['ctl']}:{port}/{path}"
        access = ["--cacert", f"{PKI}/ca.crt", "--cert", f"{PKI}/ctl.crt", "--key", f"{PKI}/ctl.key"]
        return self.exec("ctl", "curl", "--silent", "--show-error", "--fail", *access, *options, url, stdin=stdin)

    def succeeds(self, node: str, *command: str) -> bool:
        """Return whether a command on a node succeeds."""
        return self.host.ok("podman", "exec", container(SCENARIO, node), *command)

    def _program(self, name: str, *arguments: str) -> str:
        """Run one of the programs of molecule/shared."""
        return self.host.run(sys.executable, str(SHARED / name), *arguments, timeout=3600).strip()

    def stream(
        self, command: Sequence[str], log: Path, interesting: Callable[[str], str | None] = lambda line: None
    ) -> int:
        """Run a command with its output in a log; return its exit status. What `interesting` returns is the status."""
        with open(log, "w", encoding="utf-8") as out:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            )
            assert process.stdout is not None
            for line in process.stdout:
                out.write(line)
                out.flush()
                text = interesting(line)
                if text is not None:
                    self.progress.status(text)
            return process.wait()

    # --- containers --------------------------------------------------------------------------------------------------

    def prepare_host(self) -> None:
        """Image, Python packages, simulator: what is made once and kept."""
        try:
            engine.ensure(CACHE / "containers.conf")
            # Now, and not after the minutes that the image takes.
            disks.check_rights(spec.nodes(demo_plan.platforms(self.plan, [])), os.getuid())
            # One waits for the processor, the other for the network.
            title = "Node image, Python packages, GPU simulator"
            with self.progress.step(title), concurrent.futures.ThreadPoolExecutor(2) as pool:
                wheels, images = pool.submit(self._program, "wheels.py"), pool.submit(self._images)
                wheels.result()
                images.result()
        except (HostError, engine.EngineError, spec.SpecError) as error:
            raise DemoError(str(error)) from None

    def _images(self) -> None:
        """The images, and then the simulator, which is compiled in one of them."""
        for suite in dict.fromkeys([self.plan.suite, "bookworm"]):
            self._program("image.py", suite)
        self._program("simulator.py")

    def containers(self) -> None:
        """Bring the containers up and learn their addresses."""
        with self.progress.step(f"Containers: {', '.join(self.plan.names)}"):
            try:
                engine.ensure(CACHE / "containers.conf")
                result = self.nodes.up(demo_plan.platforms(self.plan, self._volumes()))
            except (HostError, engine.EngineError) as error:
                raise DemoError(str(error)) from None
        self.addresses = {name: item["address"] for name, item in result["nodes"].items()}

    def locate(self) -> None:
        """Learn the addresses of a lab that is up already; DemoError if it is not."""
        engine.ensure(CACHE / "containers.conf")
        self.addresses = self.nodes.addresses()
        missing = sorted(set(self.plan.names) - set(self.addresses))
        if missing:
            raise DemoError(f"the lab is not up, {', '.join(missing)} do not run: make demo")

    def _volumes(self) -> list[str]:
        import ansible_collections.ansible.posix as anchor

        base = Path(next(iter(anchor.__path__))).parent.parent
        return [f"{base / name}:{NEIGHBOUR_ROOT}/{name}:ro" for name in NEIGHBOURS]

    # --- the controller's tools --------------------------------------------------------------------------------------

    def digest(self) -> str:
        """Hash of all that the nodes are provisioned from."""
        return source_digest(ROOT, [json.dumps(self.addresses), yaml.safe_dump(demo_plan.inventory(self.plan))])

    def bootstrap(self) -> None:
        """Give the controller Ansible, the collection and the inventory."""
        with self.progress.step("Controller: Ansible, the collection, the inventory"):
            # Before anything is read, so that a file that is changed meanwhile counts as not provisioned.
            digest = self.digest()
            try:
                with concurrent.futures.ThreadPoolExecutor(2) as pool:
                    work = [pool.submit(self._make_venv), pool.submit(self._install_site), pool.submit(self._build)]
                    for item in work:
                        item.result()
                self._install_collection()
                self.exec("ctl", "tee", f"{SITE}/source", stdin=digest)
            except HostError as error:
                raise DemoError(str(error)) from None

    def _make_venv(self) -> None:
        requirements = (ROOT / "requirements.txt").read_text()
        stamp = f"{VENV}/.requirements"
        if self.succeeds("ctl", "test", "-e", stamp) and self.exec("ctl", "cat", stamp) == requirements:
            return
        # What an interrupted run left may be anything.
        self.exec("ctl", "mkdir", "-p", SITE)
        self.exec("ctl", "rm", "-rf", VENV)
        self.exec("ctl", "python3", "-m", "venv", VENV)
        self.exec("ctl", "tee", f"{SITE}/requirements.txt", stdin=requirements)
        self.exec(
            "ctl", f"{VENV}/bin/pip", "install", "--quiet", "--requirement", f"{SITE}/requirements.txt", timeout=600
        )
        self.exec("ctl", "tee", stamp, stdin=requirements)

    def _install_site(self) -> None:
        files = {
            f"inventory/{path.relative_to(ROOT / 'inventories' / 'lab')}": path.read_bytes()
            for path in sorted((ROOT / "inventories" / "lab").rglob("*"))
            if path.is_file()
        }
        files["inventory/hosts.yml"] = yaml.safe_dump(demo_plan.inventory(self.plan)).encode()
        known = {"all": {"hosts": {name: {"ansible_host": address} for name, address in self.addresses.items()}}}
        files["inventory/addresses.yml"] = yaml.safe_dump(known).encode()
        files["ansible.cfg"] = ANSIBLE_CFG.encode()
        files["run.sh"] = RUN_SCRIPT.encode()
        self.exec("ctl", "rm", "-rf", f"{SITE}/inventory")
        self.exec("ctl", "mkdir", "-p", SITE)
        self._untar("ctl", SITE, pack(files))

    def _untar(self, node: str, folder: str, archive: bytes) -> None:
        command = ["podman", "exec", "-i", container(SCENARIO, node), "tar", "-C", folder, "-xf", "-"]
        done = subprocess.run(command, input=archive, capture_output=True, check=False)
        if done.returncode != 0:
            raise HostError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")

    def _build(self) -> None:
        """Build the artifact of the collection, as for a release."""
        folder = CACHE / "collection"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.tar.gz"):
            old.unlink()
        galaxy = Path(sys.executable).parent / "ansible-galaxy"
        self.host.run(str(galaxy), "collection", "build", "--force", "--output-path", str(folder), str(ROOT))

    def _install_collection(self) -> None:
        """Install the artifact, as a user would."""
        artifact = next((CACHE / "collection").glob("aidc-ops-*.tar.gz"))
        self.host.run("podman", "cp", str(artifact), f"{container(SCENARIO, 'ctl')}:{SITE}/aidc-ops.tar.gz")
        self.exec(
            "ctl",
            f"{VENV}/bin/ansible-galaxy",
            "collection",
            "install",
            "--offline",
            "--no-deps",
            "--force",
            "--collections-path",
            f"{SITE}/collections",
            f"{SITE}/aidc-ops.tar.gz",
        )

    # --- provisioning ------------------------------------------------------------------------------------------------

    def playbook(self, name: str, *arguments: str, log: str) -> tuple[int, Path]:
        """Run a playbook on the controller, as a systemd unit: the next run can stop what an interrupted one left."""
        path = LOGS / f"{log}.log"
        self.host.ok("podman", "exec", container(SCENARIO, "ctl"), "systemctl", "stop", "aidc-site.service")
        self.exec("ctl", "rm", "-f", STATUS)
        command = [
            "podman",
            "exec",
            container(SCENARIO, "ctl"),
            "systemd-run",
            "--quiet",
            "--unit=aidc-site",
            "--collect",
            "--pipe",
            "--wait",
            # For the stop of one that was interrupted: systemd in a container may not see that all of it is gone.
            "--property=TimeoutStopSec=3",
            f"--setenv=ANSIBLE_CONFIG={SITE}/ansible.cfg",
            "--setenv=HOME=/root",
            "--setenv=LANG=C.UTF-8",
            "sh",
            f"{SITE}/run.sh",
            f"{VENV}/bin/ansible-playbook",
            name,
            *arguments,
        ]

        def task(line: str) -> str | None:
            return line.split("[", 1)[1].split("]")[0] if line.startswith(("TASK [", "RUNNING HANDLER [")) else None

        rc = self.stream(command, path, task)
        # A shared connection that ends too late for systemd fails the unit, but not the playbook.
        if self.succeeds("ctl", "test", "-s", STATUS):
            rc = int(self.exec("ctl", "cat", STATUS))
        return rc, path

    def provisioned(self) -> bool:
        """Return whether every node was provisioned from what is here now."""
        digest = self.digest()
        for name in self.plan.names:
            try:
                if self.exec(name, "cat", STAMP).strip() != digest:
                    return False
            except HostError:
                return False
        return True

    def provision(self, check: bool = False) -> str:
        """Run the playbook aidc.ops.site on the controller; return its recap."""
        with self.progress.step("Provision every node with aidc.ops.site" + (" (check mode)" if check else "")):
            rc, log = self.playbook(
                "aidc.ops.site", *(["--check"] if check else []), log="site-check" if check else "site"
            )
            if rc != 0:
                raise DemoError(f"provisioning failed; read {log}\n{failures(log.read_text())}")
            if not check:
                digest = self.exec("ctl", "cat", f"{SITE}/source")
                for name in self.plan.names:
                    self.exec(name, "sh", "-c", f"mkdir -p {SITE} && cat >{STAMP}", stdin=digest)
        return recap(log.read_text())

    # --- removal -----------------------------------------------------------------------------------------------------

    def down(self) -> None:
        """Remove everything but images and caches."""
        with self.progress.step("Remove containers, network, volumes and loop devices of the lab"):
            try:
                engine.ensure(CACHE / "containers.conf")
                self.nodes.down()
            except (HostError, engine.EngineError) as error:
                raise DemoError(str(error)) from None


def failures(text: str) -> str:
    """Return the failed tasks in the output of ansible-playbook, each with its message, or its last lines."""
    lines = text.splitlines()
    found = []
    task = ""
    for number, line in enumerate(lines):
        if line.startswith(("TASK [", "RUNNING HANDLER [")):
            task = line.rstrip("* ")
        if line.startswith(("fatal:", "[ERROR]")):
            found.append("\n".join([task, *(entry[:600] for entry in lines[number : number + 3])]))
    return "\n".join(found[:3]) if found else "\n".join(lines[-15:])


def recap(text: str) -> str:
    """Return what follows PLAY RECAP in the output of ansible-playbook, up to the first empty line."""
    rest = text.partition("PLAY RECAP")[2].splitlines()[1:]
    result = []
    for line in rest:
        if not line.strip():
            break
        result.append(line)
    return "\n".join(result)
