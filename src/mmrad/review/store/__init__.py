"""The working state of the review application: its database and its ledger."""

from mmrad.review.store.ledger import Ledger
from mmrad.review.store.people import PersonProgress
from mmrad.review.store.store import Store

__all__ = ["Ledger", "PersonProgress", "Store"]
