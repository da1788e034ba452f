"""Products composed by chance, for training on many."""

from mmrad.factory.products.assorted.design import assorted_name, assorted_number, assorted_product

__all__ = ["assorted_name", "assorted_number", "assorted_product"]
