/* nvmlDeviceGetFieldValues: the numbered fields that DCGM and exporters ask for. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#include <limits.h>
#include <string.h>
#include <time.h>

#include "health.h"
#include "session.h"

typedef struct {
    unsigned int id;
    unsigned int type;
    const char *key;
} plain_field_t;

/* Fields that are one number of the state. */
static const plain_field_t plain_fields[] = {
    {1, NVML_VALUE_UINT, "ecc_mode_current"},
    {2, NVML_VALUE_UINT, "ecc_mode_pending"},
    {29, NVML_VALUE_ULL, "retired_pages_single"},
    {30, NVML_VALUE_ULL, "retired_pages_double"},
    {31, NVML_VALUE_ULL, "retired_pages_pending"},
    {74, NVML_VALUE_ULL, "violation_power"},
    {75, NVML_VALUE_ULL, "violation_thermal"},
    {76, NVML_VALUE_ULL, "violation_sync_boost"},
    {77, NVML_VALUE_ULL, "violation_board_limit"},
    {78, NVML_VALUE_ULL, "violation_low_utilization"},
    {79, NVML_VALUE_ULL, "violation_reliability"},
    {80, NVML_VALUE_ULL, "violation_app_clocks"},
    {81, NVML_VALUE_ULL, "violation_base_clocks"},
    {82, NVML_VALUE_UINT, "temperature_memory"},
    {83, NVML_VALUE_ULL, "energy"},
    {94, NVML_VALUE_UINT, "pcie_replay"},
    {95, NVML_VALUE_UINT, "pcie_replay_rollover"},
    {142, NVML_VALUE_UINT, "remapped_rows_correctable"},
    {143, NVML_VALUE_UINT, "remapped_rows_uncorrectable"},
    {144, NVML_VALUE_UINT, "remapped_rows_pending"},
    {145, NVML_VALUE_UINT, "remapped_rows_failure"},
    {185, NVML_VALUE_UINT, "power_usage"},
    {186, NVML_VALUE_UINT, "power_usage"},
    {187, NVML_VALUE_UINT, "power_limit_min"},
    {188, NVML_VALUE_UINT, "power_limit_max"},
    {189, NVML_VALUE_UINT, "power_limit_default"},
    {190, NVML_VALUE_UINT, "power_limit"},
    {192, NVML_VALUE_UINT, "power_limit"},
    {230, NVML_VALUE_UINT, "recovery_action"},
    {269, NVML_VALUE_ULL, "violation_sw_thermal"},
    {270, NVML_VALUE_ULL, "violation_hw_thermal"},
    {271, NVML_VALUE_ULL, "violation_hw_power_brake"},
};

/* Links 0-5 and 6-11 of a counter stand in two ranges of ids, the sum over all links behind the first. */
typedef struct {
    unsigned int first, total, second;
    const char *kind;
} link_fields_t;

static const link_fields_t link_fields[] = {
    {32, 38, 96, "crc_flit"}, {39, 45, 102, "crc_data"}, {46, 52, 108, "replay"},
    {53, 59, 114, "recovery"}, {148, 160, 154, "ecc"},
};

static void put_ull(nvmlFieldValue_t *field, nvmlReturn_t result, unsigned long long value)
{
    field->nvmlReturn = result;
    field->valueType = NVML_VALUE_ULL;
    field->value.ullVal = result == NVML_SUCCESS ? value : 0;
}

static void put_uint(nvmlFieldValue_t *field, nvmlReturn_t result, unsigned long long value)
{
    field->nvmlReturn = result == NVML_SUCCESS && value > UINT_MAX ? NVML_ERROR_UNKNOWN : result;
    field->valueType = NVML_VALUE_UINT;
    field->value.uiVal = field->nvmlReturn == NVML_SUCCESS ? (unsigned int)value : 0;
}

static bool plain_field(nvmlFieldValue_t *field, int slot)
{
    for (size_t i = 0; i < sizeof plain_fields / sizeof *plain_fields; i++) {
        const plain_field_t *plain = &plain_fields[i];
        unsigned long long value = 0;
        if (plain->id != field->fieldId)
            continue;
        nvmlReturn_t result = state_number(plain->key, slot, &value);
        if (plain->type == NVML_VALUE_ULL)
            put_ull(field, result, value);
        else
            put_uint(field, result, value);
        return true;
    }
    return false;
}

static bool ecc_field(nvmlFieldValue_t *field, int slot)
{
    /* id: corrected?, aggregate?, place; the other cache fields are not counted since Ampere */
    static const struct {
        unsigned int id;
        bool uncorrected, aggregate;
        int places;
    } ecc_fields[] = {
        {3, false, false, ECC_ALL},   {4, true, false, ECC_ALL},   {5, false, true, ECC_ALL},
        {6, true, true, ECC_ALL},     {11, false, false, ECC_DRAM}, {12, true, false, ECC_DRAM},
        {22, false, true, ECC_DRAM}, {23, true, true, ECC_DRAM},
    };
    for (size_t i = 0; i < sizeof ecc_fields / sizeof *ecc_fields; i++)
        if (ecc_fields[i].id == field->fieldId) {
            unsigned long long value = 0;
            nvmlReturn_t result =
                ecc_errors(slot, ecc_fields[i].uncorrected, ecc_fields[i].aggregate, ecc_fields[i].places, &value);
            put_ull(field, result, value);
            return true;
        }
    return false;
}

