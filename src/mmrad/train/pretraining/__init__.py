"""Nano models made from nothing: stages of dense supervision, then texts."""
