"""The products, one module a source."""
