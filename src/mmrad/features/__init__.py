"""Frozen networks and their feature maps, shared by reference retrieval, expert detectors and training."""

from mmrad.features.backbones import BACKBONES, Backbone
from mmrad.features.geometry import Geometry, network_input
from mmrad.features.maps import FeatureMaps
from mmrad.features.network import known_backbone, load_backbone
from mmrad.features.weights import Weights, load_weights

__all__ = [
    "BACKBONES",
    "Backbone",
    "FeatureMaps",
    "Geometry",
    "Weights",
    "known_backbone",
    "load_backbone",
    "load_weights",
    "network_input",
]
