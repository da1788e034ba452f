"""The catalogue of models: what is known of each, as data."""

from mmrad.catalogue.entry import Model, PriceEntry
from mmrad.catalogue.load import catalogue, find_model
from mmrad.catalogue.reach import chat_model

__all__ = ["Model", "PriceEntry", "catalogue", "chat_model", "find_model"]
