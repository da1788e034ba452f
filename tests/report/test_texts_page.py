"""Two teachers on one page: everything is text, everything is inside, differences are marked."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import DataError
from mmrad.journal import Journal
from mmrad.report.texts import MEANINGS, differences, write_text_diff
from mmrad.sample import Region, Sample
from mmrad.teach.texts import text_path
from mmrad.teach.verify import CHECKS
from taught import GOOD, PLAIN, TALL, WIDE, taught_corpus

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=alert(1)> & \"q\""


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and the text of some of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.pairs: dict[str, dict[str, Any]] = {}
        self._open: list[str] = []
        self._pair: dict[str, Any] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.found.append((tag, values))
        if tag == "article":
            self._pair = {"outcome": values["data-outcome"], "failed": values["data-failed"], "rects": []}
            self._pair |= {"marks": [], "tags": [], "think": ""}
            self.pairs[str(values["aria-label"])] = self._pair
        if tag == "rect":
            box = [float(values[name] or 0) for name in ("x", "y", "width", "height")]
            self._pair["rects"].append((values["class"], box))
        if tag not in ("meta", "link", "img", "rect", "input", "br", "i"):
            self._open.append(f"{tag}.{values.get('class')}")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1].startswith(f"{tag}."):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        where = self._open[-1] if self._open else ""
        if where == "mark.None":
            self._pair["marks"].append(data)
        elif where.startswith("span.tag"):
            self._pair["tags"].append(data)
        if any(name == "p.think" for name in self._open):
            self._pair["think"] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [values for name, values in self.found if name == tag]


def add(corpus: Corpus, teacher: str, sample_id: str, text: str, failed: tuple[str, ...] = ()) -> None:
    checks = {name: name not in failed for name in CHECKS}
    with Journal(text_path(corpus, teacher)) as journal:
        journal.append(
            {
                "sample_id": sample_id,
                "key": "k",
                "teacher": teacher,
                "view_wh": [196, 56] if sample_id == WIDE else [84, 140] if sample_id == TALL else [84, 56],
                "text": text,
                "verified": not failed,
                "checks": checks,
            }
        )


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Each outcome once: both (GOOD), only the first (WIDE), only the second (TALL), neither (PLAIN)."""
    corpus = taught_corpus(tmp_path / "corpus")
    wide = [Instance(Box(20, 11, 98, 26), "bent pin"), Instance(Box(127, 37, 147, 49), "crack")]
    moved = [Instance(Box(40, 11, 118, 26), "bent pin")]
    same = "Both images show the same part without any change."
    add(corpus, "a", GOOD, render(same, ()))
    add(corpus, "b", GOOD, render(same.replace("part", "nut"), ()))
    add(corpus, "a", WIDE, render("I see a bent pin at [20, 11, 98, 26] and [127, 37, 147, 49].", wide))
    add(corpus, "b", WIDE, render("I see a bent pin at [40, 11, 118, 26].", moved), ("count", "iou", "label"))
    add(corpus, "a", TALL, "I can not tell.", CHECKS)
    add(corpus, "b", TALL, render("Dirt at [8, 82, 50, 124].", [Instance(Box(8, 82, 50, 124), "dirt")]))
    add(corpus, "a", PLAIN, render("As the hint says.", ()), ("hint_leak",))
    return corpus


def written(corpus: Corpus, tmp_path: Path, **how: Any) -> tuple[str, Page]:
    html = write_text_diff(corpus, "a", "b", tmp_path / "out", **how).read_text("utf-8")
    return html, Page(html)


def test_outcomes_are_counted(corpus: Corpus, tmp_path: Path) -> None:
    html, page = written(corpus, tmp_path)
    assert {name: pair["outcome"] for name, pair in page.pairs.items()} == {
        GOOD: "both", WIDE: "first", TALL: "second", PLAIN: "neither",
    }  # fmt: skip
    assert "both verified: 1, only a: 1, only b: 1, neither: 1" in html
    assert "b has no text for 1 of them." in html
    assert "a has no text" not in html


