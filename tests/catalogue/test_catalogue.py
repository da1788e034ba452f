import csv
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from mmrad.catalogue import Model, catalogue, find_model
from mmrad.catalogue.load import VARIABLE
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import DataError, UsageError

TODAY = date(2026, 11, 25)

TABLE_4 = {
    "Gemini-2.5-pro": "gemini-2.5-pro",
    "GPT-4o": "gpt-4o",
    "GPT-5": "gpt-5",
    "OpenAI-o4-mini": "o4-mini",
    "Qwen-QVQ-Max": "qvq-max",
    "Llama4-Maverick": "llama-4-maverick",
    "Gemma3-27B": "gemma-3-27b",
    "InternVL3-8B": "internvl3-8b",
    "InternVL3-38B": "internvl3-38b",
    "Qwen2.5-VL-7B": "qwen2.5-vl-7b",
    "Qwen2.5-VL-72B": "qwen2.5-vl-72b",
    "InternVL3.5-8B": "internvl3.5-8b",
    "InternVL3.5-38B": "internvl3.5-38b",
    "AnomalyGPT-7B": "anomalygpt-7b",
    "Anomaly-R1-7B": "anomaly-r1-7b",
    "Anomaly-R1-7B†": "anomaly-r1-7b+knowledge",
}
"""The multimodal models of the paper's Table 4, by row."""

SPACES = [
    # The conventions by family, from the vendors' pages; the ones nobody documents are asked for.
    (r"gemini-", CoordinateSpace.THOUSAND_YX),
    (r"gpt-|o4-mini", CoordinateSpace.THOUSAND),
    (r"qvq-max", CoordinateSpace.VIEW),
    (r"qwen2\.5-vl", CoordinateSpace.VIEW),
    (r"qwen3", CoordinateSpace.THOUSAND),
    (r"internvl", CoordinateSpace.THOUSAND),
    (r"llama-4", CoordinateSpace.THOUSAND),
    (r"gemma-3", CoordinateSpace.THOUSAND_YX),
    (r"claude-", CoordinateSpace.VIEW),
    (r"glm-", CoordinateSpace.THOUSAND),
    (r"kimi-", CoordinateSpace.UNIT),
    (r"anomaly-r1", CoordinateSpace.VIEW),
    (r"anomalygpt", CoordinateSpace.ORIGINAL),
]


@pytest.fixture(autouse=True)
def _no_file_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture(params=sorted(catalogue()))
def model(request: pytest.FixtureRequest) -> Model:
    return catalogue()[request.param]


def test_every_multimodal_row_of_table_4_has_one_entry() -> None:
    assert {model.published: name for name, model in catalogue().items() if model.published} == TABLE_4


def test_the_rows_are_named_as_in_the_table_of_the_report() -> None:
    table = Path(__file__).parents[2] / "src/mmrad/report/data/table4.csv"
    if not table.exists():
        pytest.skip("the published table is not there")
    with table.open(encoding="utf-8", newline="") as file:
        rows = {
            row["model"]
            for row in csv.DictReader(file)
            if row["group"] in ("commercial", "open", "anomaly_r1")
        }
    assert rows == set(TABLE_4)


def test_an_entry_writes_boxes_as_its_family(model: Model) -> None:
    assert [space for family, space in SPACES if re.match(family, model.name)] == [model.space]


def test_a_convention_that_nobody_documents_is_said_to_be_unverified(model: Model) -> None:
    assert model.sources["space"]
    if model.box_source != "documented":
        assert any("convention" in fact for fact in model.unverified)


@pytest.mark.parametrize("name", [model.name for model in catalogue().values() if model.price])
def test_a_price_says_when_and_where_it_was_read(name: str) -> None:
    price = catalogue()[name].price
    assert price and price.as_of <= TODAY
    assert re.search(r"LiteLLM price map [0-9.]+|docs\.", price.source)


@pytest.mark.parametrize("name", [model.name for model in catalogue().values() if model.retires_on])
def test_a_retirement_has_a_source_and_a_successor_that_is_not_gone_itself(name: str) -> None:
    model = catalogue()[name]
    assert model.sources["retires_on"] != catalogue()["gpt-5.2"].sources["retires_on"]
    if model.replacement:
        assert "replacement" in model.sources or any("successor" in fact for fact in model.unverified)
        successor = catalogue()[model.replacement]
        assert successor.retires_on is None or successor.retires_on > TODAY


def test_a_model_that_a_vendor_serves_says_when_it_retires_or_that_no_date_was_read(model: Model) -> None:
    if model.base_url or model.backend == "inspect":
        assert model.sources["retires_on"] or any("retires" in fact for fact in model.unverified)


def test_what_a_model_refuses_is_not_what_it_is_sent(model: Model) -> None:
    sent = {*model.sampling, *model.extra, *(["temperature"] if model.temperature is not None else [])}
    assert not sent & set(model.rejects)


