"""The parts of the desk that need no page: arithmetic of views and boxes, undo, keys, what is sent when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, Route

import mmrad.review

ASSETS = Path(mmrad.review.__file__).parent / "assets" / "desk"
ADDRESS = "http://localhost/"

HELPERS = """
globalThis.load = (name) => import(`/${name}.js`);
globalThis.sampleOf = (regions, texts = []) => (
  { id: "a/b/c/1", size_wh: [100, 60], seen: 3, regions, texts });
globalThis.memory = () => { const kept = {}; return Object.defineProperties(kept, {
  getItem: { value: (key) => kept[key] ?? null },
  setItem: { value: (key, value) => { kept[key] = value; }, configurable: true },
  removeItem: { value: (key) => { delete kept[key]; } } }); };
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """An empty page that can import the modules."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(ADDRESS)
        if name:
            route.fulfill(path=ASSETS / name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>empty</title>", content_type="text/html")

    opened = browser.new_page()
    opened.route(f"{ADDRESS}**", answer)
    opened.goto(ADDRESS)
    opened.evaluate(HELPERS)
    yield opened
    opened.close()


def js(page: Page, steps: str, value: Any = None) -> Any:
    """What an asynchronous function body returns; `given` is `value`."""
    return page.evaluate(f"async (given) => {{ {steps} }}", value)


side = st.integers(1, 3000)
points = st.tuples(st.floats(-100, 3100), st.floats(-100, 3100))
in_page = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@in_page
@given(first=points, second=points, size=st.tuples(side, side))
def test_a_drag_spans_whole_pixels_inside_the_image(page: Page, first: Any, second: Any, size: Any) -> None:
    x1, y1, x2, y2 = js(
        page, 'return (await load("boxes")).spanned(...given)', [list(first), list(second), list(size)]
    )
    assert all(value == int(value) for value in (x1, y1, x2, y2))
    assert 0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]
    inside = [min(max(value, 0), length) for value, length in zip(first, size, strict=True)]
    assert x1 <= min(inside[0], size[0] - 1) + 1 and inside[0] <= x2 + 1
    assert y1 <= min(inside[1], size[1] - 1) + 1 and inside[1] <= y2 + 1


boxes = st.tuples(st.integers(0, 90), st.integers(0, 50), st.integers(1, 10), st.integers(1, 10)).map(
    lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]]
)
shift = st.tuples(st.floats(-200, 200), st.floats(-200, 200))


@in_page
@given(box=boxes, by=shift, handle=st.sampled_from(["nw", "n", "ne", "e", "se", "s", "sw", "w"]))
def test_moving_keeps_the_size_and_resizing_the_other_edges(
    page: Page, box: list[int], by: Any, handle: str
) -> None:
    steps = """const { moved, resized } = await load("boxes");
        const size = [100, 60];
        return [moved(given.box, given.by, size), resized(given.box, given.handle, given.by, size)];"""
    moved, resized = js(page, steps, {"box": box, "by": list(by), "handle": handle})
    for x1, y1, x2, y2 in (moved, resized):
        assert 0 <= x1 < x2 <= 100 and 0 <= y1 < y2 <= 60
    assert (moved[2] - moved[0], moved[3] - moved[1]) == (box[2] - box[0], box[3] - box[1])
    for side_, at in (("w", 0), ("n", 1), ("e", 2), ("s", 3)):
        assert side_ in handle or resized[at] == box[at]


@in_page
@given(
    point=points,
    scale=st.floats(0.05, 40),
    start=st.tuples(st.floats(0, 800), st.floats(0, 600)),
    size=st.tuples(st.integers(20, 6000), st.integers(20, 6000)),
)
def test_zooming_keeps_what_is_under_the_pointer(
    page: Page, point: Any, scale: float, start: Any, size: Any
) -> None:
    steps = """const { fit, zoomed, toImage, toScreen } = await load("viewport");
        const view = fit([800, 600], given.size);
        const next = zoomed(view, [800, 600], given.size, given.scale, given.start);
        const back = toScreen(next, toImage(next, given.point));
        return { before: toImage(view, given.start), after: toImage(next, given.start), back, next };"""
    found = js(page, steps, {"point": list(point), "scale": scale, "start": list(start), "size": list(size)})
    assert found["back"] == pytest.approx(list(point), abs=1e-6)
    low, high = found["next"]["x"], found["next"]["x"] + size[0] * found["next"]["scale"]
    assert high >= 47 and low <= 753  # the picture cannot get lost
    inside = all(0 <= at <= length for at, length in zip(found["before"], size, strict=True))
    if inside and 60 <= start[0] <= 740 and 60 <= start[1] <= 540:
        assert found["after"] == pytest.approx(found["before"], abs=1e-6 * max(size))


REGIONS = [
    {"box": [10, 10, 30, 20], "label": "scratch", "mask": "m.png"},
    {"box": [20, 15, 50, 40], "label": "dent", "mask": "m.png"},
    {"box": [60, 30, 70, 50], "label": "hole", "mask": None},
]


def edited(page: Page, steps: str, regions: Any = REGIONS) -> Any:
    """Regions after steps with `editor`."""
    return js(
        page,
        f"""const {{ Editor }} = await load("editor"); const editor = new Editor(sampleOf(given));
        const keys = editor.regions.map((region) => region.key); {steps}
        return editor.draft().regions;""",
        regions,
    )


def test_a_moved_box_loses_its_mask_and_a_relabelled_one_keeps_it(page: Page) -> None:
    steps = "editor.select(keys[0]); editor.move([5, 0]); editor.relabel(keys[1], 'bump');"
    found = edited(page, steps)
    assert found[0] == {"box": [15, 10, 35, 20], "label": "scratch", "mask": None}
    assert found[1] == {"box": [20, 15, 50, 40], "label": "bump", "mask": "m.png"}
    back = edited(page, steps + "editor.undo(); editor.undo();")
    assert back == REGIONS


def test_a_box_of_raw_data_between_pixels_becomes_whole_only_when_it_is_changed(page: Page) -> None:
    odd = [{"box": [10.4, 10.6, 30.5, 20.2], "label": "scratch", "mask": None}]
    assert (
        edited(page, "editor.select(keys[0]); editor.relabel(keys[0], 'dent');", odd)[0]["box"]
        == odd[0]["box"]
    )
    for step in ("editor.move([1, 1])", "editor.resize('e', [1, 0])", "editor.split(0, 20)"):
        for region in edited(page, f"editor.select(keys[0]); {step};", odd):
            assert all(value == int(value) for value in region["box"])


def test_merging_makes_the_union_and_keeps_a_mask_of_all(page: Page) -> None:
    assert edited(page, "editor.select(keys[1]); editor.mark(keys[0]); editor.merge();") == [
        {"box": [10, 10, 50, 40], "label": "dent", "mask": "m.png"},
        REGIONS[2],
    ]
    assert edited(page, "editor.markAll(); editor.merge();") == [
        {"box": [10, 10, 70, 50], "label": "scratch", "mask": None}
    ]
    assert edited(page, "editor.select(keys[0]); if (editor.merge()) throw Error();") == REGIONS


def test_splitting_leaves_no_pixel_out(page: Page) -> None:
    found = edited(page, "editor.select(keys[2]); editor.split(1, 37.6);")
    assert [region["box"] for region in found[2:]] == [[60, 30, 70, 38], [60, 38, 70, 50]]
    assert {region["label"] for region in found[2:]} == {"hole"}
    outside = edited(page, "editor.select(keys[2]); editor.split(0, 900);")
    assert [region["box"] for region in outside[2:]] == [[60, 30, 69, 50], [69, 30, 70, 50]]
    thin = [{"box": [5, 5, 6, 9], "label": "crack", "mask": None}]
    assert edited(page, "editor.select(keys[0]); if (editor.split(0, 5)) throw Error();", thin) == thin


def test_undo_goes_back_step_by_step_and_redo_forth(page: Page) -> None:
    steps = """const { History } = await load("history"); const history = new History("a");
        const seen = []; const note = () => seen.push(history.present);
        history.push("b"); history.push("c", "right"); history.push("d", "right"); history.push("e", "left");
        for (const act of ["undo", "undo", "undo", "undo", "redo", "redo"]) { history[act](); note(); }
        history.push("f"); note(); if (history.redo()) throw Error();
        return seen;"""
    assert js(page, steps) == ["d", "b", "a", "a", "b", "d", "f"]


@in_page
@given(
    steps=st.lists(
        st.sampled_from(["add", "move", "remove", "merge", "split", "relabel", "markAll"]), max_size=12
    )
)
def test_everything_can_be_undone_and_done_again(page: Page, steps: list[str]) -> None:
    script = """const { Editor } = await load("editor"); const editor = new Editor(sampleOf(given.regions));
        const acts = {
          add: () => editor.add([1, 2, 9, 9], "new"), move: () => editor.move([3, -2]),
          remove: () => editor.remove(), merge: () => editor.merge(), split: () => editor.split(0, 12),
          relabel: () => editor.region && editor.relabel(editor.current, "other"),
          markAll: () => editor.markAll() };
        const seen = [JSON.stringify(editor.draft().regions)];
        for (const step of given.steps) {
          const before = editor.edits.past.length;
          acts[step]();
          if (editor.edits.past.length > before) seen.push(JSON.stringify(editor.draft().regions));
        }
        const back = [seen.at(-1)];
        while (editor.undo()) back.unshift(JSON.stringify(editor.draft().regions));
        const forth = [JSON.stringify(editor.draft().regions)];
        while (editor.redo()) forth.push(JSON.stringify(editor.draft().regions));
        return [seen, back, forth];"""
    seen, back, forth = js(page, script, {"steps": steps, "regions": REGIONS})
    assert seen == back == forth
    assert json.loads(seen[0]) == REGIONS


def test_keys_are_named_as_they_are_typed(page: Page) -> None:
    events = [
        ({"key": "k", "code": "KeyK"}, "keep"),
        ({"key": "?", "code": "Slash", "shiftKey": True}, "help"),
        ({"key": "Z", "code": "KeyZ", "ctrlKey": True, "shiftKey": True}, "redo"),
        ({"key": "z", "code": "KeyZ", "metaKey": True}, "undo"),
        ({"key": "л", "code": "KeyK"}, "keep"),
        ({"key": "ArrowRight", "code": "ArrowRight"}, "skip"),
        ({"key": "k", "code": "KeyK", "ctrlKey": True}, None),
        ({"key": " ", "code": "Space"}, "pan"),
        ({"key": "P", "code": "KeyP", "shiftKey": True}, "acceptAll"),
    ]
    steps = """const { commandOf } = await load("keys");
        return given.map((values) => commandOf(new KeyboardEvent("keydown", values)) ?? null);"""
    assert js(page, steps, [values for values, _ in events]) == [command for _, command in events]


def test_no_key_has_two_meanings(page: Page) -> None:
    keys = js(page, 'return (await load("keys")).KEYS.flatMap((entry) => entry.keys)')
    assert len(keys) == len(set(keys))


def test_a_text_falls_into_places_and_words(page: Page) -> None:
    text = "<think>At [30, 20, 10, 5] and (1.5, 2, 3, 4); <b>not</b> [1, 2, 3].</think>\n<answer>No.</answer>"
    found = js(
        page,
        """const { sections, pieces, boxInImage } = await load("words");
        const parts = sections(given).map(({ name, text }) => [name, pieces(text)]);
        const scaled = boxInImage([10, 5, 30, 20], [100, 50], [200, 25]);
        return { parts, scaled, whole: sections("anything") };""",
        text,
    )
    (name, pieces), answer = found["parts"]
    assert name == "Reasoning" and answer == ["Answer", [{"text": "No."}]]
    assert [piece["box"] for piece in pieces if "box" in piece] == [[10, 5, 30, 20], [1.5, 2, 3, 4]]
    assert "".join(piece["text"] for piece in pieces) == text[len("<think>") : text.index("</think>")]
    assert found["scaled"] == [20, 2.5, 60, 10]
    assert found["whole"] == [{"name": "", "text": "anything"}]


def test_one_decision_for_each_judged_text(page: Page) -> None:
    texts = [
        {"teacher": "one", "text": "first", "view_wh": [56, 28]},
        {"teacher": "two", "text": "second", "view_wh": [56, 28]},
        {"teacher": "three", "text": "third", "view_wh": [56, 28]},
    ]
    found = js(
        page,
        """const { Editor } = await load("editor"); const editor = new Editor(sampleOf([], given));
        const none = editor.decisions("keep", "", "q", 1.26);
        editor.judge(given[0], false); editor.rewrite(given[2], "better");
        const kept = editor.decisions("keep", "", "q", 1.26);
        return [none, kept, editor.decisions("drop", "blurred", null, 1)];""",
        texts,
    )
    assert [sent["text"] for sent in found[0]] == [None]
    assert [(sent["seen"], sent["seconds"]) for sent in found[1]] == [(3, 1.3), (4, 0)]
    assert [sent["text"] for sent in found[1]] == [
        {"teacher": "one", "before": "first", "view_wh": [56, 28], "good": False, "after": None},
        {"teacher": "three", "before": "third", "view_wh": [56, 28], "good": True, "after": "better"},
    ]
    assert len({sent["id"] for part in found for sent in part}) == 5


OUTBOX = """
const { Outbox } = await load("outbox"); const { Stored } = await load("stored");
const storage = memory(); const sent = []; const told = []; let answer = () => ({});
const api = { post: async (path, body) => { sent.push(body.id); return answer(body); } };
const open = () => new Outbox(api, new Stored(storage, "me"), {
  confirmed: ({ body }) => told.push(`stored ${body.id}`),
  setAside: (id) => told.push(`aside ${id}`),
  connection: (failure) => told.push(`trouble ${failure?.status}`) });
