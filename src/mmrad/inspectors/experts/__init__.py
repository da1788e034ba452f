"""Expert detectors: trained on normal images of known products, they give maps of anomaly, not words."""
