"""Which licences a release takes, as its manifest says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import polars as pl

from algstack.licenses import is_permissive
from algstack.manifest import LicensePolicy

RULE = "license-policy"
REASON = "its licence is not among those that the manifest lets into a release"


def _any(license_: str | None) -> bool:
    return True


def _known(license_: str | None) -> bool:
    return license_ is not None


POLICIES: Mapping[LicensePolicy, Callable[[str | None], bool]] = {
    "any": _any,
    "known": _known,
    "permissive": is_permissive,
}
"""What each policy lets in, by SPDX expression; an unknown licence is null."""


@lru_cache(maxsize=65_536)
def takes(policy: LicensePolicy, license_: str | None) -> bool:
    """Whether a release of a policy takes a licence."""
    return POLICIES[policy](license_)


def within(documents: pl.DataFrame, policy: LicensePolicy) -> pl.Series:
    """Return a mask of the documents (with `license`) that a policy takes."""
    return pl.Series("within", [takes(policy, value) for value in documents["license"].to_list()], dtype=pl.Boolean)
