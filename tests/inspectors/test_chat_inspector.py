from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import make_corpus
from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace
from mmrad.endpoint import Endpoint, Price, ResponseCache, Spending, is_same_model, usage_of
from mmrad.endpoint.inspect_models import InspectModel
from mmrad.endpoint.messages import to_openai
from mmrad.errors import BudgetReached, ProviderError, UsageError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat_inspector import ChatInspector
from mmrad.inspectors.plan import plan_of
from mmrad.sample import Pair, Verdict
from servers import (
    NO,
    YES,
    FaultServer,
    Reply,
    after,
    cuts_body,
    cuts_connection,
    fails,
    fails_briefly,
    hangs,
    says,
    sends,
    unused_port,
)

KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    corpus = make_corpus(tmp_path / "corpus", 4)
    return corpus.pairs(corpus.samples)


def inspector(server: FaultServer, **options: Any) -> ChatInspector:
    named = ("settings", "logprobs", "cache", "spending")
    ours = {name: options.pop(name) for name in named if name in options}
    options = {"concurrency": 1, "retries": 1, "timeout": 30.0, **options}
    return ChatInspector(Endpoint("m", server.base_url, **options), **ours)


def ask(pairs: list[Pair], *script: Reply, **options: Any) -> list[Verdict]:
    """The verdicts in the order of the pairs, on a server with that script."""
    with FaultServer(script) as server:
        found = dict(inspector(server, **options).inspect(pairs))
    assert sorted(found) == list(range(len(pairs)))
    return [found[index] for index in sorted(found)]


def test_an_answer_becomes_a_verdict_in_original_pixels(pairs: list[Pair]) -> None:
    [verdict] = ask(pairs[:1])
    assert verdict.status == "ok" and verdict.anomalous is True
    assert [(region.box, region.label) for region in verdict.regions] == [(Box(7, 14, 28, 42), "scratch")]
    assert verdict.think == "a scratch"
    assert verdict.raw_text == YES
    assert verdict.model_reported == "m"
    assert (verdict.usage.input_tokens, verdict.usage.output_tokens) == (11, 7)
    assert verdict.usage.seconds is not None


def test_the_space_of_the_model_is_converted(pairs: list[Pair]) -> None:
    text = says("<answer>Yes. {'bbox_2d': [250, 100, 750, 500], 'label': 'dent'}</answer>")
    [verdict] = ask(pairs[:1], text, settings=InspectionSettings(space=CoordinateSpace.THOUSAND_YX))
    width, height = pairs[0].sample.size_wh
    assert verdict.regions[0].box.xyxy == pytest.approx(
        (0.1 * width, 0.25 * height, 0.5 * width, 0.75 * height)
    )


def test_the_request_holds_what_was_set_and_nothing_else(pairs: list[Pair]) -> None:
    settings = InspectionSettings(temperature=1.5, min_p=0.1, seed=3, max_tokens=99)
    with FaultServer() as server:
        list(inspector(server, settings=settings, token_param="max_completion_tokens").inspect(pairs[:1]))
        list(inspector(server).inspect(pairs[:1]))
    asked, plain = (dict(call.body) for call in server.calls)
    messages = asked.pop("messages")
    assert asked == {"model": "m", "temperature": 1.5, "min_p": 0.1, "seed": 3, "max_completion_tokens": 99}
    assert sorted(plain) == ["max_tokens", "messages", "model", "seed", "temperature"]
    assert messages == to_openai(settings.ask(pairs[0])[0])
    assert server.calls[0].headers["authorization"] == f"Bearer {KEY}"


def test_parts_keep_their_order(pairs: list[Pair]) -> None:
    system, user = to_openai(InspectionSettings().ask(pairs[0])[0])
    assert system["role"] == "system" and isinstance(system["content"], str)
    assert [part["type"] for part in user["content"]] == ["image_url", "image_url", "text"]
    reference, query = (part["image_url"]["url"] for part in user["content"][:2])
    assert reference != query
    assert reference.startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fails_briefly(429), id="429 with Retry-After"),
        pytest.param(fails(429), id="429 without Retry-After"),
        pytest.param(fails(500), id="500"),
        pytest.param(cuts_connection, id="connection cut"),
        pytest.param(cuts_body, id="body cut"),
    ],
)
def test_a_passing_fault_is_tried_again(pairs: list[Pair], fault: Reply) -> None:
    [verdict] = ask(pairs[:1], fault)
    assert verdict.status == "ok"


