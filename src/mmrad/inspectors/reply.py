"""How the reply of an endpoint becomes a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmrad.endpoint import Reply
from mmrad.endpoint.reply import Token
from mmrad.inspectors.base import InspectionSettings, failed_verdict, verdict_from_text
from mmrad.sample import Verdict
from mmrad.view import View


def verdict_from_reply(reply: Reply, view: View, *, settings: InspectionSettings) -> Verdict:
    """The verdict in a reply, boxes in original pixels.

    Args:
        reply: What the model said, or why nothing.
        view: View of the query.
        settings: How the model was asked.
    """
    if reply.status not in ("ok", "truncated"):
        return failed_verdict(
            reply.status, reply.detail, raw_text=reply.text, model_reported=reply.model_reported
        )
    return verdict_from_text(
        reply.text,
        view,
        space=settings.space,
        truncated=reply.status == "truncated",
        score=_score(reply.tokens),
        usage=reply.usage,
        model_reported=reply.model_reported,
    )


def _score(tokens: Sequence[Token]) -> float | None:
    """P(Yes) / (P(Yes) + P(No)) where the verdict was given, None when there is no such place."""
    position = _verdict_position([token.token for token in tokens])
    if position is None:
        return None
    likely = {chance.token: chance.logprob for chance in [*tokens[position].top_logprobs, tokens[position]]}
    yes, no = (
        sum(math.exp(logprob) for token, logprob in likely.items() if _word(token) == word)
        for word in ("yes", "no")
    )
    return yes / (yes + no) if yes + no > 0 else None


def _verdict_position(tokens: list[str]) -> int | None:
    """Index of the token that says Yes or No first thing in the answer, of several answers in the last."""
    before = ""
    position = None
    for index, token in enumerate(tokens):
        if _word(token) in ("yes", "no") and (not before.strip() or before.rstrip().endswith("<answer>")):
            position = index
        before = (before + token)[-32:]  # longer than the tag with the space around it
    return position


def _word(token: str) -> str:
    return token.strip().lower()
