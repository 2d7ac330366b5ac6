/* MIG devices: the instances that a GPU in MIG mode is divided into. All need the session lock. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#ifndef GPUSIM_MIG_H
#define GPUSIM_MIG_H

#include "nvml_abi.h"

enum { MIG_MAX_DEVICES = 7 };

typedef struct {
    unsigned int gpu_instance, compute_instance;
    unsigned long long memory; /* bytes */
    char profile[32];          /* 1g.10gb */
    char uuid[80];
} mig_device_t;

/* The MIG device at a place (counted from 0) of a GPU. NOT_FOUND: there is none, or MIG is off. UNKNOWN: the state's
 * list is malformed. */
nvmlReturn_t mig_device(int slot, int place, mig_device_t *mig);

#endif
