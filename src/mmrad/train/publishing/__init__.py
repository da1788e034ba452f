"""Trained models as folders to give away."""
