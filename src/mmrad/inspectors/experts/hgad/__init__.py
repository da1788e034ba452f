"""HGAD: one normalizing flow for many classes, with a hierarchy of Gaussian mixtures in its latent space.

Ours, from the published method: Yao et al., "Hierarchical Gaussian Mixture Normalizing Flow Modeling for
Unified Anomaly Detection", ECCV 2024, https://arxiv.org/abs/2403.13349. What differs is in `docs/hgad.md`.
"""

from mmrad.inspectors.experts.hgad.detector import HgadDetector

__all__ = ["HgadDetector"]
