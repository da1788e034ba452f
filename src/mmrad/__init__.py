"""mmrad: industrial anomaly detection with multimodal large language models."""

from importlib.metadata import version

__version__ = version("mmrad")