def test_a_model_that_reasons_has_room_for_it(model: Model) -> None:
    assert model.max_tokens >= (8192 if model.thinking == "always" else 4096)


def test_logprobs_are_never_promised_where_they_are_refused(model: Model) -> None:
    assert not (model.logprobs and "logprobs" in model.rejects)


@pytest.mark.parametrize(
    ("name", "today", "expected"),
    [
        ("gpt-5", TODAY, "gpt-5 retires in 16 days, on 2026-12-11; its successor is gpt-6.1-sol"),
        ("gpt-5", date(2026, 12, 10), "gpt-5 retires in 1 day, on 2026-12-11; its successor is gpt-6.1-sol"),
        ("gpt-5", date(2026, 12, 11), "gpt-5 was retired on 2026-12-11; its successor is gpt-6.1-sol"),
        (
            "gpt-5",
            date(2026, 10, 12),
            "gpt-5 retires in 60 days, on 2026-12-11; its successor is gpt-6.1-sol",
        ),
        ("gpt-5", date(2026, 10, 11), None),
        (
            "gemini-2.5-pro",
            TODAY,
            "gemini-2.5-pro retires in 6 days, on 2026-12-01; its successor is gemini-3.8-flash",
        ),
        ("o4-mini", TODAY, "o4-mini was retired on 2026-10-23; its successor is gpt-5.6-terra"),
        ("qvq-max", TODAY, "qvq-max was retired on 2026-10-10; its successor is qwen3.7-plus"),
        (
            "claude-sonnet-4-5",
            TODAY,
            "claude-sonnet-4-5 retires in 5 days, on 2026-11-30; its successor is claude-sonnet-4-6",
        ),
        ("gpt-4o", TODAY, "gpt-4o retires in 50 days, on 2027-01-14; its successor is gpt-6-luna"),
        ("gpt-5.1", TODAY, None),
        ("gemini-3.8-flash", TODAY, None),
        ("qwen2.5-vl-7b", date(2099, 1, 1), None),
    ],
)
def test_a_retirement_is_warned_of_sixty_days_ahead(name: str, today: date, expected: str | None) -> None:
    assert catalogue()[name].retired(today) == expected


def test_an_unknown_name_is_none() -> None:
    assert find_model("gpt-99") is None
    assert find_model("gpt-4o") is catalogue()["gpt-4o"]


def test_a_vendors_model_comes_with_its_address_price_and_parameters(monkeypatch) -> None:
    endpoint = catalogue()["gemini-2.5-pro"].endpoint(concurrency=3)
    assert endpoint.model == "gemini-2.5-pro"
    assert endpoint.base_url == "https://generativelanguage.googleapis.com/v1beta/openai"
    assert endpoint.api_key_env == "GEMINI_API_KEY"
    assert endpoint.concurrency == 3
    assert endpoint.price and (endpoint.price.input, endpoint.price.output) == (1.25, 10.0)
    assert endpoint.price.as_of == "2026-11-25"
    assert "seed" in endpoint.rejects
    assert endpoint.extra is None


def test_what_a_model_needs_reaches_the_endpoint() -> None:
    qvq = catalogue()["qvq-max"].endpoint()
    assert (qvq.stream, qvq.system, qvq.reported_as) == (True, False, ("qvq-max-latest",))
    assert qvq.price is None
    gpt = catalogue()["gpt-5.2"].endpoint()
    assert gpt.token_param == "max_completion_tokens"
    assert gpt.extra == {"reasoning_effort": "medium"}
    assert {"temperature", "logprobs"} <= set(gpt.rejects)
    thinking = catalogue()["qwen3-vl-8b-thinking"].endpoint(base_urls=["http://one/v1"])
    assert thinking.extra == {"top_p": 0.95, "top_k": 20}


def test_openais_own_address_may_be_replaced_by_the_environment(monkeypatch) -> None:
    model = catalogue()["gpt-4o"]
    assert model.endpoint().url == "https://api.openai.com/v1"
    assert model.endpoint().price is not None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://relay.example/v1")
    assert model.endpoint().url == "http://relay.example/v1"
    assert model.endpoint().price is None
    assert catalogue()["qwen2.5-vl-7b"].endpoint().url == "http://relay.example/v1"
    assert catalogue()["qvq-max"].endpoint().host == "dashscope-intl.aliyuncs.com"


def test_an_open_model_is_asked_at_the_users_addresses_side_by_side() -> None:
    endpoint = catalogue()["qwen2.5-vl-72b"].endpoint(base_urls=["http://one:8000/v1", "http://two:8000/v1"])
    assert endpoint.model == "Qwen/Qwen2.5-VL-72B-Instruct"
    assert (endpoint.base_url, endpoint.more_urls) == ("http://one:8000/v1", ("http://two:8000/v1",))
    assert endpoint.price is None


