from __future__ import annotations

from pathlib import Path

import pytest

from algstack import dataset
from algstack.crawl import stage
from algstack.errors import DatasetError, ManifestError
from tests.conftest import FewLanguages, context_of

TWO = '[[sources]]\nname = "{0}"\nkind = "folder"\npath = "in"\nrepo = "r"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.lean").write_text("theorem")
    (tmp_path / "in/b.txt").write_text("text")
    return tmp_path


def test_counts_balance_and_parts_are_as_recorded(folder: Path) -> None:
    record = stage.run(context_of(TWO.format("one"), folder), FewLanguages())["one"]
    assert record.counts.documents == 2
    assert record.counts.kept == 1
    assert record.counts.dropped == {"no-language": 1}
    for part in record.parts:
        dataset.check_part(folder / "work/crawl/one" / part.name, part)


def test_an_id_that_two_sources_bring_is_an_error_that_names_it(folder: Path) -> None:
    context = context_of(TWO.format("one") + TWO.format("two"), folder)
    with pytest.raises(DatasetError, match=r"folder:r:a.lean comes more than once, from `one` and `two`"):
        stage.run(context, FewLanguages())


def test_an_unknown_source_names_the_nearest(folder: Path) -> None:
    with pytest.raises(ManifestError, match="did you mean `one`"):
        stage.run(context_of(TWO.format("one"), folder), FewLanguages(), ["onee"])


def test_a_new_extension_is_crawled(folder: Path) -> None:
    context = context_of(TWO.format("one"), folder)
    stage.run(context, FewLanguages())
    record = stage.run(context, FewLanguages((*FewLanguages.extensions, (".txt", "text"))))["one"]
    assert record.counts.kept == 2
