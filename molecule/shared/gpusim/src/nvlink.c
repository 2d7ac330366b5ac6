/* NVLink: state, speed, error counters and what is at the other end. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#include <stdio.h>
#include <string.h>

#include "health.h"
#include "session.h"

enum { NVLINK_MAX_LINKS = 18 };

nvmlReturn_t nvlink_count(int slot, unsigned int *count)
{
    nvmlReturn_t result = session_uint("nvlink_count", slot, count);
    if (result == NVML_SUCCESS && *count == 0)
        result = NVML_ERROR_NOT_SUPPORTED;
    if (result == NVML_SUCCESS && *count > NVLINK_MAX_LINKS)
        result = NVML_ERROR_UNKNOWN;
    return result;
}

/* The link exists on this GPU. */
static nvmlReturn_t check_link(int slot, unsigned int link)
{
    unsigned int count = 0;
    nvmlReturn_t result = nvlink_count(slot, &count);
    return result == NVML_SUCCESS && link >= count ? NVML_ERROR_NOT_SUPPORTED : result;
}

nvmlReturn_t nvlink_state(int slot, unsigned int link, unsigned int *active)
{
    char key[STATE_MAX_KEY];
    nvmlReturn_t result = check_link(slot, link);
    snprintf(key, sizeof key, "nvlink_state_%u", link);
    if (result == NVML_SUCCESS)
        *active = state_number_or(key, slot, 1) != 0; /* only a link that is down is written down */
    return result;
}

nvmlReturn_t nvlink_counter(int slot, const char *kind, unsigned int link, unsigned long long *count)
{
    char key[STATE_MAX_KEY];
    nvmlReturn_t result = check_link(slot, link);
    snprintf(key, sizeof key, "nvlink_%s_%u", kind, link);
    if (result == NVML_SUCCESS)
        *count = state_number_or(key, slot, 0);
    return result;
}

nvmlReturn_t nvlink_counter_total(int slot, const char *kind, unsigned long long *count)
{
    unsigned int links = 0;
    nvmlReturn_t result = nvlink_count(slot, &links);
    *count = 0;
    for (unsigned int link = 0; link < links && result == NVML_SUCCESS; link++) {
        unsigned long long one = 0;
        result = nvlink_counter(slot, kind, link, &one);
        *count += one;
    }
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, unsigned int *active)
{
    ENTER_DEVICE(device, active != NULL && link < NVLINK_MAX_LINKS);
    return session_leave(nvlink_state(slot, link, active));
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned int link, unsigned int *version)
{
    ENTER_DEVICE(device, version != NULL && link < NVLINK_MAX_LINKS);
    result = check_link(slot, link);
    return session_leave(result ? result : session_uint("nvlink_version", slot, version));
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkCapability(nvmlDevice_t device, unsigned int link, unsigned int capability,
                                                    unsigned int *value)
{
    ENTER_DEVICE(device, value != NULL && link < NVLINK_MAX_LINKS && capability < 6);
    result = check_link(slot, link);
    if (result == NVML_SUCCESS)
        *value = capability != 5; /* all but SLI */
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link, unsigned int counter,
                                                      unsigned long long *count)
{
    static const char *const kinds[] = {"replay", "recovery", "crc_flit", "crc_data", "ecc"};
    ENTER_DEVICE(device, count != NULL && link < NVLINK_MAX_LINKS && counter < sizeof kinds / sizeof *kinds);
    return session_leave(nvlink_counter(slot, kinds[counter], link, count));
}

/* The item of a link in a comma-separated list, which starts again when there are more links than items.
 * UNKNOWN: the item does not fit. */
static nvmlReturn_t item_of_link(const char *key, int slot, unsigned int link, char *item, size_t size)
{
    const char *at = NULL;
    size_t length, items = 1;
    nvmlReturn_t result = state_text(key, slot, &at);
    if (result != NVML_SUCCESS)
        return result;
    for (const char *comma = at; (comma = strchr(comma, ',')) != NULL; comma++)
        items++;
    for (size_t skipped = link % items; skipped > 0; skipped--)
        at = strchr(at, ',') + 1;
    length = strcspn(at, ",");
    if (length >= size)
        return NVML_ERROR_UNKNOWN;
    memcpy(item, at, length);
    item[length] = '\0';
    return NVML_SUCCESS;
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci)
{
    ENTER_DEVICE(device, pci != NULL && link < NVLINK_MAX_LINKS);
    memset(pci, 0, sizeof *pci);
    result = check_link(slot, link);
    if (result == NVML_SUCCESS)
        result = item_of_link("nvlink_remote_bus_id", slot, link, pci->busId, sizeof pci->busId);
    if (result == NVML_SUCCESS && sscanf(pci->busId, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device) != 3)
        result = NVML_ERROR_UNKNOWN;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int link, unsigned int *type)
{
    char item[8];
    ENTER_DEVICE(device, type != NULL && link < NVLINK_MAX_LINKS);
    result = check_link(slot, link);
    if (result == NVML_SUCCESS)
        result = item_of_link("nvlink_remote_type", slot, link, item, sizeof item);
    if (result == NVML_SUCCESS && sscanf(item, "%u", type) != 1)
        result = NVML_ERROR_UNKNOWN;
    return session_leave(result);
}
