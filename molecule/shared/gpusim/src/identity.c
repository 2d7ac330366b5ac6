/* What a GPU is: name, UUID, serial, PCI address, architecture, firmware. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#include <stdio.h>
#include <string.h>

#include "mig.h"
#include "session.h"

NVML_API nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *text, unsigned int size)
{
    mig_device_t mig;
    const char *found = NULL;
    char whole[128];
    ENTER_GPU_OR_MIG(device, text != NULL);
    result = state_text("name", slot, &found);
    if (result != NVML_SUCCESS || place < 0)
        return session_leave(result ? result : session_put_text(text, size, found));
    result = mig_device(slot, place, &mig);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    snprintf(whole, sizeof whole, "%s MIG %s", found, mig.profile);
    return session_leave(session_put_text(text, size, whole));
}

NVML_API nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *text, unsigned int size)
{
    mig_device_t mig;
    const char *found = NULL;
    ENTER_GPU_OR_MIG(device, text != NULL);
    if (place < 0)
        result = state_text("uuid", slot, &found);
    else if ((result = mig_device(slot, place, &mig)) == NVML_SUCCESS)
        found = mig.uuid;
    return session_leave(result ? result : session_put_text(text, size, found));
}

TEXT_GETTER(nvmlDeviceGetSerial, "serial")
TEXT_GETTER(nvmlDeviceGetVbiosVersion, "vbios_version")
TEXT_GETTER(nvmlDeviceGetBoardPartNumber, "board_part_number")
TEXT_GETTER(nvmlDeviceGetInforomImageVersion, "inforom_image_version")

UINT_GETTER(nvmlDeviceGetMinorNumber, "minor")
UINT_GETTER(nvmlDeviceGetBoardId, "board_id")
UINT_GETTER(nvmlDeviceGetBrand, "brand")
UINT_GETTER(nvmlDeviceGetArchitecture, "architecture")
UINT_GETTER(nvmlDeviceGetNumGpuCores, "cores")
UINT_GETTER(nvmlDeviceGetModuleId, "module_id")
UINT_GETTER(nvmlDeviceGetMemoryBusWidth, "memory_bus_width")
UINT_GETTER(nvmlDeviceGetDisplayMode, "display_mode")
UINT_GETTER(nvmlDeviceGetDisplayActive, "display_active")
UINT_GETTER(nvmlDeviceGetNumFans, "fans")
UINT_GETTER(nvmlDeviceGetMultiGpuBoard, "multi_gpu_board")

NVML_API nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
    const char *found = NULL;
    ENTER_DEVICE(device, version != NULL);
    result = state_text("gsp_firmware_version", slot, &found);
    return session_leave(result ? result : session_put_text(version, 64, found)); /* 64: fixed by the interface */
}

NVML_API nvmlReturn_t nvmlDeviceGetGspFirmwareMode(nvmlDevice_t device, unsigned int *enabled, unsigned int *is_default)
{
    const char *found = NULL;
    ENTER_DEVICE(device, enabled != NULL && is_default != NULL);
    *enabled = *is_default = state_text("gsp_firmware_version", slot, &found) == NVML_SUCCESS;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    const char *found = NULL;
    ENTER_DEVICE(device, major != NULL && minor != NULL);
    result = state_text("cuda_capability", slot, &found);
    if (result == NVML_SUCCESS && sscanf(found, "%d.%d", major, minor) != 2)
        result = NVML_ERROR_UNKNOWN;
    return session_leave(result);
}

/* The PCI address of a slot, from "DDDDDDDD:BB:DD.0". */
static nvmlReturn_t pci_address(int slot, const char **text, unsigned int *domain, unsigned int *bus, unsigned int *unit)
{
    nvmlReturn_t result = state_text("bus_id", slot, text);
    if (result == NVML_SUCCESS && (strlen(*text) >= 32 || sscanf(*text, "%x:%x:%x", domain, bus, unit) != 3))
        result = NVML_ERROR_UNKNOWN;
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    const char *text = NULL;
    ENTER_DEVICE(device, pci != NULL);
    memset(pci, 0, sizeof *pci);
    result = pci_address(slot, &text, &pci->domain, &pci->bus, &pci->device);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    snprintf(pci->busId, sizeof pci->busId, "%s", text);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xffff, pci->bus & 0xff,
             pci->device & 0xff);
    pci->pciDeviceId = (unsigned int)state_number_or("pci_device_id", slot, 0);
    pci->pciSubSystemId = (unsigned int)state_number_or("pci_subsystem_id", slot, 0);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    return nvmlDeviceGetPciInfo_v3(device, pci);
}

NVML_API nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_v1_t *pci)
{
    const char *text = NULL;
    ENTER_DEVICE(device, pci != NULL);
    if (pci->version != NVML_STRUCT_VERSION(nvmlPciInfoExt_v1_t, 1))
        return session_leave(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    result = pci_address(slot, &text, &pci->domain, &pci->bus, &pci->device);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    snprintf(pci->busId, sizeof pci->busId, "%s", text);
    pci->pciDeviceId = (unsigned int)state_number_or("pci_device_id", slot, 0);
    pci->pciSubSystemId = (unsigned int)state_number_or("pci_subsystem_id", slot, 0);
    pci->baseClass = 3; /* display controller, 3D */
    pci->subClass = 2;
    return session_leave(result);
}

/* The NUMA nodes that are nearest: one bit for each node. The scope makes no difference here. */
NVML_API nvmlReturn_t nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned int size, unsigned long *nodes,
                                                  unsigned int scope)
{
    enum { BITS = 8 * sizeof *nodes };
    unsigned int node = 0;
    ENTER_DEVICE(device, nodes != NULL && size > 0 && scope < 2);
    result = session_uint("numa_node", slot, &node);
    if (result == NVML_SUCCESS && node / BITS >= size)
        result = NVML_ERROR_INSUFFICIENT_SIZE;
    if (result != NVML_SUCCESS)
        return session_leave(result);
    memset(nodes, 0, size * sizeof *nodes);
    nodes[node / BITS] = 1UL << node % BITS;
    return session_leave(result);
}
