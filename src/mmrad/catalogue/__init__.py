"""The catalogue of models: what is known of each, as data."""
