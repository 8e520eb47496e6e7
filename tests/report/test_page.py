import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from mmcore.report.confusion import Confusion
from mmcore.report.examples import Gallery
from mmcore.report.page import Findings, LeftOut, reasons, render, verdict
from mmcore.report.scores import Value, scores_of
from tests.report.findings import example, findings, score, task

VOID = {"meta", "link", "img", "br", "use", "path"}


class Reader(HTMLParser):
    """Text and addresses of a page; every element must be closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.addresses, self.elements = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    return reader


def words(page):
    return " ".join(" ".join(read(page).text).split())


def test_the_page_tells_the_score_its_interval_and_the_floors():
    text = words(render(findings(), title="Shapes"))

    for expected in ("98.4 %", "98.1 to 98.7 %", "question alone", "67.0 %", "31.4 points above", "9,673 test rows"):
        assert expected in text


def test_the_page_tells_what_is_asked_of_it():
    text = words(render(findings(), title="Shapes"))

    for expected in (
        "without image",
        "What is taken for what",
        "no taken for yes",
        "is it red?",
        "93 %",
        "34,700 train rows",
        "is damaged",
        "images/a.png",
        "lr: 0.001",
        "mmcore 0.1.0",
        "2 min 51 s of training on cpu",
        "accuracy on the validation rows",
    ):
        assert expected in text


def test_the_page_needs_nothing_else():
    reader = read(render(findings(), title="Shapes"))

    assert all(address.startswith(("data:", "#")) for address in reader.addresses)
    assert "script" not in reader.elements
    assert not re.search(r"url\((?!#)|@import", render(findings(), title="Shapes"))


def test_the_same_findings_give_the_same_page():
    assert render(findings(), title="Shapes") == render(findings(), title="Shapes")


def test_chinese_labels_and_names_stand_in_the_page_as_they_are():
    chinese = task(
        name="回答",
        scores=[score(task="回答", floors={"问题": Value(0.67)}, without={"图像": Value(0.4)})],
        confusion=Confusion.of([("圆形", "圆形"), ("长方形", "圆形")]),
        galleries=[Gallery("Wrong", "", [example(inputs={"问题": ("text", "图里有圆形吗？")}, predicted="是")])],
    )

    text = words(render(findings(tasks=[chinese]), title="看图问答"))

    for expected in ("看图问答", "回答", "问题 alone", "without 图像", "长方形 taken for 圆形", "图里有圆形吗？", "是"):
        assert expected in text


def test_nothing_from_the_data_becomes_markup():
    evil = "<script>alert(1)</script>"
    page = render(
        findings(
            tasks=[
                task(
                    name=evil,
                    scores=[score(task=evil, floors={evil: Value(0.1)}, without={evil: Value(0.1)})],
                    confusion=Confusion.of([(evil, "a")]),
                    galleries=[Gallery(evil, evil, [example(id=evil, predicted=evil, inputs={evil: ("text", evil)})])],
                )
            ],
            left_out=[LeftOut(evil, evil, evil)],
            params=evil,
            versions={evil: evil},
            timings={"device": evil, "train_s": 1.0},
        ),
        title=evil,
    )

    assert "script" not in read(page).elements


@pytest.mark.parametrize(
    "lacking",
    [
        {"curves": []},
        {"left_out": []},
        {"timings": {}},
        {"rows": {}},
        {"versions": {}, "params": ""},
        {"tasks": [task(confusion=None)]},
        {"tasks": [task(galleries=[])]},
        {"tasks": [task(scores=[score(floors={}, without={})])]},
        {"tasks": [task(scores=[score(value=Value(math.nan))])]},
        {
            "tasks": [
                task(scores=[score(metric="mae", better="down", value=Value(12.5), floors={"majority": Value(20)})])
            ]
        },
        {"tasks": [task(scores=[])]},
        {"tasks": [task(confusion=Confusion.of([("one", "one")]))]},
    ],
)
def test_what_is_not_there_is_left_out_and_the_page_stays_whole(lacking):
    read(render(findings(**lacking), title="Shapes"))


def test_a_page_of_nothing_but_a_score_is_whole():
    read(render(Findings([task(galleries=[], confusion=None)], split="test", n=1), title="Shapes"))


def test_every_task_has_its_own_headline():
    far = score(task="price", metric="mae", better="down", share=False, value=Value(12.5), floors={})
    price = task(name="price", scores=[far])

    text = words(render(findings(tasks=[task(), price]), title="Shapes"))

    assert "answer · accuracy" in text
    assert "price · mae (lower is better)" in text
    assert "12.5" in text


@pytest.mark.parametrize(
    ("value", "floors", "state", "said"),
    [
        (Value(0.98, 0.97, 0.99), {"question": Value(0.67)}, "good", "Better than every floor"),
        (Value(0.68, 0.6, 0.75), {"question": Value(0.67)}, "open", "its interval reaches it"),
        (Value(0.68), {"question": Value(0.67)}, "open", "without an interval"),
        (Value(0.5, 0.4, 0.6), {"question": Value(0.67)}, "bad", "Not better than question alone"),
        (Value(0.5), {}, "none", "No floor"),
        (Value(math.nan), {"question": Value(0.67)}, "bad", "not defined"),
    ],
)
def test_the_verdict_says_whether_the_model_is_worth_having(value, floors, state, said):
    found, sentence = verdict(score(value=value, floors=floors))

    assert found == state
    assert said in sentence


def test_rows_in_quarantine_are_counted_by_reason_without_what_names_the_cell():
    left_out = [LeftOut("image", f"{n}.png", f"{n}.png: is damaged") for n in range(5)]

    (reason,) = reasons([*left_out])

    assert (reason.field, reason.text, reason.count) == ("image", "is damaged", 5)
    assert reason.cells == ["0.png", "1.png", "2.png"]


def test_a_row_refused_as_a_whole_is_counted_too():
    (reason,) = reasons([LeftOut(None, None, "a second row with this id")])

    assert reason.field == "the whole row"


@pytest.mark.slow  # a process of its own
def test_the_page_is_made_without_torch():
    code = "import sys, mmcore.report.page; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_damage_is_drawn_from_the_undamaged_score_on():
    metrics = {
        "answer/accuracy": 0.9,
        "answer/accuracy/under/image/blur/0.5": 0.7,
        "answer/accuracy/under/image/blur/1": 0.4,
    }
    (found,) = scores_of(metrics, {"answer": {"accuracy": "up"}})
    page = render(findings(tasks=[task(scores=[found])]), title="t")

    assert found.under == {"image: blur": {0.5: 0.7, 1.0: 0.4}}
    assert "When inputs get worse" in page
    assert "accuracy as inputs get worse" in page
    assert "When inputs get worse" not in render(findings(), title="t")


def test_what_was_cut_off_is_said():
    page = render(findings(notes=["text: 3.0 % of the training texts are longer than 8 tokens"]), title="t")

    assert "text: 3.0 % of the training texts" in page


def test_examples_without_an_answer_to_read_are_their_inputs_alone():
    silent = example(predicted=None, actual=None, confidence=None)
    page = render(findings(tasks=[task(galleries=[Gallery("Wrong answers", "", [silent])])]), title="t")

    assert "is it red?" in page
    assert "<i>empty</i>" not in page
    assert "✗" not in page


def test_upright_headings_have_room_for_letters_that_are_painted_below_their_place():
    """What lies beyond a heading is cut off, of Chinese in WenQuanYi all but the last stroke of a single letter."""
    page = render(findings(), title="t")
    rule = page.partition(".confusion thead th span {")[2].partition("}")[0]
    style = dict(part.strip().split(": ") for part in rule.split(";") if part.strip())

    assert style["overflow"] == "hidden"
    assert style["padding-bottom"] == "1em"
