from pathlib import Path

import numpy as np
import pytest

from algstack.dedup.shelf import Shelf
from algstack.errors import DatasetError

HASHES = np.arange(12, dtype=np.uint64)


@pytest.mark.parametrize("sizes", [[12], [5, 0, 7]])
def test_what_is_written_is_read(sizes: list[int], tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", np.array(sizes))
    expected = np.split(HASHES, np.cumsum(sizes)[:-1])
    for bucket in reversed(range(len(sizes))):
        for at in range(sizes[bucket]):
            shelf.write(bucket, at, expected[bucket][at : at + 1])
    for bucket in range(len(sizes)):
        assert shelf.read(bucket).tolist() == expected[bucket].tolist()
    shelf.discard()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said() -> None:
    shelf = Shelf(Path("/dev/full"), np.array([5, 7]))
    with pytest.raises(DatasetError, match="no room left on the disk"):
        shelf.write(0, 0, HASHES[:5])
