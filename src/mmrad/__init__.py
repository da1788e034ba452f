"""mmrad: industrial anomaly detection with multimodal large language models."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> str:
    """The version, read when asked for: reading it takes longer than all else that importing mmrad does."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mmrad")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