def test_failed_checks_are_badges(corpus: Corpus, tmp_path: Path) -> None:
    _, page = written(corpus, tmp_path)
    assert page.pairs[WIDE]["failed"] == "count iou label"
    assert page.pairs[WIDE]["tags"] == ["verified", "count", "iou", "label"]
    assert page.pairs[TALL]["tags"] == [*(name.replace("_", " ") for name in CHECKS), "verified"]
    assert page.pairs[PLAIN]["failed"] == "hint_leak"
    assert [option["value"] for option in page.named("option")] == ["", "made/nut", "", *CHECKS]
    assert tuple(MEANINGS) == CHECKS


def test_pass_rates_stand_by_category_and_check(corpus: Corpus, tmp_path: Path) -> None:
    html, _ = written(corpus, tmp_path)
    table = html[html.index('<table class="rates">') : html.index("</table>")]
    rows = [re.findall(r"<span[^>]*>([^<]*)</span>", row) for row in table.split("<tr>")[2:]]
    assert rows[0] == rows[1]
    assert rows[0][:4] == ["4", "3", "50.0", "66.7"]
    assert re.findall(r'better">([^<]*)', table)[:3] == ["66.7", "100.0", "100.0"]


def test_a_category_of_one_teacher_alone_has_no_rate_of_the_other(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    samples = [replace(s, category="bolt") if s.id == TALL else s for s in corpus.samples]
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    corpus = write_corpus(corpus.path, {"made": info}, samples)
    add(corpus, "a", TALL, "I can not tell.", CHECKS)
    add(corpus, "b", GOOD, render("Both images show the same part.", ()))
    html, _ = written(corpus, tmp_path)
    bolt = html[html.index("made/bolt</th>") :].split("</tr>")[0]
    assert re.findall(r"<span[^>]*>([^<]*)</span>", bolt)[:4] == ["1", "0", "0.0", "-"]
    assert "better" not in bolt


def test_boxes_are_drawn_in_pixels_of_the_upright_image(corpus: Corpus, tmp_path: Path) -> None:
    _, page = written(corpus, tmp_path)
    drawn = [(kind, box) for kind, box in page.pairs[WIDE]["rects"] if kind != "halo"]
    assert drawn[:2] == [("true", [40, 30, 160, 40]), ("true", [260, 100, 40, 30])]
    [(kind, box)] = drawn[2:]  # only of the text whose places are wrong
    assert kind == "second"
    assert box == pytest.approx([40 * 400 / 196, 11 * 150 / 56, 78 * 400 / 196, 15 * 150 / 56])
    assert [box for kind, box in page.pairs[TALL]["rects"] if kind == "true"] == [[10, 100, 50, 50]]
    views = [values.get("viewbox") for values in page.named("svg")]
    assert sorted(filter(None, views)) == ["0 0 100 170", "0 0 400 150", "0 0 90 60", "0 0 90 60"]


def test_differences_are_marked_word_by_word(corpus: Corpus, tmp_path: Path) -> None:
    _, page = written(corpus, tmp_path)
    assert page.pairs[GOOD]["marks"] == [" part", " nut"]
    assert page.pairs[GOOD]["think"].count("without any change.") == 2


def test_everything_is_text_and_inside(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "broken.png").write_bytes(b"no image")
    sample = Sample(
        f"s/{HOSTILE}/test/0", "s", HOSTILE, "test", "broken.png", (90, 60),
        (Region(Box(1, 1, 9, 9), HOSTILE),), "CC0-1.0",
    )  # fmt: skip
    info = SourceInfo(adapter="made", root=str(raw), licence="CC0-1.0")
    corpus = write_corpus(tmp_path / "corpus", {"s": info}, [sample])
    place = [Instance(Box(1, 1, 9, 9), HOSTILE)]
    add(corpus, f"a{HOSTILE}", sample.id, render(f"{HOSTILE} \ud800 [1, 1, 9, 9]", place), ("iou",))
    add(corpus, "b", sample.id, f"</p></article>{HOSTILE}", CHECKS)
    html = write_text_diff(corpus, f"a{HOSTILE}", "b", tmp_path / "one.html").read_text("utf-8")
    page = Page(html)
    assert len(page.named("script")) == 1
    assert page.named("img") == []  # neither the broken picture nor what texts bring in
    assert html.count("&lt;script&gt;") >= 5
    assert "broken.png cannot be read" in html
    assert "no reference" in html
    assert str(tmp_path) not in html
    assert not re.search(r"(?:https?:)?//\w", html)
    script = html[html.index("<script>") + len("<script>") : html.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html


def test_pictures_are_small_and_inside(corpus: Corpus, tmp_path: Path) -> None:
    _, page = written(corpus, tmp_path, thumb=40)
    sources = [str(values["src"]) for values in page.named("img")]
    assert len(sources) == 8  # four queries and their references
    assert all(source.startswith("data:image/jpeg;base64,") and len(source) < 6000 for source in sources)


def test_no_more_samples_than_asked_for(corpus: Corpus, tmp_path: Path) -> None:
    html, page = written(corpus, tmp_path, limit=3)
    assert [pair["outcome"] for pair in page.pairs.values()] == ["first", "second", "neither"]
    assert "3 of 4 samples" in html and "1 are left out" in html
    assert "left out" not in written(corpus, tmp_path)[0].split("<section", 4)[3].split("</p>")[0]
    assert written(corpus, tmp_path, limit=3)[0] == html


def test_a_text_for_another_truth_says_so(corpus: Corpus, tmp_path: Path) -> None:
    path = text_path(corpus, "a")
    lines = [json.loads(line) | {"truth": "old"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, page = written(corpus, tmp_path)
    assert page.pairs[GOOD]["tags"] == ["verified for another truth", "verified"]


def test_a_teacher_without_texts_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no texts by the teacher 'c'"):
        write_text_diff(corpus, "a", "c", tmp_path)


# Differences


def marked(first: str, second: str) -> tuple[str, str]:
    sides = differences(first, second)
    one, two = ("".join(f"<{part}>" if differs else part for part, differs in parts) for parts in sides)
    return one, two


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        ("a b c d", "a b c d", ("a b c d", "a b c d")),
        ("a b c d", "a b c x", ("a b c< d>", "a b c< x>")),
        ("one two three", "zero one two three", ("one two three", "<zero> one two three")),
        ("in [1, 2, 30, 4] a", "in [1, 2, 31, 4] a", ("in [1, 2,< 30>, 4] a", "in [1, 2,< 31>, 4] a")),
        ("the a b the c", "x y the z w", ("<the a b the c>", "<x y the z w>")),
        ("No.", "Yes.", ("<No.>", "<Yes.>")),
        ("No.", "", ("No.", "")),
        ("", "", ("", "")),
        ("a  b\nc d", "a b c d", ("a  b\nc d", "a b c d")),
    ],
)
def test_words_that_only_one_text_has(first: str, second: str, shown: tuple[str, str]) -> None:
    assert marked(first, second) == shown


def test_texts_with_little_in_common_are_not_marked() -> None:
    first, second = (" ".join(f"{letter}{n}" for n in range(40)) for letter in "ab")
    assert marked(first, second) == (first, second)
    assert marked(f"{first} {first}", f"{first} {second}")[1] == f"{first}< {second}>"


def test_loops_are_cut(corpus: Corpus, tmp_path: Path) -> None:
    add(corpus, "a", GOOD, render("a b " * 20_000, ()))
    add(corpus, "b", GOOD, render("a c " * 20_000, ()))
    html, page = written(corpus, tmp_path)
    assert html.count("The rest of this very long text is left out.") == 2
    assert len(page.pairs[GOOD]["think"]) < 15_000
