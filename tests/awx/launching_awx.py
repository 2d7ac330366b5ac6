# The AWX stand-in with jobs: it launches job templates as AWX does, with ansible-runner.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import typing as t
from datetime import UTC, datetime
from pathlib import Path

import yaml

from ansible_collections.aidc.ops.tests.awx.fake_awx import FakeAwx

TOOLS = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
PROMPTS = {"extra_vars": "ask_variables_on_launch", "limit": "ask_limit_on_launch"}
NOT_ASKED = dict.fromkeys((*PROMPTS.values(), "ask_labels_on_launch", "ask_inventory_on_launch"), False)


class LaunchingAwx(FakeAwx):
    """A job is a folder of *folder*, made of what the objects say: project, inventory, credentials, job template.

    The address of a project is a folder, and every job gets a copy of it. *collections* is where the execution
    environment has its collections. While ``free`` is not set, there is no place for a job, and it stays pending.
    """

    def __init__(self, folder: Path, collections: Path) -> None:
        self.free = threading.Event()
        self.free.set()
        self._folder, self._collections = folder, collections
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        super().__init__()

    def close(self) -> None:
        super().close()
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def jobs(self, name: str) -> list[dict[str, t.Any]]:
        """The jobs of a job template, oldest first."""
        return [job for job in list(self.objects.get("jobs", {}).values()) if job["name"] == name]

    def output(self, job: dict[str, t.Any]) -> str:
        """What a job has printed."""
        return (self._folder / f"job_{job['id']}" / "artifacts" / str(job["id"]) / "stdout").read_text()

    def add(self, kind: str, fields: dict[str, t.Any]) -> dict[str, t.Any]:
        if kind != "job_templates":
            return super().add(kind, fields)
        item = super().add(kind, {**NOT_ASKED, **fields})
        item["related"]["launch"] = f"{item['url']}launch/"
        # A job template belongs to the organization of its project.
        organization = self.objects["organizations"][self.objects["projects"][item["project"]]["organization"]]
        item["summary_fields"] = {"organization": {"id": organization["id"], "name": organization["name"]}}
        return item

    def answer(self, method: str, path: str, query: dict[str, str], body: t.Any) -> tuple[int, t.Any]:
        if (method, path) == ("GET", "/api/v2/config/"):
            return 200, {"version": "24.6.1"}
        if (method, path) == ("GET", "/api/v2/jobs/"):
            wanted = [int(number) for number in query["id__in"].split(",")]
            found = [job for number, job in self.objects.get("jobs", {}).items() if number in wanted]
            return 200, {"count": len(found), "next": None, "results": found}
        return super().answer(method, path, query, body)

    def _below(self, method: str, item: dict[str, t.Any], parts: list[str], body: t.Any) -> tuple[int, t.Any]:
        if (method, parts[0], parts[2]) != ("POST", "job_templates", "launch"):
            return super()._below(method, item, parts, body)
        # What the job template does not ask for is ignored, and said to be.
        taken = {name: body[name] for name, prompt in PROMPTS.items() if name in body and item[prompt]}
        with self._lock:
            job = self.add(
                "jobs",
                {
                    "name": item["name"],
                    "job_template": item["id"],
                    "launch_type": "manual",
                    "status": "pending",
                    "failed": False,
                    "created": _now(),
                    "started": None,
                    "finished": None,
                    "job_explanation": "",
                    "artifacts": {},
                    "extra_vars": json.dumps(taken.get("extra_vars", {})),
                    "limit": taken.get("limit", ""),
                },
            )
        answer = {**job, "job": job["id"], "ignored_fields": {name: body[name] for name in body if name not in taken}}
        threading.Thread(target=self._work, args=(job, item), daemon=True).start()
        return 201, answer

    def _work(self, job: dict[str, t.Any], template: dict[str, t.Any]) -> None:
        self.free.wait()
        job.update(status="running", started=_now())
        try:
            good = self._run(job, template)
            job.update(status="successful" if good else "failed", failed=not good, finished=_now())
        except Exception as error:
            job.update(status="error", failed=True, finished=_now(), job_explanation=repr(error))

    def _run(self, job: dict[str, t.Any], template: dict[str, t.Any]) -> bool:
        folder = self._folder / f"job_{job['id']}"
        shutil.copytree(self.objects["projects"][template["project"]]["scm_url"], folder / "project")
        environment = self._environment(job, template)
        self._write_inventory(folder, template, environment)
        (folder / "env").mkdir()
        (folder / "env" / "envvars").write_text(json.dumps(environment))
        (folder / "env" / "extravars").write_text(yaml.dump(_variables(job, template), Dumper=_Unsafe))
        limit = f" -l {job['limit']}" if job["limit"] else ""
        (folder / "env" / "cmdline").write_text(f"-u root{limit}")
        arguments = ["run", str(folder), "--ident", str(job["id"]), "--playbook", template["playbook"], "--quiet"]
        process = subprocess.Popen(
            [sys.executable, "-m", "ansible_runner", *arguments],
            cwd=folder,
            env=_container(folder),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._processes.append(process)
        process.wait()
        return (folder / "artifacts" / str(job["id"]) / "status").read_text() == "successful"

    def _environment(self, job: dict[str, t.Any], template: dict[str, t.Any]) -> dict[str, str]:
        """What AWX sets; what the credentials inject replaces it."""
        environment = {
            "JOB_ID": str(job["id"]),
            "INVENTORY_ID": str(template["inventory"]),
            "AWX_HOST": self.url,
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
        }
        for number in self.linked("job_templates", template["name"], "credentials"):
            kind = self.objects["credentials"][number]["credential_type"]
            environment |= self.objects["credential_types"][kind]["injectors"]["env"]
        return environment

    def _write_inventory(self, folder: Path, template: dict[str, t.Any], environment: dict[str, str]) -> None:
        """AWX reads the source with ansible-inventory, and gives its jobs a script that prints what it knows."""
        sources = self.objects["inventory_sources"].values()
        (source,) = (item for item in sources if item["inventory"] == template["inventory"])
        command = [str(TOOLS / "ansible-inventory"), "--list", "-i", str(folder / "project" / source["source_path"])]
        listed = subprocess.run(
            command, cwd=folder, env={**_container(folder), **environment}, capture_output=True, text=True, check=True
        )
        (folder / "inventory").mkdir()
        script = folder / "inventory" / "hosts"
        script.write_text(f"#! /usr/bin/env python3\nprint({listed.stdout!r})\n")
        script.chmod(0o700)


class _Unsafe(yaml.SafeDumper):
    """Text of a launch is no template."""


_Unsafe.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


def _variables(job: dict[str, t.Any], template: dict[str, t.Any]) -> dict[str, t.Any]:
    about = {
        "job_id": job["id"],
        "job_launch_type": job["launch_type"],
        "job_template_id": template["id"],
        "job_template_name": template["name"],
        "user_name": "operator",
    }
    named = {f"{product}_{name}": value for product in ("awx", "tower") for name, value in about.items()}
    return {**json.loads(job["extra_vars"]), **named}


def _container(folder: Path) -> dict[str, str]:
    """The environment of an execution environment's container."""
    return {"PATH": f"{TOOLS}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}


def _now() -> str:
    return datetime.now(UTC).isoformat()
