"""The defect classes of VisA's masks, from the id2class table of its official repository, in plain words."""

from __future__ import annotations

_PCB = {1: "bent", 2: "melt", 3: "scratch", 4: "missing"}

CLASS_NAMES: dict[str, dict[int, str]] = {
    "candle": {
        1: "chunk of wax missing",
        2: "damaged corner of packaging",
        3: "weird candle wick",
        4: "different color spot",
        5: "extra wax in candle",
        6: "foreign particles on candle",
        7: "wax melted out of the candle",
        8: "other",
    },
    "capsules": {1: "bubble", 2: "discolor", 3: "scratch", 4: "leak", 5: "misshape"},
    "cashew": {
        1: "burnt",
        2: "corner or edge breakage",
        3: "different color spot",
        4: "middle breakage",
        5: "small holes",
        6: "small scratches",
        7: "stuck together",
        8: "same color spot",
        9: "other",
    },
    "chewinggum": {
        1: "chunk of gum missing",
        2: "corner missing",
        3: "scratches",
        4: "similar color spot",
        5: "small cracks",
        6: "other",
    },
    "fryum": {
        1: "burnt",
        2: "corner or edge breakage",
        3: "different color spot",
        4: "fryum stuck together",
        5: "middle breakage",
        6: "similar color spot",
        7: "small scratches",
        8: "other",
    },
    "macaroni1": {
        1: "chip around edge and corner",
        2: "different color spot",
        3: "middle breakage",
        4: "similar color spot",
        5: "small cracks",
        6: "small scratches",
        7: "other",
    },
    "macaroni2": {
        1: "breakage down the middle",
        2: "color spot similar to the object",
        3: "different color spot",
        4: "small chip around edge",
        5: "small cracks",
        6: "small scratches",
        7: "other",
    },
    "pcb1": _PCB,
    "pcb2": _PCB,
    "pcb3": _PCB,
    "pcb4": {1: "burnt", 2: "scratch", 3: "missing", 4: "damage", 5: "extra", 6: "wrong place", 7: "dirt"},
    "pipe_fryum": {
        1: "burnt",
        2: "corner and edge breakage",
        3: "different color spot",
        4: "middle breakage",
        5: "similar color spot",
        6: "small scratches",
        7: "stuck together",
        8: "small cracks",
        9: "other",
    },
}
"""Label of each mask value by category."""
