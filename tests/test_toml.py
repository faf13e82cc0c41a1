from __future__ import annotations

import pytest

from algstack import toml
from algstack.errors import ManifestError
from algstack.manifest import Manifest

SOURCE = '[[sources]]\nname = "a"\nkind = "folder"\npath = "x"\n'


@pytest.mark.parametrize(
    ("text", "line", "key", "problem"),
    [
        ('name = "q"\nsorces = 1\n', 2, "sorces", "did you mean `sources`?"),
        ('name = "q"\n', 1, "sources", "is missing"),
        ('name = "q"\n\n[[sources]]\nname = "a"\nkind = "foldr"\n', 3, "sources.0", "did you mean `folder`?"),
        (f'name = "q"\n{SOURCE}pth = "x"\n', 6, "sources.0.pth", "did you mean `path`?"),
        (f'name = "q"\n{SOURCE}[[sources]]\nname = "b"\nkind = "git"\npath = 3\n', 9, "sources.1.path", "valid string"),
        (f'name = "q"\n{SOURCE}[release]\nshard_byte = 1\n', 7, "release.shard_byte", "did you mean `shard_bytes`?"),
        (f'name = "q"\n{SOURCE}[dedup]\nthreshold = 1.5\n', 7, "dedup.threshold", "less than or equal to 1"),
        (f'name = "q"\n{SOURCE}[release.splits]\ntrain = 0.5\n', 6, "release", "must add up to 1, not 0.5"),
        (f'name = "q"\n{SOURCE}{SOURCE}', 1, "(top level)", "two sources are called `a`"),
        (f'name = "q"\n{SOURCE}[zzz]\n', 6, "zzz", "known: contact"),
    ],
    ids=["key", "missing", "kind", "source-key", "type", "table-key", "range", "splits", "twice", "far"],
)
def test_errors_name_file_line_key_and_nearest(text: str, line: int, key: str, problem: str) -> None:
    with pytest.raises(ManifestError) as caught:
        toml.parse(text, Manifest, "m.toml")
    said = str(caught.value)
    assert said.startswith(f"m.toml:{line}: `{key}`: ")
    assert problem in said
    assert "\n" not in said


def test_broken_toml_says_where() -> None:
    with pytest.raises(ManifestError, match=r"m.toml: not valid TOML: .*line 2"):
        toml.parse('name = "q"\nx = \n', Manifest, "m.toml")


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("lena", ["lean", "coq"], "; did you mean `lean`?"),
        ("zzz", ["lean", "coq"], "; known: coq, lean"),
        ("x", [], ""),
    ],
)
def test_nearest(name: str, known: list[str], said: str) -> None:
    assert toml.nearest(name, known) == said
