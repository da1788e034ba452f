"""The adapters by name."""

from __future__ import annotations

from mmrad.sources.base import Adapter
from mmrad.sources.beside import DAGM, KOLEKTOR, KOLEKTOR_2, MAGNETIC_TILE
from mmrad.sources.cableinspect import CABLEINSPECT
from mmrad.sources.deeppcb import DEEPPCB
from mmrad.sources.folder import FOLDER
from mmrad.sources.labelme import BSDATA
from mmrad.sources.loco import LOCO
from mmrad.sources.manta import MANTA
from mmrad.sources.mmad import MMAD
from mmrad.sources.mvtec import MVTEC
from mmrad.sources.mvtec3d import MVTEC_3D
from mmrad.sources.mvtec_like import (
    BTAD,
    GOODSAD,
    MIAD,
    MPDD,
    MVTEC_AD_2,
    TEXTURE_AD,
    THREE_CAD,
    VISA_CONVERTED,
    WFDD,
)
from mmrad.sources.realiad import REALIAD, REALIAD_D3
from mmrad.sources.release import RELEASE
from mmrad.sources.visa import VISA

_PAPER: tuple[Adapter, ...] = (
    MVTEC, VISA, LOCO, MVTEC_3D, MPDD, GOODSAD, REALIAD, REALIAD_D3, MANTA, MIAD, CABLEINSPECT, WFDD,
    TEXTURE_AD, THREE_CAD,
)  # fmt: skip
"""The sources of MMR-AD, in the order of the paper's Table 1."""

_OTHERS: tuple[Adapter, ...] = (
    VISA_CONVERTED, BTAD, KOLEKTOR, KOLEKTOR_2, DAGM, MVTEC_AD_2, MAGNETIC_TILE, DEEPPCB, BSDATA, MMAD,
    RELEASE, FOLDER,
)  # fmt: skip

ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in (*_PAPER, *_OTHERS)}
"""Every layout that mmrad reads."""


def describe_sources() -> list[dict[str, str]]:
    """Name, title, licence, url, expected counts and layout of every adapter, as text."""
    fields = ("name", "title", "licence", "url", "expected", "layout")
    return [{field: getattr(adapter, field) for field in fields} for adapter in ADAPTERS.values()]