def test_a_hosts_price_holds_at_that_host_only() -> None:
    model = catalogue()["gemma-3-27b"]
    there = model.endpoint(base_urls=["https://api.deepinfra.com/v1/openai"]).price
    assert there and (there.input, there.output) == (0.08, 0.16)
    assert model.endpoint(base_urls=["https://api.deepinfra.com.evil.example/v1"]).price is None


@pytest.mark.parametrize(
    ("name", "urls", "remedy"),
    [
        ("qwen2.5-vl-7b", [], "vllm serve Qwen/Qwen2.5-VL-7B-Instruct"),
        ("anomaly-r1-7b", [], "mmrad train"),
        ("anomalygpt-7b", [], "see docs/anomalygpt.md"),
        ("anomalygpt-7b", ["http://here/v1"], "see docs/anomalygpt.md"),
        ("claude-opus-4-5", [], "inspect-ai as anthropic/claude-opus-4-5"),
    ],
)
def test_a_model_that_cannot_be_reached_says_what_to_do(name: str, urls: list[str], remedy: str) -> None:
    with pytest.raises(UsageError, match=re.escape(remedy)) as error:
        catalogue()[name].endpoint(base_urls=urls)
    assert str(error.value).startswith(f"{name}: ")


def test_every_model_says_how_it_is_reached(model: Model) -> None:
    """Nothing between an address of its own and a clear remedy."""
    try:
        assert model.endpoint().url.startswith("https://")
    except UsageError as error:
        assert model.base_url is None
        assert "--base-url" in str(error) or ".installed" in str(error)


def test_the_catalogue_loads_neither_a_client_nor_torch() -> None:
    script = (
        "import sys; from mmrad.catalogue import catalogue; catalogue(); "
        "print(*sorted({'torch', 'openai', 'transformers', 'inspect_ai'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


OWN = """
[defaults]
vendor = "Here"

[gpt-4o]
base_url = "http://gateway.example/v1"
extra = { detail = "high" }
sources = { base_url = "our gateway" }

[inspector-7b]
api_model = "inspector"
space = "view"
base_url = "http://localhost:8000/v1"
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "models.toml"
    path.write_text(OWN, "utf-8")
    return path


def test_the_users_file_replaces_keys_and_adds_models(own: Path) -> None:
    found = catalogue(own)
    assert found["gpt-4o"].base_url == "http://gateway.example/v1"
    assert found["gpt-4o"].vendor == "Here"
    assert found["gpt-4o"].extra == {"detail": "high"}
    assert found["gpt-4o"].published == "GPT-4o"
    assert found["gpt-4o"].sources["base_url"] == "our gateway"
    assert found["gpt-4o"].sources["space"] == catalogue()["gpt-4o"].sources["space"]
    assert found["inspector-7b"].title == "inspector-7b"
    assert found["inspector-7b"].endpoint().base_url == "http://localhost:8000/v1"
    assert set(found) == {*catalogue(), "inspector-7b"}
    assert catalogue()["gpt-4o"].base_url == "https://api.openai.com/v1"


def test_the_environment_names_the_users_file_unless_another_is_given(
    own: Path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(own))
    assert find_model("inspector-7b") is not None
    other = tmp_path / "other.toml"
    other.write_text("", "utf-8")
    assert find_model("inspector-7b", other) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mine]\nspace = 'view'", "model 'mine': api_model: Field required; add  api_model = …"),
        ("[mine]\napi_model = 'm'", "model 'mine': space: Field required; add  space = …"),
        (
            "[mine]\napi_model = 'm'\nspace = 'pixels'",
            "model 'mine': space: Input should be 'view', 'original'",
        ),
        (
            "[gpt-4o]\nprise = 1",
            "model 'gpt-4o': prise: Extra inputs are not permitted; there is no such key",
        ),
        ("[gpt-4o]\nmax_tokens = 'many'", "model 'gpt-4o': max_tokens: "),
        (
            "[gpt-4o]\nprice = { input = 0, output = 1, as_of = 2026-11-25, source = 's' }",
            "model 'gpt-4o': price.input: Input should be greater than 0; it is 0",
        ),
        ("[gpt-4o]\nprice = { input = 1, output = 1 }", "model 'gpt-4o': price.as_of: Field required"),
        (
            "[mine]\napi_model = 'm'\nspace = 'view'\n"
            "price = { input = 1, output = 1, as_of = 2026-11-25, source = 's' }",
            "model 'mine': Value error, a price of a model without base_url must name the host",
        ),
        ("['a name']\napi_model = 'm'\nspace = 'view'", "model 'a name': name: "),
        ("space = 'view'", "'space' stands outside a model's table"),
        ("[gpt-4o\n", "not a readable catalogue of models"),
        ("[gpt-4o]\nsources = 'a page'", "model 'gpt-4o': sources: "),
    ],
)
def test_a_damaged_file_is_an_error_that_names_file_model_and_key(tmp_path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=re.escape(f"{path}: {said}")):
        catalogue(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_is_missing_or_no_text_is_named(tmp_path, content: bytes | None) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.toml: not a readable catalogue"):
        catalogue(path)
