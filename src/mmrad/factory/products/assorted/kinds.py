"""The kinds of parts of assorted products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmrad.factory import parts as shared
from mmrad.factory.products.assorted import parts as own
from mmrad.factory.scene import Paint


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of part: its look, size in pixels, and what can be wrong with it.

    Attributes:
        role, paint: as in `Part`.
        width: least and largest width; `ratio`, of the height to it.
        colour: "any", "metal", "body" (the body's own), or "relief" (a shade of it).
        rise: height above the body.
        loose: lies at any angle, so that its angle says nothing.
        turned: looks faulty when turned.
        bends: has a `bend`.
        signs: its seed is a sign that can be wrong or swapped.
    """

    role: str
    paint: Paint
    width: tuple[float, float]
    ratio: tuple[float, float] = (1.0, 1.0)
    colour: Literal["any", "metal", "body", "relief"] = "any"
    rise: int = 25
    loose: bool = False
    turned: bool = False
    bends: bool = False
    signs: bool = False


KINDS = (
    Kind("screw", shared.screw_head, (18, 30), colour="metal", loose=True),
    Kind("nut", shared.nut, (22, 36), colour="metal", loose=True),
    Kind("washer", shared.washer, (22, 38), colour="metal"),
    Kind("bolt", shared.screw_side, (52, 90), (0.2, 0.3), "metal", turned=True, bends=True),
    Kind("wire", shared.cable, (8, 14), (4.0, 7.0), bends=True),
    Kind("hole", own.through_hole, (16, 36), colour="relief", rise=0),
    Kind("slot", own.through_slot, (34, 60), (0.3, 0.45), "relief", rise=0, turned=True),
    Kind("dimple", own.dimple, (12, 26), colour="relief"),
    Kind("rivet", own.stud, (14, 26), colour="metal"),
    Kind("bead", own.bead, (14, 34)),
    Kind("tablet", own.tablet, (24, 46), loose=True),
    Kind("stone", own.gem, (22, 50), (0.7, 1.0), turned=True),
    Kind("component", own.block, (32, 70), (0.5, 0.9), turned=True, signs=True),
    Kind("sign", own.glyph, (20, 40), (1.1, 1.4), rise=3, turned=True, signs=True),
    Kind("key", own.key, (30, 52), (0.7, 1.0), turned=True, signs=True),
    Kind("emblem", own.icon, (28, 70), rise=6, turned=True, signs=True),
    Kind("label", own.tag, (56, 92), (0.5, 1.0), rise=8, turned=True, signs=True),
    Kind("pin", own.pin, (7, 12), (3.6, 5.0), "metal", rise=50, bends=True),
    Kind("resistor", own.barrel, (36, 60), (0.26, 0.36), bends=True, turned=True, signs=True),
    Kind("spring", own.coil, (48, 84), (0.25, 0.4), "metal", bends=True, turned=True),
    Kind("clip", own.clip, (30, 54), (0.4, 0.6), "metal", bends=True, turned=True),
    Kind("window", own.window, (40, 84), (0.5, 1.0), turned=True),
    Kind("knob", own.knob, (32, 62), turned=True, rise=40),
    Kind("leaf", own.petal, (26, 52), (0.4, 0.6), rise=6, turned=True),
    Kind("patch", own.patch, (18, 46), (0.5, 1.0), rise=2, turned=True, signs=True),
    Kind("groove", own.groove, (34, 80), (0.25, 0.5), "relief", rise=-24, turned=True, signs=True),
    Kind("stitch", own.stitch, (12, 20), (0.28, 0.36), turned=True, rise=12),
    Kind("rib", own.rib, (28, 70), (0.14, 0.3), "relief", turned=True, rise=34),
    Kind("seal", own.ring, (28, 56)),
    Kind("terminal", own.terminal, (44, 72), (0.32, 0.44), turned=True, rise=45),
)


TOOTH = Kind("tooth", own.tooth, (0, 0), colour="body", rise=0, bends=True)
"""Set around a wheel, not placed by chance."""
