import numpy as np
import pytest

from algstack.dedup import radix


@pytest.mark.parametrize("count", [0, 1, 100, 10_000, 100_001])
@pytest.mark.parametrize("bits", [1, 7, 33, 56, 64])
def test_it_sorts(count: int, bits: int) -> None:
    values = np.random.default_rng(count).integers(0, 1 << bits, count, np.uint64, endpoint=False)
    expected = np.sort(values)
    radix.sort(values)
    assert (values == expected).all()


def test_digits_that_all_share() -> None:
    values = np.arange(10_000, 0, -1, np.uint64) << np.uint64(40) | np.uint64(12345)
    expected = np.sort(values)
    radix.sort(values)
    assert (values == expected).all()
