import pytest

from algstack.licenses import is_permissive


@pytest.mark.parametrize(
    ("expression", "permissive"),
    [
        pytest.param("MIT", True, id="permissive"),
        pytest.param("Apache-2.0", True, id="apache"),
        pytest.param("CC0-1.0", True, id="public-domain"),
        pytest.param("mit", True, id="case-does-not-matter"),
        pytest.param("BSD-3-Clause AND MIT", True, id="both-permissive"),
        pytest.param("Apache-2.0 WITH LLVM-exception", True, id="with-exception"),
        pytest.param("MIT OR GPL-3.0-only", True, id="a-choice"),
        pytest.param("MIT AND (Apache-2.0 OR GPL-2.0-or-later)", True, id="nested-choice"),
        pytest.param("GPL-3.0-only", False, id="copyleft"),
        pytest.param("LGPL-2.1-or-later", False, id="weak-copyleft"),
        pytest.param("CC-BY-SA-4.0", False, id="share-alike"),
        pytest.param("MIT AND GPL-3.0-only", False, id="both-must-hold"),
        pytest.param("GPL-2.0-only WITH Classpath-exception-2.0", False, id="copyleft-with-exception"),
        pytest.param("LicenseRef-Unknown", False, id="unknown"),
        pytest.param("see LICENSE (file", False, id="no-expression"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="none"),
    ],
)
def test_is_permissive(expression: str | None, permissive: bool) -> None:
    assert is_permissive(expression) is permissive
