# What GPUs did under each power limit, as published measurements have it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every number is from the file that C(origin) names; seconds and watts are rounded to a tenth. Seconds are those of
the same piece of work (an epoch), watts the mean power of the GPU meanwhile, each measured once by the authors. Batch
sizes are 32 (BERT), 256 (ResNet-50) and 192 (DeepSpeech2), or the largest that they measured on a GPU with less memory.
Nothing is interpolated. Under the lowest limits an A40 draws more than its limit, which is so in the source.
"""

from __future__ import annotations

import typing as t

SCHEMA_VERSION = 1

# The traces of "Zeus: Understanding and Optimizing GPU Energy Consumption of DNN Training" (NSDI 2023), Apache-2.0.
_ZEUS = (
    "https://github.com/ml-energy/zeus/blob/75a8b9398034eb9baf74ca0a830c2c31bcce52cd/"
    "examples/research_reproducibility/zeus_nsdi23/trace/"
)

CURVES: list[dict[str, t.Any]] = [
    {
        "model": "V100",
        "workload": "language_training",
        "origin": f"{_ZEUS}summary_power_v100.csv: BERT base on SQuAD, batch size 32, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 3583.4, "mean_watts": 99.5},
            {"limit_watts": 125, "seconds": 2734.5, "mean_watts": 121.8},
            {"limit_watts": 150, "seconds": 2221.1, "mean_watts": 146.4},
            {"limit_watts": 175, "seconds": 1939.2, "mean_watts": 170.6},
            {"limit_watts": 200, "seconds": 1843.1, "mean_watts": 191.2},
            {"limit_watts": 225, "seconds": 1776.2, "mean_watts": 212.6},
            {"limit_watts": 250, "seconds": 1733.3, "mean_watts": 228.2},
        ],
    },
    {
        "model": "V100",
        "workload": "vision_training",
        "origin": f"{_ZEUS}summary_power_v100.csv: ResNet-50 on ImageNet, batch size 256, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 6781.2, "mean_watts": 98.4},
            {"limit_watts": 125, "seconds": 5065.0, "mean_watts": 122.0},
            {"limit_watts": 150, "seconds": 4148.7, "mean_watts": 144.6},
            {"limit_watts": 175, "seconds": 3852.2, "mean_watts": 166.4},
            {"limit_watts": 200, "seconds": 3701.0, "mean_watts": 184.9},
            {"limit_watts": 225, "seconds": 3584.3, "mean_watts": 205.4},
            {"limit_watts": 250, "seconds": 3515.0, "mean_watts": 220.3},
        ],
    },
    {
        "model": "V100",
        "workload": "speech_training",
        "origin": f"{_ZEUS}summary_power_v100.csv: DeepSpeech2 on LibriSpeech, batch size 192, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 8477.9, "mean_watts": 98.1},
            {"limit_watts": 125, "seconds": 7362.0, "mean_watts": 115.0},
            {"limit_watts": 150, "seconds": 6845.6, "mean_watts": 125.7},
            {"limit_watts": 175, "seconds": 6533.7, "mean_watts": 134.8},
            {"limit_watts": 200, "seconds": 6353.2, "mean_watts": 143.9},
            {"limit_watts": 225, "seconds": 6199.1, "mean_watts": 153.2},
            {"limit_watts": 250, "seconds": 6181.6, "mean_watts": 160.6},
        ],
    },
    {
        "model": "P100",
        "workload": "language_training",
        "origin": f"{_ZEUS}summary_power_p100.csv: BERT base on SQuAD, batch size 24, one epoch",
        "points": [
            {"limit_watts": 125, "seconds": 3472.4, "mean_watts": 117.4},
            {"limit_watts": 150, "seconds": 3249.7, "mean_watts": 134.8},
            {"limit_watts": 175, "seconds": 3052.8, "mean_watts": 157.4},
            {"limit_watts": 200, "seconds": 2966.5, "mean_watts": 171.4},
            {"limit_watts": 225, "seconds": 2950.5, "mean_watts": 180.1},
            {"limit_watts": 250, "seconds": 2952.2, "mean_watts": 178.7},
        ],
    },
    {
        "model": "P100",
        "workload": "vision_training",
        "origin": f"{_ZEUS}summary_power_p100.csv: ResNet-50 on ImageNet, batch size 128, one epoch",
        "points": [
            {"limit_watts": 125, "seconds": 7172.4, "mean_watts": 112.6},
            {"limit_watts": 150, "seconds": 6678.8, "mean_watts": 127.6},
            {"limit_watts": 175, "seconds": 6453.9, "mean_watts": 143.4},
            {"limit_watts": 200, "seconds": 6321.5, "mean_watts": 155.0},
            {"limit_watts": 225, "seconds": 6286.0, "mean_watts": 163.5},
            {"limit_watts": 250, "seconds": 6278.0, "mean_watts": 165.5},
        ],
    },
    {
        "model": "P100",
        "workload": "speech_training",
        "origin": f"{_ZEUS}summary_power_p100.csv: DeepSpeech2 on LibriSpeech, batch size 72, one epoch",
        "points": [
            {"limit_watts": 125, "seconds": 22267.9, "mean_watts": 103.5},
            {"limit_watts": 150, "seconds": 20470.0, "mean_watts": 113.8},
            {"limit_watts": 175, "seconds": 19938.6, "mean_watts": 123.3},
            {"limit_watts": 200, "seconds": 19515.9, "mean_watts": 127.2},
            {"limit_watts": 225, "seconds": 19253.0, "mean_watts": 134.5},
            {"limit_watts": 250, "seconds": 19146.6, "mean_watts": 136.6},
        ],
    },
    {
        "model": "A40",
        "workload": "language_training",
        "origin": f"{_ZEUS}summary_power_a40.csv: BERT base on SQuAD, batch size 32, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 3699.8, "mean_watts": 105.9},
            {"limit_watts": 125, "seconds": 2381.7, "mean_watts": 122.9},
            {"limit_watts": 150, "seconds": 1586.2, "mean_watts": 145.4},
            {"limit_watts": 175, "seconds": 1156.8, "mean_watts": 167.1},
            {"limit_watts": 200, "seconds": 1028.1, "mean_watts": 188.6},
            {"limit_watts": 225, "seconds": 967.4, "mean_watts": 210.0},
            {"limit_watts": 250, "seconds": 934.9, "mean_watts": 232.1},
            {"limit_watts": 275, "seconds": 913.3, "mean_watts": 251.2},
            {"limit_watts": 300, "seconds": 909.5, "mean_watts": 267.0},
        ],
    },
    {
        "model": "A40",
        "workload": "vision_training",
        "origin": f"{_ZEUS}summary_power_a40.csv: ResNet-50 on ImageNet, batch size 256, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 10606.2, "mean_watts": 120.7},
            {"limit_watts": 125, "seconds": 9639.8, "mean_watts": 125.5},
            {"limit_watts": 150, "seconds": 6326.8, "mean_watts": 144.6},
            {"limit_watts": 175, "seconds": 4705.6, "mean_watts": 160.2},
            {"limit_watts": 200, "seconds": 4123.5, "mean_watts": 177.6},
            {"limit_watts": 225, "seconds": 3909.5, "mean_watts": 196.4},
            {"limit_watts": 250, "seconds": 3865.0, "mean_watts": 214.6},
            {"limit_watts": 275, "seconds": 3857.8, "mean_watts": 230.8},
            {"limit_watts": 300, "seconds": 3847.5, "mean_watts": 235.2},
        ],
    },
    {
        "model": "A40",
        "workload": "speech_training",
        "origin": f"{_ZEUS}summary_power_a40.csv: DeepSpeech2 on LibriSpeech, batch size 192, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 24866.2, "mean_watts": 106.9},
            {"limit_watts": 125, "seconds": 20707.2, "mean_watts": 115.9},
            {"limit_watts": 150, "seconds": 13033.0, "mean_watts": 128.5},
            {"limit_watts": 175, "seconds": 11342.5, "mean_watts": 142.2},
            {"limit_watts": 200, "seconds": 10628.1, "mean_watts": 155.1},
            {"limit_watts": 225, "seconds": 9923.8, "mean_watts": 161.7},
            {"limit_watts": 250, "seconds": 9758.1, "mean_watts": 164.4},
            {"limit_watts": 275, "seconds": 9692.8, "mean_watts": 168.7},
            {"limit_watts": 300, "seconds": 9730.1, "mean_watts": 167.8},
        ],
    },
    {
        "model": "Quadro RTX 6000",
        "workload": "language_training",
        "origin": f"{_ZEUS}summary_power_rtx6000.csv: BERT base on SQuAD, batch size 32, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 5117.2, "mean_watts": 97.4},
            {"limit_watts": 125, "seconds": 3016.6, "mean_watts": 119.4},
            {"limit_watts": 150, "seconds": 2440.3, "mean_watts": 141.8},
            {"limit_watts": 175, "seconds": 2195.5, "mean_watts": 163.6},
            {"limit_watts": 200, "seconds": 2044.9, "mean_watts": 185.2},
            {"limit_watts": 225, "seconds": 1958.0, "mean_watts": 206.8},
            {"limit_watts": 250, "seconds": 1894.6, "mean_watts": 228.1},
            {"limit_watts": 260, "seconds": 1885.1, "mean_watts": 235.8},
        ],
    },
    {
        "model": "Quadro RTX 6000",
        "workload": "vision_training",
        "origin": f"{_ZEUS}summary_power_rtx6000.csv: ResNet-50 on ImageNet, batch size 256, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 12754.5, "mean_watts": 98.7},
            {"limit_watts": 125, "seconds": 7500.1, "mean_watts": 121.6},
            {"limit_watts": 150, "seconds": 6238.7, "mean_watts": 142.0},
            {"limit_watts": 175, "seconds": 5713.7, "mean_watts": 162.9},
            {"limit_watts": 200, "seconds": 5449.6, "mean_watts": 183.2},
            {"limit_watts": 225, "seconds": 5281.7, "mean_watts": 203.3},
            {"limit_watts": 250, "seconds": 5175.5, "mean_watts": 222.7},
            {"limit_watts": 260, "seconds": 5141.5, "mean_watts": 230.3},
        ],
    },
    {
        "model": "Quadro RTX 6000",
        "workload": "speech_training",
        "origin": f"{_ZEUS}summary_power_rtx6000.csv: DeepSpeech2 on LibriSpeech, batch size 128, one epoch",
        "points": [
            {"limit_watts": 100, "seconds": 14337.3, "mean_watts": 89.2},
            {"limit_watts": 125, "seconds": 9985.3, "mean_watts": 107.3},
            {"limit_watts": 150, "seconds": 9062.7, "mean_watts": 121.3},
            {"limit_watts": 175, "seconds": 8680.6, "mean_watts": 134.9},
            {"limit_watts": 200, "seconds": 8363.5, "mean_watts": 148.4},
            {"limit_watts": 225, "seconds": 8245.6, "mean_watts": 156.7},
            {"limit_watts": 250, "seconds": 8187.6, "mean_watts": 162.1},
            {"limit_watts": 260, "seconds": 8136.4, "mean_watts": 165.4},
        ],
    },
]
