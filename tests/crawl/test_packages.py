from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from algstack.crawl import stage
from algstack.errors import SourceError
from tests.conftest import FewLanguages, context_of, rows

SOURCE = '[[sources]]\nname = "src"\nkind = "python-packages"\npackages = ["typer"]\n'


def test_reads_an_installed_package_with_its_licence(tmp_path: Path) -> None:
    stage.run(context_of(SOURCE, tmp_path), FewLanguages())
    documents = {row["path"]: row for row in rows((tmp_path / "work/crawl/src").glob("documents-*"))}
    main = documents["typer/main.py"]
    assert main["id"] == f"pypi:typer@{version('typer')}:typer/main.py"
    assert main["license"] == "MIT"
    assert main["license_source"].startswith("package metadata")
    assert not [path for path in documents if "__pycache__" in path or ".." in path]


def test_a_package_that_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="`no-such-package` is not installed"):
        stage.run(context_of(SOURCE.replace("typer", "no-such-package"), tmp_path), FewLanguages())
