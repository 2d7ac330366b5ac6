# The ledger's tables as migrations: the n-th entry brings a file from version n to n + 1.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# A statement ends with a semicolon at the end of a line.
MIGRATIONS = (
    """
    CREATE TABLE cursors (
        source TEXT PRIMARY KEY,
        position TEXT NOT NULL
    );
    CREATE TABLE heartbeats (
        source TEXT PRIMARY KEY,
        at REAL NOT NULL
    );
    -- Switches that a person (or the breaker) sets: paused, breaker, rearmed.
    CREATE TABLE controls (
        name TEXT PRIMARY KEY,
        at REAL NOT NULL,
        by_whom TEXT NOT NULL,
        text TEXT NOT NULL
    );
    CREATE TABLE counters (
        name TEXT NOT NULL,
        label TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (name, label)
    );
    -- What intake or the ledger would not take; the newest ones only.
    CREATE TABLE refusals (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL
    );
    -- Boots of a node in the order in which they happened: the highest rank is the newest.
    CREATE TABLE boots (
        node_id TEXT NOT NULL,
        boot TEXT NOT NULL,
        rank INTEGER NOT NULL,
        first_seen REAL NOT NULL,
        PRIMARY KEY (node_id, boot)
    );
    CREATE TABLE cases (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        node TEXT NOT NULL,
        node_id TEXT NOT NULL,
        state TEXT NOT NULL,
        fault_class TEXT NOT NULL,
        -- Rises when a new fault makes earlier repairs and validations worthless.
        epoch INTEGER NOT NULL DEFAULT 1,
        step TEXT,
        due_at REAL,
        dispatched_at REAL,
        approved_step TEXT,
        hold_reason TEXT,
        hold_text TEXT,
        opened_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        failed_at REAL,
        closed_at REAL,
        lease_holder TEXT,
        lease_expires_at REAL
    );
    -- One remediation per node at a time, whatever else goes wrong.
    CREATE UNIQUE INDEX cases_open ON cases (node_id) WHERE closed_at IS NULL;
    CREATE INDEX cases_closed ON cases (node_id, closed_at);
    CREATE INDEX cases_opened ON cases (opened_at);
    CREATE TABLE faults (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        node_id TEXT NOT NULL,
        fault_class TEXT NOT NULL,
        device TEXT NOT NULL,
        boot TEXT NOT NULL,
        first_seen REAL NOT NULL,
        last_seen REAL NOT NULL,
        signals INTEGER NOT NULL,
        case_id INTEGER REFERENCES cases (id)
    );
    CREATE INDEX faults_identity ON faults (node_id, fault_class, device, boot);
    CREATE INDEX faults_case ON faults (case_id);
    CREATE TABLE signals (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dedup_key TEXT NOT NULL UNIQUE,
        lane TEXT NOT NULL,
        node TEXT NOT NULL,
        node_id TEXT NOT NULL,
        boot TEXT NOT NULL,
        fault_class TEXT NOT NULL,
        device TEXT NOT NULL,
        code INTEGER,
        text TEXT NOT NULL,
        observed_at REAL NOT NULL,
        received_at REAL NOT NULL,
        last_seen REAL NOT NULL,
        cleared_at REAL,
        disposition TEXT NOT NULL,
        case_id INTEGER REFERENCES cases (id)
    );
    CREATE INDEX signals_identity ON signals (node_id, fault_class, device, boot);
    CREATE INDEX signals_case ON signals (case_id);
    CREATE INDEX signals_firing ON signals (node_id) WHERE lane = 'alert' AND cleared_at IS NULL;
    -- One row for each granted begin of a step. Without ended_at: begun, and nobody said how it ended.
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        case_id INTEGER NOT NULL REFERENCES cases (id),
        node_id TEXT NOT NULL,
        step TEXT NOT NULL,
        number INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        devices TEXT NOT NULL,
        boot_before TEXT NOT NULL,
        holder TEXT NOT NULL,
        began_at REAL NOT NULL,
        deadline REAL NOT NULL,
        late_grants INTEGER NOT NULL DEFAULT 0,
        waiting INTEGER NOT NULL DEFAULT 0,
        ended_at REAL,
        outcome TEXT
    );
    CREATE UNIQUE INDEX attempts_running ON attempts (case_id) WHERE ended_at IS NULL;
    CREATE INDEX attempts_case ON attempts (case_id);
    CREATE INDEX attempts_node ON attempts (node_id, step, began_at);
    -- The audit trail: only ever added to.
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        case_id INTEGER,
        kind TEXT NOT NULL,
        step TEXT,
        text TEXT NOT NULL,
        detail TEXT NOT NULL
    );
    CREATE INDEX events_case ON events (case_id);
    """,
    """
    -- What the highest authority asked for, and which part of the device it was about.
    ALTER TABLE signals ADD COLUMN action TEXT NOT NULL DEFAULT '';
    ALTER TABLE signals ADD COLUMN location TEXT NOT NULL DEFAULT '';
    ALTER TABLE faults ADD COLUMN action TEXT NOT NULL DEFAULT '';
    ALTER TABLE faults ADD COLUMN location TEXT NOT NULL DEFAULT '';
    -- 0: only recorded; it asks for nothing.
    ALTER TABLE faults ADD COLUMN acting INTEGER NOT NULL DEFAULT 1;
    -- When a kernel line said so last; what alerts say is read from their signals, which can be taken back.
    ALTER TABLE faults ADD COLUMN line_seen REAL;
    UPDATE faults SET line_seen = last_seen;
    UPDATE faults SET acting = 0 WHERE fault_class IN ('gpu_row_remap_pending', 'gpu_xid_other');
    CREATE INDEX signals_live ON signals (fault_class) WHERE lane <> 'kernel' AND cleared_at IS NULL;
    CREATE INDEX signals_received ON signals (received_at);
    -- node, or rack, leaf or server: then the case's node is the name of that domain.
    ALTER TABLE cases ADD COLUMN scope TEXT NOT NULL DEFAULT 'node';
    ALTER TABLE cases ADD COLUMN action TEXT NOT NULL DEFAULT '';
    ALTER TABLE cases ADD COLUMN approved_by TEXT;
    ALTER TABLE cases ADD COLUMN approved_at REAL;
    UPDATE cases SET approved_by = 'unknown', approved_at = updated_at WHERE approved_step IS NOT NULL;
    CREATE INDEX attempts_ended ON attempts (step, outcome, ended_at);
    -- Nodes and fault classes that a person wants left alone for a while.
    CREATE TABLE opt_outs (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        until REAL NOT NULL,
        by_whom TEXT NOT NULL,
        reason TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (kind, name)
    );
    CREATE TABLE tickets (
        case_id INTEGER PRIMARY KEY REFERENCES cases (id),
        reference TEXT NOT NULL,
        backend TEXT NOT NULL,
        opened_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        closed_at REAL
    );
    """,
    """
    -- 0: the step failed before it reached the node or its hardware, and uses up no limit.
    ALTER TABLE attempts ADD COLUMN reached INTEGER NOT NULL DEFAULT 1;
    """,
)
