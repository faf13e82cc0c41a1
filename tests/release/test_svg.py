"""Charts: sound XML whatever stands in them, and axes with round numbers."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from algstack.release.figures import png
from algstack.release.svg import (
    LIGHT,
    PHONE,
    Bar,
    Step,
    bars,
    columns,
    document,
    human,
    nice_ticks,
    text_width,
    waterfall,
)

NASTY = "<script>\"&'</script> ∀"


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(bars("a", NASTY, NASTY, [Bar(NASTY, 3, "3"), Bar("b" * 80, 0, "0")], LIGHT), id="bars"),
        pytest.param(columns("a", NASTY, NASTY, [Bar(NASTY, 3, "3"), Bar("b", 0, "")], LIGHT), id="columns"),
        pytest.param(waterfall("a", NASTY, NASTY, [Step(NASTY, 5, ((NASTY, 2),)), Step("b", 3, ())], LIGHT), id="fall"),
        pytest.param(waterfall("a", "t", "s", [Step("none", 0, ())], LIGHT), id="nothing"),
        pytest.param(bars("a", NASTY, "word " * 40, [Bar("b" * 80, 3, "3")], PHONE), id="bars on a phone"),
        pytest.param(waterfall("a", NASTY, NASTY, [Step(NASTY, 5, ((NASTY, 2),))], PHONE), id="fall on a phone"),
    ],
)
def test_a_chart_is_sound_xml_and_can_be_drawn(chart: object) -> None:
    text = document(chart)  # type: ignore[arg-type]
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "<script" not in text
    drawn = png(text)
    assert drawn.startswith(b"\x89PNG")
    assert drawn == png(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1_000, "1 k"), (34_560, "34.6 k"), (456_000, "456 k"), (1.2e9, "1.2 B"), (3e12, "3 T")],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert human(value) == text


@pytest.mark.parametrize("largest", [1, 3, 7, 16_500, 99_999, 123_456_789])
def test_ticks_are_few_and_reach_the_largest(largest: float) -> None:
    top, ticks = nice_ticks(largest)
    assert top >= largest
    assert 2 <= len(ticks) <= 6
    assert all(
        str(int(tick)).rstrip("0") in ("", "1", "2", "3", "4", "5", "6", "8", "12", "15", "25", "75") for tick in ticks
    )


def test_the_last_label_of_narrow_columns_keeps_clear_of_the_edge() -> None:
    rows = [Bar(f"{percent} %", percent, "") for percent in range(20, 101)]
    chart = columns("a", "t", "s", rows, PHONE, ["20 %", "60 %", "100 %"])
    last = next(text for text in ElementTree.fromstring(document(chart)).iter() if text.text == "100 %")
    assert float(last.attrib["x"]) + text_width("100 %") * 12 / 14 / 2 < PHONE.width - PHONE.margin / 3
