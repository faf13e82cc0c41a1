import pytest

from algstack.dedup import bands
from algstack.dedup.bands import Bands
from algstack.errors import AlgstackError


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.99, 1.0])
def test_the_recall_is_reached_at_the_threshold_and_above(threshold: float) -> None:
    chosen = bands.choose(threshold)
    assert chosen.recall(threshold) >= 0.99
    assert chosen.recall(1.0) == 1
    assert chosen.values <= bands.VALUES


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(0.7, Bands(17, 4), id="default"),
        pytest.param(1.0, Bands(2, 32), id="equal-sets"),
        pytest.param(0.01, Bands(459, 1), id="more-values-than-usual"),
    ],
)
def test_choose(threshold: float, expected: Bands) -> None:
    assert bands.choose(threshold) == expected


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.01, float("nan")])
def test_a_threshold_out_of_range_is_an_error(threshold: float) -> None:
    with pytest.raises(AlgstackError, match=r"threshold must lie in \(0, 1\]"):
        bands.choose(threshold)


@pytest.mark.parametrize("recall", [0.0, 1.0, 2.0])
def test_a_recall_out_of_range_is_an_error(recall: float) -> None:
    with pytest.raises(AlgstackError, match="recall"):
        bands.choose(0.7, recall)


def test_explain_shows_the_curve() -> None:
    lines = list(bands.explain(Bands(26, 5), 0.7))
    assert lines[0].startswith("130 values in 26 bands of 5 rows: 0.9916")
    assert any("0.70  0.991" in line and "threshold" in line for line in lines)
