"""Made-up products and defects in the raw layouts of real datasets, so that mmrad runs without data."""

from mmrad.factory.make import ASSORTED, FactorySummary, factory_roots, make_factory
from mmrad.factory.render import CATALOGUE, SOURCES, Instance, Rendered, render

__all__ = [
    "ASSORTED",
    "CATALOGUE",
    "SOURCES",
    "FactorySummary",
    "Instance",
    "Rendered",
    "factory_roots",
    "make_factory",
    "render",
]
