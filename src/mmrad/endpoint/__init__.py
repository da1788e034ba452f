"""Models behind OpenAI-compatible endpoints: one client for inspectors, teachers and judges."""

from mmrad.endpoint.batch import Batches
from mmrad.endpoint.cache import ResponseCache
from mmrad.endpoint.client import Client
from mmrad.endpoint.endpoint import Endpoint, request_of
from mmrad.endpoint.price import Price
from mmrad.endpoint.reply import Reply, is_same_model, read_reply, shortened
from mmrad.endpoint.spending import Spending, estimated_usage, usage_of

__all__ = [
    "Batches",
    "Client",
    "Endpoint",
    "Price",
    "Reply",
    "ResponseCache",
    "Spending",
    "estimated_usage",
    "is_same_model",
    "read_reply",
    "request_of",
    "shortened",
    "usage_of",
]
