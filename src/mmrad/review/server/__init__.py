"""The server of the review application."""