def test_a_hanging_server_is_given_up_and_asked_again(pairs: list[Pair]) -> None:
    [verdict] = ask(pairs[:1], hangs, timeout=0.5, retries=4)
    assert verdict.status == "ok"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(fails_briefly(429), "429", id="429"),
        pytest.param(fails_briefly(503), "503", id="503"),
        pytest.param(cuts_connection, "Server disconnected", id="connection cut"),
        pytest.param(cuts_body, "Connection error", id="body cut"),
        pytest.param(fails(400, message=f"bad {KEY}"), "bad ***", id="400"),
        pytest.param(sends('{"id": "chat-1", "choi'), "no chat completion", id="truncated JSON"),
        pytest.param(sends('{"error": {"message": "down"}}'), "no chat completion", id="error in a 200"),
        pytest.param(sends("<html>"), "no chat completion", id="HTML"),
        pytest.param(says("Yes", finish="error"), "ended the answer with an error", id="error finish"),
    ],
)
def test_a_lasting_fault_fails_its_pair_alone(pairs: list[Pair], fault: Reply, said: str) -> None:
    first, second, third = ask(pairs[:3], says(NO), fault, retries=0)
    assert (first.status, second.status, third.status) == ("ok", "failed", "ok")
    assert second.anomalous is None
    assert said in second.detail and KEY not in second.detail


def test_a_timeout_fails_its_pair_alone_even_at_first(pairs: list[Pair]) -> None:
    first, second = ask(pairs[:2], hangs, hangs, retries=1, timeout=0.8)
    assert (first.status, second.status) == ("failed", "ok")
    assert "timed out" in first.detail


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        pytest.param(says("The weather is nice."), "unparsed", id="nonsense"),
        pytest.param(says(""), "empty", id="empty"),
        pytest.param(says(None), "empty", id="null"),
        pytest.param(says(" \n"), "empty", id="blank"),
        pytest.param(says(None, reasoning_content="hm"), "empty", id="only reasoning"),
        pytest.param(says("<think>so long", finish="length"), "truncated", id="length"),
        pytest.param(says("", finish="length", reasoning="so long"), "truncated", id="length in reasoning"),
        pytest.param(says(None, refusal="I cannot"), "refused", id="refusal"),
        pytest.param(says("Yes", finish="content_filter"), "refused", id="filter"),
        pytest.param(fails(400, code="content_filter"), "refused", id="filter of the prompt"),
        pytest.param(says(NO, model="m-mini"), "wrong_model", id="wrong model"),
    ],
)
def test_what_is_no_judgement_has_its_status(pairs: list[Pair], reply: Reply, status: str) -> None:
    [verdict] = ask(pairs[:1], reply)
    assert (verdict.status, verdict.anomalous, verdict.regions) == (status, None, ())


def test_a_wrong_model_is_named(pairs: list[Pair]) -> None:
    [verdict] = ask(pairs[:1], says(NO, model="other"))
    assert verdict.model_reported == "other"
    assert "asked 'm', but 'other' answered" in verdict.detail


