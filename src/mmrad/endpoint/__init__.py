"""Models behind OpenAI-compatible endpoints: one client for inspectors, teachers and judges."""

from mmrad.endpoint.client import Client, Endpoint
from mmrad.endpoint.price import Price
from mmrad.endpoint.reply import Reply, is_same_model, read_reply, shortened

__all__ = ["Client", "Endpoint", "Price", "Reply", "is_same_model", "read_reply", "shortened"]
