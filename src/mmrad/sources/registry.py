"""The adapters by name."""

from __future__ import annotations

from mmrad.sources.base import Adapter
from mmrad.sources.deeppcb import DEEPPCB
from mmrad.sources.folder import FOLDER
from mmrad.sources.loco import LOCO
from mmrad.sources.mvtec import MVTEC
from mmrad.sources.realiad import REALIAD
from mmrad.sources.visa import VISA

ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter for adapter in (MVTEC, VISA, LOCO, REALIAD, DEEPPCB, FOLDER)
}
"""Every layout that mmrad reads."""


def describe_sources() -> list[dict[str, str]]:
    """Name, title, licence, url, expected counts and layout of every adapter, as text."""
    fields = ("name", "title", "licence", "url", "expected", "layout")
    return [{field: getattr(adapter, field) for field in fields} for adapter in ADAPTERS.values()]