@pytest.mark.parametrize(
    ("asked", "reported", "same"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4", "gpt-4-0613", True),
        ("claude-opus-4", "claude-opus-4-20250514", True),
        ("gemini-2.5-flash", "gemini-2.5-flash-09-2025", True),
        ("qwen", "qwen@main", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("claude-opus-4", "claude-opus-4-1", False),
        ("gpt-4o-2024-08-06", "gpt-4o", False),
        ("gemini-2.5-pro", "gemini-3.8-flash", False),
        ("m", "", False),
    ],
)
def test_which_names_are_one_model(asked: str, reported: str, same: bool) -> None:
    assert is_same_model(asked, reported) is same


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_beside_the_text_is_kept(pairs: list[Pair], field: str) -> None:
    [verdict] = ask(pairs[:1], says("<answer>No.</answer>", **{field: "all is smooth"}))
    assert (verdict.anomalous, verdict.think) == (False, "all is smooth")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (fails(401, message=f"no {KEY}"), "does not accept the key"),
        (fails(403), "may not use this model"),
        (fails(404), "no such model"),
        (fails(400, code="unsupported_parameter", param="max_tokens"), "'max_tokens'"),
    ],
)
def test_what_every_pair_would_meet_is_raised_at_once(pairs: list[Pair], fault: Reply, said: str) -> None:
    with FaultServer(default=fault) as server, pytest.raises(ProviderError, match=said) as error:
        list(inspector(server).inspect(pairs))
    assert KEY not in str(error.value)
    assert f"127.0.0.1:{server.server_port}" in str(error.value)
    assert len(server.calls) <= 2


def test_a_refused_key_after_an_answer_fails_its_pair_alone(pairs: list[Pair]) -> None:
    first, second, third = ask(pairs[:3], says(YES), fails(401))
    assert (first.status, second.status, third.status) == ("ok", "failed", "ok")


def test_an_endpoint_that_is_down_is_raised(pairs: list[Pair]) -> None:
    url = f"http://127.0.0.1:{unused_port()}/v1"
    with pytest.raises(ProviderError, match=r"at 127\.0\.0\.1:\d+: the endpoint cannot be reached") as error:
        list(ChatInspector(Endpoint("m", url, retries=0)).inspect(pairs))
    assert KEY not in str(error.value)


def test_an_address_with_a_password_is_refused_without_showing_it(pairs: list[Pair]) -> None:
    url = f"http://user:{KEY}@127.0.0.1:{unused_port()}/v1"
    with pytest.raises(ProviderError, match="holds a name or password") as error:
        list(ChatInspector(Endpoint("m", url, retries=0)).inspect(pairs))
    assert KEY not in str(error.value)


def test_an_unreadable_image_fails_its_pair_alone(pairs: list[Pair]) -> None:
    pairs[1].image.write_bytes(b"no image")
    first, second = ask(pairs[:2])
    assert (first.status, second.status) == ("ok", "failed")
    assert "001.png" in second.detail


def test_closing_ends_the_open_requests(pairs: list[Pair]) -> None:
    with FaultServer([says(YES)], default=hangs) as server:
        verdicts = inspector(server, concurrency=2).inspect(pairs)
        next(verdicts)
        verdicts.close()
        assert 1 <= len(server.calls) <= 3


def test_no_more_requests_are_open_than_allowed(pairs: list[Pair]) -> None:
    with FaultServer(default=hangs) as server:
        verdicts = inspector(server, concurrency=2, retries=0, timeout=0.4).inspect(pairs)
        assert next(verdicts)[1].status == "failed"
        assert len(server.calls) <= 2
        verdicts.close()


def test_no_pairs_need_no_endpoint() -> None:
    assert list(ChatInspector(Endpoint("m", f"http://127.0.0.1:{unused_port()}")).inspect([])) == []


def logprob(token: str, **chances: float) -> dict[str, Any]:
    top = [{"token": name, "logprob": math.log(chance)} for name, chance in chances.items()]
    return {"token": token, "logprob": math.log(chances.get(token, 1.0)), "top_logprobs": top}


def test_the_score_is_read_at_the_verdict(pairs: list[Pair]) -> None:
    tokens = [
        logprob("<answer", a=1.0),
        logprob(">", a=1.0),
        logprob("Yes", Yes=0.5, yes=0.1, No=0.2, Maybe=0.2),
    ]
    reply = says(
        "<answer>Yes</answer>", logprobs=[logprob("so", so=1.0), logprob("no", yes=0.1, no=0.9), *tokens]
    )
    with FaultServer([reply, says(NO, logprobs=[])]) as server:
        found = dict(inspector(server, logprobs=True).inspect(pairs[:2]))
    assert found[0].score == pytest.approx(0.6 / 0.8)
    assert found[1].score is None
    assert server.calls[0].body["logprobs"] is True


