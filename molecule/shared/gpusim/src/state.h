/* The state file: a snapshot that is re-read when the file changes, and a safe way to change it. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#ifndef GPUSIM_STATE_H
#define GPUSIM_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "nvml_abi.h"

enum {
    STATE_MAX_GPUS = 16,
    STATE_MAX_FILE = 1 << 20, /* bytes; a real state of 16 GPUs is about 60 kB */
    STATE_MAX_ENTRIES = 8192,
    STATE_MAX_LINE = 4096,
    STATE_MAX_KEY = 64,
    STATE_NODE = -1 /* "slot" of the keys that belong to the whole node */
};

typedef struct {
    const char *key;
    unsigned long long value;
} state_change_t;

typedef struct {
    const char *key;
    const char *text;
} state_text_change_t;

enum { STATE_MAX_CHANGES = 8 };

/* Path of the state file (environment variable GPUSIM_STATE, else the fixed path). */
const char *state_path(void);

/* All functions below need the session lock (see session.h). */

/* Bring the snapshot up to date. DRIVER_NOT_LOADED: there is no state file; UNKNOWN: it is not a valid one. */
nvmlReturn_t state_refresh(void);

/* Number of GPU slots of the node. */
int state_slots(void);

/* Text of `key` of the slot, else the text common to all slots. NOT_SUPPORTED when there is none or it is "N/A";
 * the error that a text "!<number>" injects. The text lives until the next refresh. */
nvmlReturn_t state_text(const char *key, int slot, const char **text);

/* The same as a whole number. UNKNOWN when the text is no number. */
nvmlReturn_t state_number(const char *key, int slot, unsigned long long *value);

/* The number, or `fallback` when the key is absent or is no plain number. */
unsigned long long state_number_or(const char *key, int slot, unsigned long long fallback);

/* Set numbers of one slot in one atomic rewrite. NO_PERMISSION when the file may not be replaced. */
nvmlReturn_t state_change(int slot, const state_change_t *changes, size_t count);

/* The same with texts. At most STATE_MAX_CHANGES of them, each at most STATE_MAX_LINE with its key. */
nvmlReturn_t state_change_texts(int slot, const state_text_change_t *changes, size_t count);

#endif
