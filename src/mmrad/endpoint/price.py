"""What requests cost."""

from __future__ import annotations

from dataclasses import dataclass

from mmrad.sample import Usage


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a model, in US dollars per million tokens.

    Attributes:
        input: Of prompt tokens, images included.
        output: Of completion tokens, hidden reasoning included.
        as_of: The day it was looked up.
    """

    input: float
    output: float
    as_of: str = ""

    def cost(self, usage: Usage) -> float | None:
        """Dollars of a request; None when the server did not say its tokens: unknown is never free.

        An answer that came out of a response cache cost nothing.
        """
        if usage.cached:
            return 0.0
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / 1e6