def test_the_key_of_a_run_holds_no_secret() -> None:
    key = ChatInspector(Endpoint("m", f"https://user:{KEY}@host.example:8443/v1/?token={KEY}")).key()
    assert KEY not in json.dumps(key)
    assert key["base_url"] == "https://host.example:8443/v1"


def test_each_setting_changes_the_key() -> None:
    there = Endpoint("m", "http://a/v1")
    plain = ChatInspector(there).key()
    others = [
        ChatInspector(Endpoint("n", "http://a/v1")),
        ChatInspector(Endpoint("m", "http://b/v1")),
        ChatInspector(there, InspectionSettings(space=CoordinateSpace.UNIT)),
        ChatInspector(there, logprobs=True),
        ChatInspector(Endpoint("m", "http://a/v1", token_param="max_completion_tokens")),
        ChatInspector(Endpoint("m", "http://a/v1", system=False)),
        ChatInspector(Endpoint("m", "http://a/v1", extra={"reasoning_effort": "low"})),
        ChatInspector(there, InspectionSettings(seed=1)),
    ]
    assert all(other.key() != plain for other in others)
    assert ChatInspector(Endpoint("m", "http://a/v1/", concurrency=2, retries=0), name="x").key() == plain


def test_no_key_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ProviderError, match="set OPENAI_API_KEY"):
        ChatInspector(Endpoint("m"))


PRICE = Price(100.0, 1000.0)
"""Dollars per million tokens; an answer of 11 and 7 tokens costs 0.0081, and the dearest of 9 tokens more."""


def test_what_is_dropped_is_neither_sent_nor_in_the_key_and_is_told(pairs: list[Pair]) -> None:
    settings = InspectionSettings(temperature=0.5, min_p=0.1, seed=3)
    with FaultServer() as server:
        made = inspector(server, settings=settings, rejects=("temperature", "min_p"), price=PRICE)
        list(made.inspect(pairs[:1]))
    assert {"temperature", "min_p"}.isdisjoint(server.calls[0].body)
    assert server.calls[0].body["seed"] == 3
    assert {"temperature", "min_p"}.isdisjoint(made.key()) and made.key()["seed"] == 3
    assert made.about()["dropped"] == {"temperature": 0.5, "min_p": 0.1}
    assert made.about()["price"]["output"] == PRICE.output
    assert "dropped" not in inspector(server, settings=settings).about()


def test_a_confidence_in_words_becomes_the_score(pairs: list[Pair]) -> None:
    text = says(f"{YES}<confidence>80</confidence>")
    [verdict] = ask(pairs[:1], text, settings=InspectionSettings(confidence=True))
    assert (verdict.score, verdict.score_kind) == (0.8, "confidence")


def test_no_request_is_begun_that_could_pass_the_cap(pairs: list[Pair]) -> None:
    settings = InspectionSettings(max_tokens=9)
    one = plan_of(pairs[:1], settings, PRICE).most_dollars
    assert one is not None
    spending = Spending(limit=2 * one)
    with FaultServer(default=after(0.05, says(NO, tokens=(10, 1)))) as server:
        made = inspector(server, settings=settings, price=PRICE, spending=spending, concurrency=4)
        found = {}
        with pytest.raises(BudgetReached, match="of 40 pairs were not asked"):
            for index, verdict in made.inspect(pairs * 10):
                found[index] = verdict
    assert {verdict.status for verdict in found.values()} == {"ok"}
    assert len(found) == len(server.calls) > 2, "what answers really cost leaves room for more than two"
    assert spending.spent == pytest.approx(len(found) * 0.002)
    assert spending.spent <= 2 * one < spending.spent + one + 0.002


def test_an_answer_without_its_tokens_counts_as_estimated(pairs: list[Pair]) -> None:
    settings = InspectionSettings(max_tokens=9)
    one = plan_of(pairs[:1], settings, PRICE).most_dollars
    assert one is not None
    with FaultServer(default=fails(400)) as server:
        made = inspector(server, settings=settings, price=PRICE, spending=Spending(1.5 * one))
        verdicts = made.inspect(pairs)
        assert next(verdicts)[1].status == "failed"
        with pytest.raises(BudgetReached, match="3 of 4 pairs"):
            next(verdicts)
    assert len(server.calls) == 1


