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
)
