"""AnomalyGPT, run by a worker in an environment of its own; see `docs/anomalygpt.md`."""

from mmrad.inspectors.anomalygpt.inspector import AnomalyGptInspector
from mmrad.inspectors.anomalygpt.installation import Installation, installation_of
from mmrad.inspectors.anomalygpt.process import Answer, ItemFailure, Worker

__all__ = ["AnomalyGptInspector", "Answer", "Installation", "ItemFailure", "Worker", "installation_of"]
