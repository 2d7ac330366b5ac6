/* Error counters that both the named calls and the field values report. All need the session lock. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#ifndef GPUSIM_HEALTH_H
#define GPUSIM_HEALTH_H

#include <stdbool.h>

#include "nvml_abi.h"

enum { ECC_DRAM = 1, ECC_SRAM = 2, ECC_ALL = 3 };

/* Sum of the ECC errors of the places in the mask. NOT_SUPPORTED while ECC is off. */
nvmlReturn_t ecc_errors(int slot, bool uncorrected, bool aggregate, int places, unsigned long long *count);

/* Number of NVLinks of the GPU; NOT_SUPPORTED on a board without NVLink. */
nvmlReturn_t nvlink_count(int slot, unsigned int *count);

/* Whether a link is up (1) or down (0). */
nvmlReturn_t nvlink_state(int slot, unsigned int link, unsigned int *active);

/* A counter of one link: "crc_flit", "crc_data", "replay", "recovery", "ecc". */
nvmlReturn_t nvlink_counter(int slot, const char *kind, unsigned int link, unsigned long long *count);

/* The same over all links. */
nvmlReturn_t nvlink_counter_total(int slot, const char *kind, unsigned long long *count);

#endif
