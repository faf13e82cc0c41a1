"""What an SPDX licence expression allows: whether everything in it is permissive.

The categories are those of ScanCode's LicenseDB, which the package `license-expression` carries with it.
"""

from __future__ import annotations

from functools import lru_cache

from boolean.boolean import AND, OR, Expression
from license_expression import (
    ExpressionError,
    LicenseSymbol,
    LicenseWithExceptionSymbol,
    Licensing,
    get_license_index,
    get_spdx_licensing,
)

PERMISSIVE_CATEGORIES = frozenset({"Permissive", "Public Domain"})


@lru_cache(maxsize=65_536)
def is_permissive(expression: str | None) -> bool:
    """Whether a text may be used under permissive terms alone.

    Of alternatives (`OR`) one permissive licence is enough; of licences that hold together (`AND`) each must be.
    An exception (`WITH`) only adds permissions. What is unknown, or is no SPDX expression, is not permissive.

    Args:
        expression: an SPDX licence expression such as `MIT OR GPL-2.0-only`, or None.
    """
    if not expression:
        return False
    try:
        parsed = _licensing().parse(expression)
    except ExpressionError:
        return False
    return parsed is not None and _allows(parsed)


def _allows(node: Expression) -> bool:
    if isinstance(node, OR):
        return any(_allows(choice) for choice in node.args)
    if isinstance(node, AND):
        return all(_allows(term) for term in node.args)
    if isinstance(node, LicenseWithExceptionSymbol):
        node = node.license_symbol
    return isinstance(node, LicenseSymbol) and node.key in _permissive_keys()


@lru_cache(maxsize=1)
def _licensing() -> Licensing:
    return get_spdx_licensing()


@lru_cache(maxsize=1)
def _permissive_keys() -> frozenset[str]:
    return frozenset(
        key
        for license_ in get_license_index()
        if license_["category"] in PERMISSIVE_CATEGORIES
        for key in (license_["spdx_license_key"], *license_["other_spdx_license_keys"])
        if key
    )
