"""Where row groups and shards end."""

from __future__ import annotations

import pytest

from algstack.release.plan import cut_row_groups, cut_shards

IDS = [f"github:owner/repo@sha:path/{number:06d}.lean" for number in range(5_000)]


@pytest.mark.parametrize(
    ("sizes", "target", "shards"),
    [
        pytest.param([10], 100, [(0, 1)], id="one small group"),
        pytest.param([1000], 100, [(0, 1)], id="one group above the target"),
        pytest.param([50, 50, 50, 50], 100, [(0, 2), (2, 4)], id="even"),
        pytest.param([100, 1, 1, 100], 100, [(0, 2), (2, 4)], id="uneven"),
        pytest.param([1, 1, 1, 1000], 300, [(0, 1), (1, 2), (2, 4)], id="a giant last"),
    ],
)
def test_shards_hold_all_groups_and_none_is_empty(sizes: list[int], target: int, shards: list[tuple[int, int]]) -> None:
    found = cut_shards(sizes, target)
    assert [group for first, last in found for group in range(first, last)] == list(range(len(sizes)))
    assert all(first < last for first, last in found)
    assert len(found) == len(shards)


def test_row_groups_have_about_the_target() -> None:
    starts = cut_row_groups(IDS, [1_000] * len(IDS), 500_000)
    groups = [end - start for start, end in zip(starts, [*starts[1:], len(IDS)], strict=True)]
    assert all(250 <= group <= 750 for group in groups[:-1])


def test_one_document_more_moves_only_the_ends_near_it() -> None:
    sizes = [1_000] * len(IDS)
    before = {IDS[start] for start in cut_row_groups(IDS, sizes, 500_000)}
    more = sorted([*IDS, "github:owner/repo@sha:path/000100b.lean"])
    after = {more[start] for start in cut_row_groups(more, [1_000] * len(more), 500_000)}
    assert len(before & after) >= len(before) - 2
