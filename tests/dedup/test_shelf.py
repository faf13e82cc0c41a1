from pathlib import Path

import numpy as np
import pytest

from algstack.dedup.shelf import Shelf
from algstack.errors import DatasetError

HASHES = np.arange(12, dtype=np.uint64)


@pytest.mark.parametrize("sizes", [[12], [5, 0, 7]])
def test_what_is_written_is_read(sizes: list[int], tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", np.array(sizes), np.full(len(sizes), 12))
    expected = np.split(HASHES, np.cumsum(sizes)[:-1])
    for bucket in reversed(range(len(sizes))):
        for at in range(sizes[bucket]):
            shelf.write(bucket, at, expected[bucket][at : at + 1])
    for bucket in range(len(sizes)):
        assert shelf.read(bucket).tolist() == expected[bucket].tolist()
    shelf.discard()
    assert not list(tmp_path.iterdir())


def test_pieces_of_a_bucket_that_does_not_fit(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", np.array([3, 9]), np.array([8, 8]))
    shelf.write(0, 0, HASHES[:3])
    shelf.write(1, 0, HASHES[3:])
    assert shelf.fits(0)
    assert not shelf.fits(1)
    read = np.zeros(5, np.uint64)
    shelf.read_pieces(1, np.array([7, 0]), np.array([2, 1]), np.array([1, 4]), read)
    assert read.tolist() == [0, 10, 11, 0, 3]


def test_a_full_disk_is_said() -> None:
    shelf = Shelf(Path("/dev/full"), np.array([5, 7]), np.array([12, 12]))
    with pytest.raises(DatasetError, match="no room left on the disk"):
        shelf.write(0, 0, HASHES[:5])
