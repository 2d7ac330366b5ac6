# The networks: InfiniBand, Ethernet, NVLink.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from .look import ANY_IS_BAD, ANY_IS_ODD, NODES, PLACE, TOP, YES_IS_BAD, Query, high_is_bad, rate
from .page import Page, cluster, node, rack
from .panels import Column, bars, firing, graph, listing, stat

PORT = "instance, device, port"
EACH_PORT = "{{instance}} {{device}}:{{port}}"
CARDS = f'device!~"lo|veth.*|cali.*|docker.*|br-.*|virbr.*|tap.*|bond.*|ib.*",{NODES}'
EACH_CARD = "{{instance}} {{device}}"
FABRIC_FAULTS = 'alertname=~"Ib.*|Infiniband.*|Ethernet.*|Network.*|Nvlink.*|FabricManager.*"'
# Switches are no nodes: of the choices only cluster and rack concern them.
SWITCHES = f'job="snmp",{PLACE}'
EACH_PORT_OF_SWITCH = "{{instance}} {{ifName}}"


def grown(name: str, span: str) -> str:
    """How much a counter of a port has grown."""
    return f"max by ({PORT}) (increase(node_infiniband_{name}{{{NODES}}}[{span}]))"


def page() -> model.Dashboard:
    """The dashboard "Fabric"."""
    made = Page(
        "aidc-fabric",
        "Fabric",
        "Ports, bandwidth and errors of InfiniBand, Ethernet and NVLink.",
        [cluster(), rack(), node()],
        alerts=f"{FABRIC_FAULTS},{NODES}",
    )
    made.line(
        stat(
            "InfiniBand ports up",
            "Ports that are active, with an active link.",
            f"count(node_infiniband_state_id{{{NODES}}} == 4 and node_infiniband_physical_state_id{{{NODES}}} == 5)",
            units.Short,
        ),
        stat(
            "InfiniBand ports down",
            "Ports that are not active, or without a link.",
            f"count(node_infiniband_state_id{{{NODES}}} != 4 or node_infiniband_physical_state_id{{{NODES}}} !="
            f" 5) or vector(0)",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "Links lost in 12 hours",
            "How often an InfiniBand port lost its link within twelve hours.",
            f"sum(increase(node_infiniband_link_downed_total{{{NODES}}}[12h]))",
            units.Short,
            high_is_bad(1, 10),
            decimals=0,
        ),
        stat(
            "Ports below their speed",
            "Active InfiniBand ports that are slower than they were within a week.",
            f"count(node_infiniband_rate_bytes_per_second{{{NODES}}}"
            f" < max_over_time(node_infiniband_rate_bytes_per_second{{{NODES}}}[7d])) or vector(0)",
            units.Short,
            ANY_IS_BAD,
        ),
        stat(
            "NVLinks up",
            "Links between GPUs that are up.",
            f"sum(aidc_gpu_nvlinks_active{{{NODES}}})",
            units.Short,
        ),
        stat(
            "Ethernet cards without a link",
            "Cards that are switched on and have no link.",
            f"count(node_network_carrier{{{CARDS}}} == 0 and node_network_up{{{CARDS}}} == 1) or vector(0)",
            units.Short,
            ANY_IS_ODD,
        ),
        stat(
            "InfiniBand traffic",
            "What all chosen nodes send through InfiniBand.",
            f"sum({rate('node_infiniband_port_data_transmitted_bytes_total', NODES)})",
            units.BytesPerSecondSI,
        ),
        stat(
            "Ethernet traffic",
            "What all chosen nodes send through Ethernet.",
            f"sum({rate('node_network_transmit_bytes_total', CARDS)})",
            units.BytesPerSecondSI,
        ),
        height=4,
    )
    made.heading("InfiniBand")
    made.line(
        listing(
            "Ports, those with most errors first",
            "Growth of the counters of each port within an hour, and of lost links within twelve.",
            {"instance": "Node", "device": "Adapter", "port": "Port"},
            [
                Column(
                    "Symbol errors", grown("symbol_error_total", "1h"), units.Short, high_is_bad(1, 120), decimals=0
                ),
                Column(
                    "Receive errors",
                    grown("port_errors_received_total", "1h"),
                    units.Short,
                    high_is_bad(1, 120),
                    decimals=0,
                ),
                Column(
                    "Recoveries",
                    grown("link_error_recovery_total", "1h"),
                    units.Short,
                    high_is_bad(1, 10),
                    decimals=0,
                ),
                Column("Lost links", grown("link_downed_total", "12h"), units.Short, high_is_bad(1, 3), decimals=0),
                Column(
                    "Speed",
                    f"max by ({PORT}) (node_infiniband_rate_bytes_per_second{{{NODES}}}) * 8",
                    units.BitsPerSecondSI,
                    decimals=0,
                ),
            ],
            "Symbol errors",
        ),
        firing("Alerts of the networks.", f"{FABRIC_FAULTS},{NODES}"),
        widths=(16, 8),
        height=9,
    )
    made.line(
        graph(
            "Busiest ports: sent",
            "What the busiest InfiniBand ports send.",
            Query(
                f"topk({TOP}, max by ({PORT}) ({rate('node_infiniband_port_data_transmitted_bytes_total', NODES)}))",
                EACH_PORT,
            ),
            units.BytesPerSecondSI,
            to_node=True,
        ),
        graph(
            "Busiest ports: received",
            "What the busiest InfiniBand ports receive.",
            Query(
                f"topk({TOP}, max by ({PORT}) ({rate('node_infiniband_port_data_received_bytes_total', NODES)}))",
                EACH_PORT,
            ),
            units.BytesPerSecondSI,
            to_node=True,
        ),
        graph(
            "Congestion",
            "How often a port had data and could not send it, a second. What the ports wait for is further on in"
            " the network.",
            Query(
                f"topk({TOP}, max by ({PORT}) ({rate('node_infiniband_port_transmit_wait_total', NODES)}))",
                EACH_PORT,
            ),
            units.EventsPerSecond,
            to_node=True,
        ),
    )
    made.line(
        graph(
            "Symbol errors",
            "Errors that the receiver of a port saw on the wire, a minute. Grows with a bad cable or a dirty"
            " connector.",
            Query(
                f"topk({TOP}, max by ({PORT}) ({rate('node_infiniband_symbol_error_total', NODES)}) * 60)",
                EACH_PORT,
            ),
            units.CountsPerMinute,
            to_node=True,
        ),
        graph(
            "Packets dropped by ports",
            "Packets that InfiniBand ports could not send and threw away, a second.",
            Query(
                f"topk({TOP}, max by ({PORT}) ({rate('node_infiniband_port_discards_transmitted_total', NODES)}))",
                EACH_PORT,
            ),
            units.PacketsPerSecond,
            to_node=True,
        ),
    )
    made.heading("Ethernet")
    made.line(
        graph(
            "Busiest cards: sent",
            "What the busiest cards send.",
            Query(
                f"topk({TOP}, max by (instance, device) ({rate('node_network_transmit_bytes_total', CARDS)}))",
                EACH_CARD,
            ),
            units.BytesPerSecondSI,
            to_node=True,
        ),
        graph(
            "Errors and drops",
            "Frames that a card received or sent wrongly, or dropped, a second.",
            Query(
                f"topk({TOP}, sum by (instance, device) ({rate('node_network_receive_errs_total', CARDS)}"
                f" + {rate('node_network_transmit_errs_total', CARDS)}"
                f" + {rate('node_network_receive_drop_total', CARDS)}))",
                EACH_CARD,
            ),
            units.PacketsPerSecond,
            to_node=True,
        ),
        bars(
            "Links that came and went",
            "How often the link of a card changed within an hour.",
            f"topk({TOP}, max by (instance, device) (increase(node_network_carrier_changes_total{{{CARDS}}}[1h])))",
            EACH_CARD,
            units.Short,
            high_is_bad(2, 4),
            to_node=True,
        ),
    )
    made.heading("Switches")
    made.line(
        graph(
            "Busiest switch ports",
            "What the busiest ports of switches send, as far as they can be asked by SNMP.",
            Query(
                f"topk({TOP}, max by (instance, ifName) ({rate('ifHCOutOctets', SWITCHES)}))",
                EACH_PORT_OF_SWITCH,
            ),
            units.BytesPerSecondSI,
            no_value="No switch is asked",
        ),
        graph(
            "Errors and drops of switch ports",
            "Packets that a port of a switch received or sent wrongly, or threw away, a second.",
            Query(
                f"topk({TOP}, sum by (instance, ifName) ({rate('ifInErrors', SWITCHES)} +"
                f" {rate('ifOutErrors', SWITCHES)}"
                f" + {rate('ifInDiscards', SWITCHES)} + {rate('ifOutDiscards', SWITCHES)}))",
                EACH_PORT_OF_SWITCH,
            ),
            units.PacketsPerSecond,
            no_value="No switch is asked",
        ),
        listing(
            "Switch ports that are down",
            "Ports that are switched on and have no link.",
            {"instance": "Switch", "ifName": "Port", "ifAlias": "For"},
            [
                Column(
                    "Down",
                    f"max by (instance, ifName, ifAlias) (ifOperStatus{{{SWITCHES}}} != 1 and"
                    f" ifAdminStatus{{{SWITCHES}}} == 1)"
                    " > bool 0",
                    texts=YES_IS_BAD,
                )
            ],
            "Down",
            node_label="",
            no_value="None is down",
        ),
        height=7,
    )
    return made.build()
