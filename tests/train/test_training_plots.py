import json
import math
import re
from html.parser import HTMLParser

import pytest

from mmrad.errors import DataError
from mmrad.train.plots import CHARTS, write_plots

VOID = {"meta", "link", "br", "img", "input"}


def log(folder, lines, torn="") -> None:
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps({"step": step, **line}) + "\n" for step, line in enumerate(lines, 1))
    (folder / "log.jsonl").write_text(text + torn)


def charts(page: str) -> dict[str, str]:
    """The figure of each chart by its title."""
    figures = re.findall(r"<figure>.*?</figure>", page, re.S)
    return {re.search(r"<h2>(.*?)</h2>", figure)[1]: figure for figure in figures}


def curves(figure: str, colour: str) -> list[list[float]]:
    """The heights of the points of each curve, downward."""
    found = re.findall(r'<path d="([^"]*)"[^>]*stroke: var\(--' + colour + r"\)", figure)
    return [[float(y) for y in re.findall(r"[ML] \S+ (\S+)", path)] for path in found]


def test_a_grpo_log_has_a_chart_of_everything_it_holds(tmp_path):
    fields = [field for chart in CHARTS for field in chart.curves]
    log(tmp_path, [dict.fromkeys(fields, 0.1 * number) for number in range(5)])
    page = write_plots(tmp_path).read_text()
    assert list(charts(page)) == [chart.title for chart in CHARTS]


def test_an_sft_log_has_no_chart_of_rewards(tmp_path):
    log(
        tmp_path, [{"loss": 2.0, "token_accuracy": 0.1, "seconds": 0.5}, {"loss": 1.0, "token_accuracy": 0.4}]
    )
    page = write_plots(tmp_path).read_text()
    assert set(charts(page)) == {"Loss", "Right tokens", "Time"}


def test_a_curve_falls_where_the_loss_falls(tmp_path):
    log(tmp_path, [{"loss": 4.0}, {"loss": 2.0}, {"loss": 1.0}])
    for heights in curves(charts(write_plots(tmp_path).read_text())["Loss"], "a"):
        assert heights == sorted(heights)  # SVG counts downward
        assert heights[1] - heights[0] == pytest.approx(2 * (heights[2] - heights[1]), rel=1e-3)


def test_the_balance_of_answers_is_compared_with_a_half(tmp_path):
    log(tmp_path, [{"answer_yes": 0.5}, {"answer_yes": 0.9}])
    figure = charts(write_plots(tmp_path).read_text())["Answers that say Yes"]
    dashed = re.search(r'<path d="M \S+ (\S+)[^>]*stroke-dasharray', figure, re.S)
    assert dashed
    assert curves(figure, "a")[-1][0] == pytest.approx(float(dashed[1]))
    assert "90.0 %" in figure


def test_two_curves_of_a_chart_keep_their_colours(tmp_path):
    log(tmp_path, [{"zero_advantage_after": 0.25}, {"zero_advantage_after": 0.25}])
    figure = charts(write_plots(tmp_path).read_text())["Groups that teach nothing"]
    assert curves(figure, "b")
    assert not curves(figure, "a")
    assert re.search(r'<i class="b"></i>after contrastive sampling <b>25\.0 %</b>', figure)


def test_many_values_are_shown_with_their_means(tmp_path):
    log(tmp_path, [{"loss": float(number % 2), "learning_rate": float(number % 2)} for number in range(200)])
    drawn = charts(write_plots(tmp_path).read_text())
    raw, smooth = (max(heights) - min(heights) for heights in curves(drawn["Loss"], "a"))
    assert smooth < raw / 2
    raw, same = (max(heights) - min(heights) for heights in curves(drawn["Learning rate"], "a"))
    assert raw == same


def test_a_torn_last_line_is_left_out(tmp_path):
    log(tmp_path, [{"loss": 1.0}], torn='{"step": 2, "lo')
    page = write_plots(tmp_path).read_text()
    assert "<dt>updates</dt><dd>1</dd>" in page


def test_what_is_no_number_is_left_out(tmp_path):
    log(tmp_path, [{"loss": 1.0, "mean_iou": None}, {"loss": math.nan}, {"loss": 3.0}])
    drawn = charts(write_plots(tmp_path).read_text())
    assert set(drawn) == {"Loss"}
    assert {len(heights) for heights in curves(drawn["Loss"], "a")} == {2}


def test_a_single_line_is_a_point(tmp_path):
    log(tmp_path, [{"loss": 1.0}])
    assert "<use" in charts(write_plots(tmp_path).read_text())["Loss"]


def test_a_training_that_logged_nothing_says_so(tmp_path):
    log(tmp_path, [])
    assert "Nothing is logged yet." in write_plots(tmp_path).read_text()


def test_without_a_log_there_is_nothing_to_plot(tmp_path):
    with pytest.raises(DataError, match=r"log\.jsonl: missing; a training writes it"):
        write_plots(tmp_path)


def test_a_damaged_line_is_named(tmp_path):
    log(tmp_path, [{"loss": 1.0}])
    path = tmp_path / "log.jsonl"
    path.write_text("not JSON\n" + path.read_text())
    with pytest.raises(DataError, match=r"log\.jsonl, line 1: not JSON"):
        write_plots(tmp_path)


def test_the_page_needs_nothing_else_and_has_both_colour_schemes(tmp_path):
    log(tmp_path, [{field: 0.5 for chart in CHARTS for field in chart.curves}] * 3)
    page = write_plots(tmp_path).read_text()
    addresses = set(re.findall(r"https?://[^\"' ]+", page))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names of formats
    assert not re.search(r"<(script|link|img|image|iframe)\b", page)
    assert "default-src 'none'" in page
    style, body = page.split("</head>")
    assert "prefers-color-scheme: dark" in style
    assert not re.search(r"(?:fill|stroke): #(?!ffffff|000000)", body)  # all colours are the style sheet's


def test_names_of_elements_are_unique(tmp_path):
    log(tmp_path, [dict.fromkeys(("loss", "reward", "kl"), 0.1 * number) for number in range(4)])
    names = re.findall(r' id="([^"]*)"', write_plots(tmp_path).read_text())
    assert len(names) == len(set(names)) > 0


def test_the_same_log_gives_the_same_page(tmp_path):
    log(tmp_path, [{"loss": 1.0}, {"loss": 0.5}])
    assert write_plots(tmp_path).read_bytes() == write_plots(tmp_path).read_bytes()


def test_a_name_is_text(tmp_path):
    folder = tmp_path / "<b>&run"
    log(folder, [{"loss": 1.0}])
    page = write_plots(folder).read_text()
    assert "&lt;b&gt;&amp;run" in page
    assert "<b>&run" not in page


class Nesting(HTMLParser):
    """Checks that elements are closed in the order in which they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "values", [[1e12, -1e12], [0.0, 0.0, 0.0], [math.inf, None, 1e-12], [math.nan], [3, 10**9, -(10**9)]]
)
def test_any_numbers_give_a_whole_page(tmp_path, values):
    log(tmp_path, [{"loss": value, "answer_yes": value} for value in values])
    parser = Nesting()
    parser.feed(write_plots(tmp_path).read_text())
    assert parser.open == []
