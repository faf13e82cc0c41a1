from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from algstack import data, manifest
from algstack.errors import ManifestError
from algstack.init import write_manifest


def test_the_written_manifest_loads_and_says_the_defaults(tmp_path: Path) -> None:
    folder = tmp_path / "My stack!"
    write_manifest(folder / "algstack.toml")
    loaded = manifest.load(folder / "algstack.toml")
    assert loaded.config.name == "My-stack"
    assert loaded.resolve("a/b") == folder / "a/b"


def test_every_key_that_is_commented_out_in_the_template_is_a_key_with_that_default(tmp_path: Path) -> None:
    """Uncommenting the settings changes nothing but the sources."""
    text = (data.folder("manifests") / "template.toml").read_text()
    settings = text[text.index("[crawl]") :]
    lines = [line.removeprefix("# ").split("   #")[0] for line in settings.splitlines()]
    shown = [line for line in lines if not line.startswith(("languages", "folder", "within"))]
    head = 'name = "a"\n[[sources]]\nname = "a"\nkind = "folder"\npath = "."\n'
    path = tmp_path / "m.toml"
    path.write_text(head + "\n".join(shown))
    uncommented = manifest.load(path).config
    path.write_text(head)
    assert uncommented == manifest.load(path).config


def test_init_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "algstack.toml"
    path.write_text("mine")
    with pytest.raises(ManifestError, match="there is a file already"):
        write_manifest(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", sorted(path.stem for path in data.folder("manifests").glob("*.toml")))
def test_shipped_manifests_load_by_name(name: str) -> None:
    if name in ("template", "benchmarks"):
        pytest.skip("not a manifest to run")
    assert manifest.load(Path(name)).config.sources


def test_a_misspelt_signal_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(
        'name = "a"\n[[sources]]\nname = "a"\nkind = "folder"\npath = "."\n[release]\nsignals = ["comment_ration"]\n'
    )
    with pytest.raises(ManifestError, match=r"m.toml:7: .*no signal `comment_ration`; did you mean `comment_ratio`"):
        manifest.load(path)


def test_a_misspelt_benchmark_is_refused_when_the_manifest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    head = 'name = "a"\n[[sources]]\nname = "a"\nkind = "folder"\npath = "."\n[decontaminate]\n'
    path.write_text(head + 'optional = ["gsm9k"]\n')
    with pytest.raises(ManifestError, match=r"m.toml:6: .*no benchmark `gsm9k`; did you mean `gsm8k`"):
        manifest.load(path)
    own = '[[decontaminate.benchmark]]\nname = "mine"\npath = "mine.jsonl"\ntext = ["question"]\n'
    path.write_text(f'{head}benchmarks = ["gsm8k", "mine"]\n{own}')
    assert manifest.load(path).config.decontaminate.benchmarks == ("gsm8k", "mine")


def test_a_missing_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="`algstack init` writes one"):
        manifest.load(tmp_path / "none.toml")


def test_a_manifest_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_bytes(b'name = "caf\xe9"\n')
    with pytest.raises(ManifestError, match="not UTF-8 text"):
        manifest.load(path)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2023-04-01", datetime(2023, 4, 1, tzinfo=UTC)),
        ("2023-04-01T12:00:00", datetime(2023, 4, 1, 12, tzinfo=UTC)),
        ("2023-04-01T12:00:00+02:00", datetime(2023, 4, 1, 10, tzinfo=UTC)),
    ],
    ids=["date", "naive", "zone"],
)
def test_dates_are_moments_in_utc(tmp_path: Path, value: str, moment: datetime) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f'name = "a"\n[[sources]]\nname = "a"\nkind = "folder"\npath = "."\ndate = {value}\n')
    source = manifest.load(path).config.sources[0]
    assert isinstance(source, manifest.Origin)
    assert source.created_at == moment
