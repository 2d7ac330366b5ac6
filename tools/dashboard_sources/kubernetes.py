# Nodes and pods of Kubernetes, as kube-state-metrics and the kubelets tell them.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import ANY_IS_BAD, ANY_IS_ODD, FLEET, TOP, YES_IS_BAD, Query, high_is_bad, rate
from .page import Page, cluster, variable
from .panels import Column, bars, firing, graph, listing, stat

NODE = f'{FLEET},node=~"$node"'
KUBELET = f'{FLEET},instance=~"$node"'
PODS = f'{FLEET},namespace=~"$namespace"'
GPU_RESOURCE = 'resource="nvidia_com_gpu"'
RUNNING = f'max by (namespace, pod) (kube_pod_status_phase{{phase="Running",{PODS}}} == 1)'
GPUS_HELD = f'kube_pod_container_resource_requests{{{GPU_RESOURCE},{PODS},node=~"$node"}}'
CONTAINERS = f'container!="",{KUBELET},namespace=~"$namespace"'


def page() -> model.Dashboard:
    """The dashboard "Kubernetes nodes and pods"."""
    made = Page(
        "aidc-kubernetes",
        "Kubernetes nodes and pods",
        "Are the nodes ready, do the pods run, who holds the GPUs. From kube-state-metrics, kubelets and cAdvisor.",
        [
            cluster(),
            variable(
                "node", "Node", f"label_values(kube_node_info{{{FLEET}}}, node)", "Names as Kubernetes knows them"
            ),
            variable(
                "namespace", "Namespace", f"label_values(kube_namespace_created{{{FLEET}}}, namespace)", "Of the pods"
            ),
        ],
        alerts=f'instance!="",{KUBELET}',
    )
    made.line(
        stat(
            "Nodes ready",
            "Nodes whose kubelet says that it is ready.",
            f'sum(kube_node_status_condition{{condition="Ready",status="true",{NODE}}})',
            units.Short,
        ),
        stat(
            "Nodes not ready",
            "Nodes that are not ready, or of which nobody has heard.",
            f'sum(kube_node_status_condition{{condition="Ready",status=~"false|unknown",{NODE}}})',
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Nodes cordoned",
            "Nodes on which nothing new is started.",
            f"sum(kube_node_spec_unschedulable{{{NODE}}})",
            units.Short,
            ANY_IS_ODD,
        ),
        stat(
            "Pods running",
            "Pods that run.",
            f'sum(kube_pod_status_phase{{phase="Running",{PODS}}})',
            units.Short,
        ),
        stat(
            "Pods pending",
            "Pods that wait for a place or for their images.",
            f'sum(kube_pod_status_phase{{phase="Pending",{PODS}}})',
            units.Short,
            high_is_bad(1, 20),
        ),
        stat(
            "Pods failed",
            "Pods that ended with an error, or of which the node says nothing any more.",
            f'sum(kube_pod_status_phase{{phase=~"Failed|Unknown",{PODS}}})',
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "GPUs requested",
            "Share of the GPUs of ready nodes that running pods hold.",
            f"sum({GPUS_HELD} * on (namespace, pod) group_left () {RUNNING})"
            f" / sum(kube_node_status_allocatable{{{GPU_RESOURCE},{NODE}}})",
            units.PercentUnit,
            decimals=0,
        ),
        stat(
            "Restarts in an hour",
            "How often containers were started again within the last hour.",
            f"sum(increase(kube_pod_container_status_restarts_total{{{PODS}}}[1h]))",
            units.Short,
            high_is_bad(5, 50),
            decimals=0,
        ),
        height=4,
    )
    made.heading("Nodes")
    made.line(
        listing(
            "Nodes, those with trouble first",
            "Readiness, pressure and what is given away of each node.",
            {"node": "Node"},
            [
                Column(
                    "Not ready",
                    f'max by (node) (kube_node_status_condition{{condition="Ready",status=~"false|unknown",{NODE}}})',
                    limits=ANY_IS_BAD,
                    texts=YES_IS_BAD,
                ),
                Column(
                    "Under pressure",
                    f'max by (node) (kube_node_status_condition{{condition=~".*Pressure",status="true",{NODE}}})',
                    limits=ANY_IS_BAD,
                    texts=YES_IS_BAD,
                ),
                Column(
                    "Cordoned",
                    f"max by (node) (kube_node_spec_unschedulable{{{NODE}}})",
                    limits=ANY_IS_ODD,
                    texts=YES_IS_BAD,
                ),
                Column(
                    "GPUs",
                    f"max by (node) (kube_node_status_allocatable{{{GPU_RESOURCE},{NODE}}})",
                    units.Short,
                ),
                Column("GPUs requested", f"sum by (node) ({GPUS_HELD})", units.Short),
                Column(
                    "CPUs requested",
                    f'sum by (node) (kube_pod_container_resource_requests{{resource="cpu",{NODE}}})'
                    f' / max by (node) (kube_node_status_allocatable{{resource="cpu",{NODE}}})',
                    units.PercentUnit,
                    bar_to=1,
                    decimals=0,
                ),
                Column(
                    "Memory requested",
                    f'sum by (node) (kube_pod_container_resource_requests{{resource="memory",{NODE}}})'
                    f' / max by (node) (kube_node_status_allocatable{{resource="memory",{NODE}}})',
                    units.PercentUnit,
                    bar_to=1,
                    decimals=0,
                ),
                Column("Pods", f"count by (node) (kube_pod_info{{{NODE}}})", units.Short),
            ],
            "Not ready",
            node_label="node",
        ),
        firing("Alerts of the chosen nodes.", f'instance!="",{KUBELET}'),
        widths=(16, 8),
        height=9,
    )
    made.line(
        graph(
            "GPUs: there and requested",
            "GPUs that Kubernetes may give away, and those that running pods hold.",
            [
                Query(f"sum(kube_node_status_allocatable{{{GPU_RESOURCE},{NODE}}})", "there"),
                Query(f"sum({GPUS_HELD} * on (namespace, pod) group_left () {RUNNING})", "requested"),
            ],
            units.Short,
        ),
        graph(
            "Pods by phase",
            "What the pods of the chosen namespaces do.",
            Query(f"sum by (phase) (kube_pod_status_phase{{{PODS}}})", "{{phase}}"),
            units.Short,
            stacked=True,
        ),
        graph(
            "Why containers wait",
            "Containers that do not run, by what their kubelet says.",
            Query(f"sum by (reason) (kube_pod_container_status_waiting_reason{{{PODS}}})", "{{reason}}"),
            units.Short,
            stacked=True,
            no_value="None waits",
        ),
    )
    made.heading("Pods")
    made.line(
        listing(
            "Pods that were restarted most",
            "Restarts within the last hour, and the code of the last end: 137 is a kill, mostly for lack of memory.",
            {"namespace": "Namespace", "pod": "Pod"},
            [
                Column(
                    "Restarts",
                    f"topk(20, sum by (namespace, pod)"
                    f" (increase(kube_pod_container_status_restarts_total{{{PODS}}}[1h])))",
                    units.Short,
                    high_is_bad(1, 5),
                    decimals=0,
                ),
                Column(
                    "Last exit code",
                    f"max by (namespace, pod) (kube_pod_container_status_last_terminated_exitcode{{{PODS}}})",
                ),
            ],
            "Restarts",
        ),
        bars(
            "GPUs by namespace",
            "GPUs that running pods hold.",
            f"topk({TOP}, sum by (namespace) ({GPUS_HELD} * on (namespace, pod) group_left () {RUNNING}))",
            "{{namespace}}",
            units.Short,
        ),
        bars(
            "Volumes, the fullest first",
            "How full the volumes of the pods are.",
            f"topk({TOP}, max by (namespace, persistentvolumeclaim)"
            f" (kubelet_volume_stats_used_bytes{{{PODS}}} / kubelet_volume_stats_capacity_bytes{{{PODS}}}))",
            "{{namespace}}/{{persistentvolumeclaim}}",
            units.PercentUnit,
            high_is_bad(0.85, 0.95),
            high=1,
        ),
    )
    made.line(
        graph(
            "Processors by namespace",
            "Processors that containers use.",
            Query(
                f"topk({TOP}, sum by (namespace) ({rate('container_cpu_usage_seconds_total', CONTAINERS)}))",
                "{{namespace}}",
            ),
            units.Short,
        ),
        graph(
            "Memory by namespace",
            "Memory of containers that the kernel cannot take back.",
            Query(
                f"topk({TOP}, sum by (namespace) (container_memory_working_set_bytes{{{CONTAINERS}}}))", "{{namespace}}"
            ),
            units.BytesIEC,
        ),
        listing(
            "Deployments that lack replicas",
            "How many of the wanted replicas are not available.",
            {"namespace": "Namespace", "deployment": "Deployment"},
            [
                Column(
                    "Missing",
                    f"max by (namespace, deployment) (kube_deployment_spec_replicas{{{PODS}}}"
                    f" - kube_deployment_status_replicas_available{{{PODS}}}) > 0",
                    units.Short,
                    ANY_IS_BAD,
                )
            ],
            "Missing",
            no_value="None lacks any",
        ),
    )
    return made.build()
