import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

# A shell that starts the tests in the background lets them, and so their children, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: these machines are shared, and no test may depend on speed.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("default", max_examples=1_000, **_COMMON)
settings.register_profile("thorough", max_examples=100_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def png(tmp_path: Path) -> Path:
    """A small image file with no two equal corners."""
    path = tmp_path / "image.png"
    pixels = np.arange(20 * 30 * 3, dtype=np.uint32).reshape(20, 30, 3) % 251
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path