const fail = (status, body) => { throw Object.assign(Error("no"), { status, body }); };
const body = (id, sample) => ({ id, sample_id: sample });
"""


def test_decisions_outlive_the_page_and_go_out_in_order(page: Page) -> None:
    found = js(
        page,
        OUTBOX
        + """answer = () => fail(0);
        const first = open(); first.add([body("z", "s1")]); first.add([body("a", "s2"), body("b", "s2")]);
        await null; clearTimeout(first.timer); const before = [...sent]; sent.length = 0;
        answer = () => ({}); const second = open(); const kept = second.waiting.length;
        await second.run();
        const left = Object.keys(storage).length;
        return { before, kept, sent, told, left, again: open().items.length };""",
    )
    assert found["before"] == ["z"]
    assert (found["kept"], found["left"], found["again"]) == (3, 0, 0)
    assert found["sent"] == ["z", "a", "b"]
    assert found["told"] == ["trouble 0", "stored z", "stored a", "stored b"]


def test_a_refused_decision_takes_later_ones_of_its_sample_along_and_no_other(page: Page) -> None:
    found = js(
        page,
        OUTBOX
        + """answer = ({ id }) => id === "a" ? fail(409, { reviews: [{ reviewer: "ann" }] }) : {};
        const outbox = open(); outbox.add([body("a", "s1"), body("b", "s1"), body("c", "s2")]);
        while (outbox.running) await new Promise((done) => setTimeout(done));
        const again = open();
        const row = ({ body, aside }) => [body.id, aside.error, aside.reviews[0].reviewer];
        const kept = again.aside.get("s1").map(row);
        return { sent, told, kept, waiting: again.waiting.length };""",
    )
    assert found["sent"] == ["a", "c"]
    assert found["told"] == ["aside s1", "stored c"]
    assert found["kept"] == [["a", "no", "ann"], ["b", "no", "ann"]]
    assert found["waiting"] == 0


@pytest.mark.parametrize("status", [0, 401, 429, 500, 503])
def test_what_may_pass_is_tried_again(page: Page, status: int) -> None:
    found = js(
        page,
        OUTBOX
        + """answer = () => fail(given); const outbox = open(); outbox.add([body("a", "s1")]);
        await null; await null; clearTimeout(outbox.timer);
        const waits = [outbox.wait]; await outbox.run(); clearTimeout(outbox.timer); waits.push(outbox.wait);
        answer = () => ({}); await outbox.run();
        return { waits, told, left: outbox.items.length };""",
        status,
    )
    assert found["waits"][1] == 2 * found["waits"][0]
    assert found["told"] == [f"trouble {status}"] * 2 + ["trouble undefined", "stored a"]
    assert found["left"] == 0


def test_a_browser_without_room_says_so(page: Page) -> None:
    found = js(
        page,
        OUTBOX
        + """answer = () => fail(0);
        Object.defineProperty(storage, "setItem", { value: () => { throw Error("QuotaExceededError"); } });
        const outbox = open(); const safe = outbox.add([body("a", "s1")]);
        await null; clearTimeout(outbox.timer);
        return [safe, outbox.waiting.length];""",
    )
    assert found == [False, 1]


WALK = """
const { Walk } = await load("queue"); const { Stored } = await load("stored");
const storage = memory(); const asked = []; const loaded = []; let busy = []; let offered = given;
const beyond = (after) => offered.filter((task) => task.position > after);
const inTurn = (after) => [...beyond(after), ...offered.filter((task) => task.position <= after)];
const api = { get: async (path, values) => {
  asked.push(values);
  return { progress: { size: 9 }, tasks: inTurn(values.after).slice(0, values.count) };
} };
const loader = { get: async (id) => { loaded.push(id); } };
const open = () => new Walk(api, loader, "q", new Stored(storage, "me"), () => busy);
const idle = () => new Promise((done) => setTimeout(done));
"""


def test_the_next_samples_are_loaded_ahead_and_none_comes_twice(page: Page) -> None:
    tasks = [{"position": at, "sample_id": f"s{at}"} for at in range(6)]
    found = js(
        page,
        WALK
        + """const walk = open(); const seen = [];
        for (let i = 0; i < 6; i++) {
          const task = await walk.next(); await idle();
          seen.push(task.sample_id); busy.push(task.sample_id);
          if (i === 0) var ahead = [...loaded];
        }
        return { seen, ahead, end: await walk.next(), loaded };""",
        tasks,
    )
    assert found["seen"] == [f"s{at}" for at in range(6)]
    assert list(dict.fromkeys(found["ahead"])) == ["s0", "s1", "s2", "s3"]
    assert found["end"] is None


def test_a_skipped_sample_comes_again_though_an_old_answer_is_still_on_its_way(page: Page) -> None:
    """The answer was asked for when the skipped sample was shown, and does not hold it."""
    tasks = [{"position": at, "sample_id": f"s{at}"} for at in range(2)]
    found = js(
        page,
        WALK
        + """const walk = open(); const get = api.get; let release;
        const slow = new Promise((done) => { release = done; });
        const first = await walk.next();
        api.get = async (path, values) => { await slow; return get(path, values); };
        await idle(); walk.filling ??= walk.ask().finally(() => (walk.filling = null));
        const second = await walk.next(); busy.push(second.sample_id);
        const third = walk.next(); release();
        return [first, second, await third].map((task) => task?.sample_id ?? null);""",
        tasks,
    )
    assert found == ["s0", "s1", "s0"]


def test_back_and_forth_and_after_a_reload(page: Page) -> None:
    tasks = [{"position": at, "sample_id": f"s{at}"} for at in range(9)]
    found = js(
        page,
        WALK
        + """const walk = open(); const names = [];
        const go = async (task) => names.push((await task)?.sample_id ?? null);
        await go(walk.back()); await go(walk.next()); await go(walk.next()); await go(walk.next());
        await go(walk.back()); await go(walk.back()); await go(walk.back()); await go(walk.next());
        const again = open(); names.push(again.current.sample_id);
        await go(again.next()); await go(again.goTo("s0"));
        await go(again.goTo("other")); await go(again.next());
        return names;""",
        tasks,
    )
    assert found == [None, "s0", "s1", "s2", "s1", "s0", None, "s1", "s1", "s2", "s0", "other", "s1"]


def test_skipped_samples_come_again_at_the_end(page: Page) -> None:
    tasks = [{"position": at, "sample_id": f"s{at}"} for at in range(3)]
    found = js(
        page,
        WALK
        + """const walk = open(); const names = [];
        for (let i = 0; i < 3; i++) { names.push((await walk.next()).sample_id); await idle(); }
        offered = given.slice(0, 2); busy = ["s2"]; names.push((await walk.next()).sample_id);
        return names;""",
        tasks,
    )
    assert found == ["s0", "s1", "s2", "s0"]
