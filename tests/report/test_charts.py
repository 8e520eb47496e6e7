import xml.etree.ElementTree as ElementTree

from mmcore.report.charts import COLOURS, bars, curves
from mmcore.report.scores import Value

ROWS = {"this model": Value(0.98, 0.97, 0.99), "问题 <alone> & $x$": Value(0.67)}
CURVES = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]


def drawn(rows=ROWS, **more):
    return bars(rows, strong="this model", percent=True, title="scores", **more)


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")]


def test_labels_stay_letters_that_the_browser_draws():
    assert {"this model", "问题 <alone> & $x$", "98.0 %", "67.0 %"} <= set(texts(drawn()))


def test_the_same_numbers_give_the_same_bytes():
    assert drawn() == drawn()
    assert curves(CURVES, keys={"loss": "loss"}, percent=False, title="t") == curves(
        CURVES, keys={"loss": "loss"}, percent=False, title="t"
    )


def test_colours_are_the_page_s_own():
    svg = drawn()

    assert "var(--accent)" in svg
    assert "var(--floor)" in svg
    assert not any(colour in svg for colour in COLOURS.values())


def test_a_chart_says_what_it_shows_to_those_who_cannot_see_it():
    svg = bars(ROWS, strong="this model", percent=True, title='a "title" & more <here>')

    assert ElementTree.fromstring(svg).get("aria-label") == 'a "title" & more <here>'


def test_a_chart_names_no_date_and_no_program():
    assert "metadata" not in drawn()
    assert "matplotlib" not in drawn().lower()


def test_negative_and_undefined_scores_are_drawn():
    svg = bars({"this model": Value(-1.5, -2, -1), "a": Value(float("nan"))}, strong="a", percent=False, title="t")

    assert {"-1.5", "not defined"} <= {text.replace("−", "-") for text in texts(svg)}


def test_a_single_epoch_and_gaps_in_a_curve_are_drawn():
    rows = [{"epoch": 1, "loss": float("nan")}, {"epoch": 2, "loss": 1.0}, {"epoch": 3}]

    assert curves(rows, keys={"loss": "loss", "other": "other"}, percent=False, title="t").startswith("<svg")
