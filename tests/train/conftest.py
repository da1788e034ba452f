import pytest

from mmrad.corpus import Corpus
from squares import make_squares


@pytest.fixture
def squares(tmp_path) -> Corpus:
    """Twelve grey parts; every second has a bright square at one of three places."""
    return make_squares(tmp_path)
