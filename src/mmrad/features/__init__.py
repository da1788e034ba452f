"""Frozen networks and their feature maps, shared by reference retrieval, expert detectors and training."""

from mmrad.features.backbones import BACKBONES, Backbone, load_backbone
from mmrad.features.lite0 import load_lite0
from mmrad.features.maps import FeatureMaps, Geometry, network_input

__all__ = [
    "BACKBONES",
    "Backbone",
    "FeatureMaps",
    "Geometry",
    "load_backbone",
    "load_lite0",
    "network_input",
]
