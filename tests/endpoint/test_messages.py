"""The bytes of a request are the JSON of its body, images included."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mmrad.endpoint import Endpoint, request_of
from mmrad.endpoint.messages import data_url, json_of, to_openai
from mmrad.prompt import Message
from mmrad.view import View


def view(grey: int) -> View:
    return View(np.full((28, 56, 3), grey, np.uint8), (56, 28))


ONE, OTHER = view(1), view(2)
MESSAGES = [
    Message("system", ('Be "brief" — ünïcödé \ud83d \x00.',)),
    Message("user", (ONE, OTHER, "What?", ONE)),
    Message("assistant", ("A part.",)),
    Message("user", (OTHER,)),
]


def content(messages: list[Message], **settings: Any) -> bytes:
    return json_of(lambda url_of: {**settings, "messages": to_openai(messages, url_of=url_of)})


def test_the_json_is_that_of_the_body() -> None:
    endpoint = Endpoint("m", "http://a/v1", extra={"z": {"b": 1, "a": [2, 1]}})
    body = request_of(endpoint, MESSAGES, {"temperature": 0.5})
    made = content(MESSAGES, temperature=0.5, model="m", z={"b": 1, "a": [2, 1]})
    assert json.loads(made) == body
    assert made == json.dumps(body, sort_keys=True).encode()
    images = [part["image_url"]["url"] for part in body["messages"][1]["content"] if "image_url" in part]
    assert images == [data_url(ONE), data_url(OTHER), data_url(ONE)]
    assert body["messages"][3]["content"][0]["image_url"]["url"] == data_url(OTHER)


def test_without_images_too() -> None:
    assert content([Message("user", ("Hm?",))]) == b'{"messages": [{"content": "Hm?", "role": "user"}]}'
