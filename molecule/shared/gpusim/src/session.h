/* What every NVML call starts and ends with: the lock, the session check, the handle check. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#ifndef GPUSIM_SESSION_H
#define GPUSIM_SESSION_H

#include <stdbool.h>

#include "nvml_abi.h"
#include "state.h"

/* Take the lock, check the session, refresh the state. On an error the lock is not held.
 * `function`: name of the NVML function, so that a state can leave it out (key functions_missing). */
nvmlReturn_t session_enter(const char *function, bool arguments_ok);

/* The same for a call on one GPU: also checks the handle and whether the GPU is lost. */
nvmlReturn_t session_enter_device(const char *function, nvmlDevice_t device, bool arguments_ok, int *slot);

/* Release the lock; returns its argument. */
nvmlReturn_t session_leave(nvmlReturn_t result);

/* The same for a call on a GPU or on a MIG device of it; `place` is the place of the MIG device, -1 for a GPU. */
nvmlReturn_t session_enter_gpu_or_mig(const char *function, nvmlDevice_t device, bool arguments_ok, int *slot,
                                      int *place);

/* Handle of a slot, and slot of a handle (-1: not one of ours, or one of a MIG device). */
nvmlDevice_t session_handle(int slot);
int session_slot(nvmlDevice_t device);

/* Handle of a MIG device. */
nvmlDevice_t session_mig_handle(int slot, int place);

/* True when the GPU has fallen off the bus, or is missing since the last boot. Needs the lock. */
bool session_lost(int slot);

/* NVML's text contract: the whole text with its NUL, or INSUFFICIENT_SIZE. */
nvmlReturn_t session_put_text(char *target, unsigned int size, const char *text);

/* Number that must fit into 32 bits. Needs the lock. */
nvmlReturn_t session_uint(const char *key, int slot, unsigned int *value);

#define ENTER_NODE(arguments_ok)                                      \
    nvmlReturn_t result = session_enter(__func__, (arguments_ok));    \
    if (result != NVML_SUCCESS)                                       \
        return result

#define ENTER_DEVICE(device, arguments_ok)                                                    \
    int slot = -1;                                                                            \
    nvmlReturn_t result = session_enter_device(__func__, (device), (arguments_ok), &slot);    \
    if (result != NVML_SUCCESS)                                                               \
        return result

#define ENTER_GPU_OR_MIG(device, arguments_ok)                                                              \
    int slot = -1, place = -1;                                                                              \
    nvmlReturn_t result = session_enter_gpu_or_mig(__func__, (device), (arguments_ok), &slot, &place);      \
    if (result != NVML_SUCCESS)                                                                             \
        return result

/* A call that returns one number of the state. */
#define UINT_GETTER(name, key)                                          \
    NVML_API nvmlReturn_t name(nvmlDevice_t device, unsigned int *value) \
    {                                                                   \
        ENTER_DEVICE(device, value != NULL);                            \
        return session_leave(session_uint(key, slot, value));           \
    }

#define ULL_GETTER(name, key)                                                 \
    NVML_API nvmlReturn_t name(nvmlDevice_t device, unsigned long long *value) \
    {                                                                         \
        ENTER_DEVICE(device, value != NULL);                                  \
        return session_leave(state_number(key, slot, value));                 \
    }

#define TEXT_GETTER(name, key)                                                         \
    NVML_API nvmlReturn_t name(nvmlDevice_t device, char *text, unsigned int size)     \
    {                                                                                  \
        const char *found = NULL;                                                      \
        ENTER_DEVICE(device, text != NULL);                                            \
        result = state_text(key, slot, &found);                                        \
        return session_leave(result ? result : session_put_text(text, size, found));   \
    }

#endif
