/* The list of processes that hold a GPU. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#ifndef GPUSIM_PROCESSES_H
#define GPUSIM_PROCESSES_H

#include "nvml_abi.h"

enum { PROCESSES_MAX = 64 };

typedef struct {
    unsigned int pid;
    unsigned long long memory; /* bytes */
    char name[128];
} process_t;

/* Fill `list` (PROCESSES_MAX entries). UNKNOWN when the state's list is malformed. Needs the session lock. */
nvmlReturn_t processes_of(int slot, process_t *list, unsigned int *count);

#endif