def test_an_inspector_goes_on_under_the_same_cap(pairs: list[Pair]) -> None:
    with FaultServer(default=says(NO)) as server:
        made = inspector(server, price=PRICE, spending=Spending(1000.0), concurrency=4)
        assert len(list(made.inspect(pairs))) == len(list(made.inspect(pairs))) == 4


def test_a_cap_without_a_price_is_refused() -> None:
    with pytest.raises(UsageError, match="its price is not known"):
        ChatInspector(Endpoint("m", "http://a/v1"), spending=Spending(1.0))


def test_a_known_answer_is_not_asked_again(pairs: list[Pair], tmp_path: Path) -> None:
    with FaultServer() as server, ResponseCache(tmp_path / "cache.jsonl") as cache:
        first = dict(inspector(server, cache=cache).inspect(pairs))
        again = dict(inspector(server, cache=cache).inspect(pairs))
    assert len(server.calls) == 4
    assert all(verdict.usage.cached for verdict in again.values())
    assert [verdict.raw_text for verdict in again.values()] == [YES] * 4 and len(first) == 4


def test_several_addresses_share_the_requests(pairs: list[Pair]) -> None:
    with FaultServer(default=after(0.1, says(NO))) as one, FaultServer(default=after(0.1, says(NO))) as two:
        endpoint = Endpoint("m", one.base_url, more_urls=(two.base_url,), concurrency=4)
        assert len(list(ChatInspector(endpoint).inspect(pairs))) == 4
    assert len(one.calls) == len(two.calls) == 2


def test_a_plan_says_what_asking_would_take(pairs: list[Pair]) -> None:
    settings = InspectionSettings(max_tokens=1000)
    made = ChatInspector(Endpoint("m", "http://a/v1", price=PRICE), settings)
    plan = made.plan(pairs)
    assert plan.requests == 4
    assert plan.usage.output_tokens == 4 * 400
    messages, _ = settings.ask(pairs[0])
    assert plan.usage.input_tokens == 4 * (usage_of(messages).input_tokens or 0)
    assert plan.dollars == pytest.approx(PRICE.cost(plan.usage))
    assert plan.most_dollars is not None and plan.dollars is not None
    assert plan.most_dollars - plan.dollars == pytest.approx(4 * 600 * 1000 / 1e6)
    assert ChatInspector(Endpoint("m", "http://a/v1"), settings).plan(pairs).dollars is None
    more = replace(settings, domain_knowledge={"part": ("rust", "dent")}, reasoning=True)
    longer = plan_of(pairs, more, None).usage.input_tokens
    assert longer is not None and longer > (plan.usage.input_tokens or 0)


@pytest.mark.filterwarnings("ignore:The 'initial' parameter:DeprecationWarning")
def test_a_model_of_inspect_ai_is_asked_without_what_it_does_not_take(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = pytest.importorskip("inspect_ai.model")
    answer = models.ModelOutput.from_content("mockllm/model", YES)
    answer.usage = models.ModelUsage(input_tokens=11, output_tokens=7)
    made = models.get_model("mockllm/model", custom_outputs=[answer] * 2, memoize=False)
    seen: list[Any] = []
    generate = made.generate

    async def watched(messages: Any, **options: Any) -> Any:
        seen.append(options["config"])
        return await generate(messages, **options)

    monkeypatch.setattr(made, "generate", watched)
    monkeypatch.setattr(models, "get_model", lambda name: made)
    settings = InspectionSettings(min_p=0.1, seed=5, max_tokens=77)
    chat = ChatInspector(InspectModel("mockllm/model"), settings, logprobs=True, rejects=("seed",))
    verdicts = dict(chat.inspect(pairs[:2]))
    assert [(one.status, one.detail) for one in verdicts.values()] == [("ok", "")] * 2
    assert verdicts[0].regions[0].label == "scratch"
    assert (seen[0].max_tokens, seen[0].seed, seen[0].logprobs) == (77, None, None)
    assert sorted(chat.about()["dropped"]) == ["logprobs", "min_p", "seed", "top_logprobs"]
    assert chat.key()["logprobs"] is False and "seed" not in chat.key()
