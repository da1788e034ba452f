"""Which pixels a mask file of a corpus marks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrad.corpus import Corpus
from mmrad.image import read_mask
from mmrad.sources.registry import ADAPTERS


def marked_pixels(corpus: Corpus, source: str, mask: str) -> NDArray[np.bool_]:
    """The pixels that a mask file marks: those that the boxes of its samples were made of.

    Marked is what is over 0, or over 127 where the adapter of the source says that edges are smooth.

    Args:
        corpus: The corpus.
        source: The source that the mask belongs to.
        mask: The file, as `Region.mask` has it.

    Returns:
        Array of shape `(height, width)`.

    Raises:
        DataError: When the file is missing or not an image.
    """
    adapter = ADAPTERS.get(corpus.manifest.sources[source].adapter)
    background = getattr(adapter, "threshold", 0)  # adapters without it make masks with 0
    return np.asarray(read_mask(corpus.resolve(source, mask)) > background)
