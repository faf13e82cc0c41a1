"""The data card: fields of the hub only, and templates of one's own."""

from __future__ import annotations

import inspect

import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData

from algstack import dataset
from algstack.errors import AlgstackError
from algstack.release import card, stage
from algstack.release.facts import Facts, facts_of
from algstack.release.statistics import Statistics, measure
from tests.release.conftest import context, document, write_workspace

BEYOND_THE_CLASS = {"configs", "dataset_info", "license_link", "license_name", "tags"}
"""Keys of the hub's cards that DatasetCardData takes without naming them."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Facts, Statistics, str]:
    folder = tmp_path_factory.mktemp("card")
    documents = [document(number, license="MIT OR A|B" if number else None) for number in range(8)]
    workspace = write_workspace(folder / "work", [documents], [str(documents[0]["id"])])
    stage.run(context(workspace))
    release = workspace.release("1.0.0")
    record = dataset.load_stage(release)
    assert record is not None
    return facts_of(record, release), measure(release), (release / "README.md").read_text()


def test_nothing_unknown_to_the_hub_is_in_the_front_matter(made: tuple[Facts, Statistics, str]) -> None:
    data = DatasetCard(made[2]).data
    assert isinstance(data, DatasetCardData)
    assert set(data.to_dict()) <= set(inspect.signature(DatasetCardData.__init__).parameters) | BEYOND_THE_CLASS


def test_the_hubs_own_names_of_types(made: tuple[Facts, Statistics, str]) -> None:
    info = yaml.safe_load(card.front_matter(*made[:2]))["dataset_info"][0]
    types = {feature["name"]: feature["dtype"] for feature in info["features"]}
    assert (types["text"], types["tokens"], types["created_at"]) == ("string", "int64", "timestamp[us, tz=UTC]")


def test_what_is_not_known_is_said(made: tuple[Facts, Statistics, str]) -> None:
    assert "**not** compared with benchmarks" in made[2]
    assert "MIT OR A\\|B" in made[2]
    assert "The manifest asks for 98 % train, 1 % validation, 1 % test." in made[2]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param("${nothing_known}", "asks for `nothing_known`", id="an unknown field"),
        pytest.param("costs 5 $", "dollar", id="a lone dollar"),
    ],
)
def test_a_template_that_cannot_be_filled_is_said(
    made: tuple[Facts, Statistics, str], template: str, message: str
) -> None:
    with pytest.raises(AlgstackError, match=message):
        card.render(*made[:2], template)


def test_a_template_of_ones_own(made: tuple[Facts, Statistics, str]) -> None:
    assert card.render(*made[:2], "# ${title}: ${documents}").endswith("\n# Tiny Algebra: 7")


@pytest.mark.parametrize(
    ("count", "name"), [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (3_400_000, "1M<n<10M"), (10**13, "n>1T")]
)
def test_size_categories(count: int, name: str) -> None:
    assert card.size_category(count) == name
