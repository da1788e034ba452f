"""Alembic's migrations of the review database, see `mmrad.review.store.database`."""
