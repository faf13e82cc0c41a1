import pytest

from algstack.errors import ManifestError
from algstack.licenses import Policy, is_permissive


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


@pytest.mark.parametrize(
    ("allow", "deny", "expression", "expected"),
    [
        (("permissive",), (), "MIT", True),
        (("permissive",), (), "GPL-3.0-only", False),
        (("permissive",), (), "MIT OR GPL-2.0-only", True),
        (("permissive",), (), "MIT AND GPL-2.0-only", False),
        (("permissive",), (), None, False),
        (("permissive", "unknown"), (), None, True),
        (("permissive", "unknown"), (), "NOASSERTION", True),
        (("permissive", "unknown"), (), "no licence of mine", True),
        (("permissive", "CC-BY-SA-4.0"), (), "CC-BY-SA-4.0", True),
        (("any",), ("copyleft",), "GPL-3.0-only", False),
        (("any",), ("GPL-3.0-only",), "GPL-3.0-only OR MIT", True),
        (("any",), ("unknown",), None, False),
        (("any",), (), None, True),
    ],
)
def test_policy(allow: tuple[str, ...], deny: tuple[str, ...], expression: str | None, expected: bool) -> None:
    assert Policy(allow, deny).allows(expression) is expected


def test_a_licence_that_is_none() -> None:
    with pytest.raises(ManifestError, match=r"`Apache 2` is no SPDX licence expression; did you mean `Apache-2.0`"):
        Policy(("Apache 2",))