static bool link_counter_field(nvmlFieldValue_t *field, int slot)
{
    for (size_t i = 0; i < sizeof link_fields / sizeof *link_fields; i++) {
        const link_fields_t *range = &link_fields[i];
        unsigned long long value = 0;
        nvmlReturn_t result;
        if (field->fieldId == range->total)
            result = nvlink_counter_total(slot, range->kind, &value);
        else if (field->fieldId >= range->first && field->fieldId < range->first + 6)
            result = nvlink_counter(slot, range->kind, field->fieldId - range->first, &value);
        else if (field->fieldId >= range->second && field->fieldId < range->second + 6)
            result = nvlink_counter(slot, range->kind, field->fieldId - range->second + 6, &value);
        else
            continue;
        put_ull(field, result, value);
        return true;
    }
    return false;
}

/* Speed of one link in MB/s: 0 when the link is down. */
static nvmlReturn_t link_speed(int slot, unsigned int link, unsigned long long *mbps)
{
    unsigned int active = 0;
    nvmlReturn_t result = nvlink_state(slot, link, &active);
    if (result == NVML_SUCCESS)
        result = state_number("nvlink_speed", slot, mbps);
    if (result == NVML_SUCCESS && active == 0)
        *mbps = 0;
    return result;
}

static bool link_field(nvmlFieldValue_t *field, int slot)
{
    unsigned int id = field->fieldId, link = field->scopeId, small = 0;
    unsigned long long value = 0;
    bool wide = false; /* a 64-bit counter */
    nvmlReturn_t result;
    if (id >= 84 && id <= 89)
        result = link_speed(slot, id - 84, &value);
    else if (id >= 132 && id <= 137)
        result = link_speed(slot, id - 132 + 6, &value);
    else if (id == 90)
        result = state_number("nvlink_speed", slot, &value);
    else if (id == 91)
        result = nvlink_count(slot, &small);
    else if ((wide = id == 138 || id == 140))
        result = state_number("nvlink_tx", slot, &value);
    else if ((wide = id == 139 || id == 141))
        result = state_number("nvlink_rx", slot, &value);
    else if ((wide = id == 161))
        result = nvlink_counter(slot, "replay", link, &value);
    else if ((wide = id == 162))
        result = nvlink_counter(slot, "recovery", link, &value);
    else if ((wide = id == 163))
        result = nvlink_counter(slot, "crc_flit", link, &value);
    else if (id == 164)
        result = link_speed(slot, link, &value);
    else if (id == 165)
        result = nvlink_state(slot, link, &small);
    else if (id == 166)
        result = state_number("nvlink_version", slot, &value);
    else
        return false;
    if (wide)
        put_ull(field, result, value);
    else
        put_uint(field, result, value + small);
    return true;
}

/* Distance of a threshold to the highest working temperature (0 there, negative beyond it), as Hopper counts. */
static bool margin_field(nvmlFieldValue_t *field, int slot)
{
    static const char *const keys[] = {"temperature_shutdown", "temperature_slowdown", "temperature_memory_max",
                                       "temperature_gpu_max"};
    unsigned long long limit = 0, highest = 0;
    if (field->fieldId < 193 || field->fieldId > 196)
        return false;
    nvmlReturn_t result = state_number(keys[field->fieldId - 193], slot, &limit);
    if (result == NVML_SUCCESS)
        result = state_number(field->fieldId == 195 ? "temperature_memory_max" : "temperature_gpu_max", slot, &highest);
    if (result == NVML_SUCCESS && state_number_or("temperature_margin_supported", slot, 0) == 0)
        result = NVML_ERROR_NOT_SUPPORTED;
    field->nvmlReturn = result;
    field->valueType = NVML_VALUE_SINT;
    field->value.siVal = result == NVML_SUCCESS ? (int)highest - (int)limit : 0;
    return true;
}

NVML_API nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *fields)
{
    struct timespec now;
    ENTER_DEVICE(device, fields != NULL && count > 0);
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < count; i++) {
        nvmlFieldValue_t *field = &fields[i];
        field->timestamp = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
        field->latencyUsec = 0;
        memset(&field->value, 0, sizeof field->value);
        if (!plain_field(field, slot) && !ecc_field(field, slot) && !link_counter_field(field, slot) &&
            !link_field(field, slot) && !margin_field(field, slot))
            put_ull(field, NVML_ERROR_NOT_SUPPORTED, 0);
    }
    return session_leave(result);
}
