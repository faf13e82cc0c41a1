"""What an SPDX licence expression allows: whether everything in it is permissive, and whether a policy takes it.

The categories are those of ScanCode's LicenseDB, which the package `license-expression` carries with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
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

from algstack.errors import ManifestError

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


GROUPS = ("any", "copyleft", "permissive", "unknown")
"""Words that stand for licences in a policy: all; the known that are not permissive; the permissive; none known."""

NOT_ALLOWED = "license"
NOT_ALLOWED_REASON = "Its licence is not among those that the manifest allows."


@dataclass(frozen=True)
class Policy:
    """Which licences a document may have.

    `allow` and `deny` hold SPDX expressions and words of GROUPS; what is denied is not allowed.
    """

    allow: tuple[str, ...] = ("permissive",)
    deny: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for entry in (*self.allow, *self.deny):
            if entry not in GROUPS:
                checked(entry)

    @property
    def allows_everything(self) -> bool:
        """Whether no document needs to be looked at."""
        return "any" in self.allow and not self.deny

    def allows(self, expression: str | None) -> bool:
        """Whether a document under this licence may be kept.

        Of alternatives (`OR`) one that is allowed is enough; of licences that hold together each must be.
        """
        return _decide(self, expression)


@lru_cache(maxsize=65_536)
def _decide(policy: Policy, expression: str | None) -> bool:
    parsed = _parsed(expression)
    if parsed is None:
        return "unknown" not in policy.deny and bool({"any", "unknown"} & set(policy.allow))
    return _passes(parsed, policy)


def _passes(node: Expression, policy: Policy) -> bool:
    if isinstance(node, OR):
        return any(_passes(choice, policy) for choice in node.args)
    if isinstance(node, AND):
        return all(_passes(term, policy) for term in node.args)
    return _is_in(node, policy.allow) and not _is_in(node, policy.deny)


def _is_in(node: Expression, entries: tuple[str, ...]) -> bool:
    """Whether one licence, with its exception, is meant by any of the entries."""
    plain = node.license_symbol if isinstance(node, LicenseWithExceptionSymbol) else node
    group = "permissive" if _allows(node) else "copyleft"
    if "any" in entries or group in entries:
        return True
    named = [_parsed(entry) for entry in entries if entry not in GROUPS]
    return any(symbol in (node, plain) for entry in named if entry is not None for symbol in _terms(entry))


def _terms(node: Expression) -> list[Expression]:
    """The licences that an expression of a policy names, each for itself."""
    if isinstance(node, AND | OR):
        return [term for part in node.args for term in _terms(part)]
    return [node]


def _parsed(expression: str | None) -> Expression | None:
    """Parse a document's licence; None where it is not known or no SPDX expression."""
    if not expression or expression in ("NOASSERTION", "NONE"):
        return None
    try:
        return _licensing().parse(expression, validate=True)
    except ExpressionError:
        return None


def checked(expression: str) -> Expression:
    """Parse an SPDX expression of a manifest.

    Raises:
        ManifestError: it is none; the error names the nearest known licence.
    """
    try:
        return _licensing().parse(expression, validate=True)
    except ExpressionError as error:
        raise ManifestError(f"licenses: `{expression}` is no SPDX licence expression{_near(str(error))}") from None


def _near(message: str) -> str:
    """Return `; did you mean …?` for the known licence nearest to the last word of a parser's message."""
    wrong = message.rsplit(":", 1)[-1].strip()
    known = {key.lower(): key for key in (*_licensing().known_symbols, *GROUPS) if not key.startswith("LicenseRef-")}
    close = get_close_matches(wrong.lower(), known, n=1)
    return f"; did you mean `{known[close[0]]}`?" if close else f". The words {', '.join(GROUPS)} stand for groups."
