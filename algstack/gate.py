"""What may be in the dataset at all, whatever its content: no removal request, and a licence that is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from algstack import licenses, removal
from algstack.documents import clip
from algstack.licenses import Policy
from algstack.manifest import LoadedManifest, select
from algstack.removal import Removals

COLUMNS = ("license", "license_source", "path", "repo", "swhid")
"""The columns of DOCUMENTS that are asked."""


@dataclass(frozen=True)
class Gate:
    """A manifest's removal requests and licence policy. Picklable."""

    removals: Removals
    policy: Policy

    @property
    def is_open(self) -> bool:
        """Whether every document passes."""
        return not self.removals and self.policy.allows_everything

    def refuse(self, documents: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
        """Return the decisions with those about refused documents made drops.

        A removal request overrides every other reason; a licence only those that would keep the document.

        Args:
            documents: at least `id` and COLUMNS.
            decisions: rows of DECISIONS about some of them.
        """
        if self.is_open:
            return decisions
        refused = pl.DataFrame(
            list(self._refusals(documents)),
            schema={"id": pl.String, "_rule": pl.String, "_reason": pl.String, "_evidence": pl.String},
            orient="row",
        )
        joined = decisions.join(refused, on="id", how="left", maintain_order="left")
        is_refused = pl.col("_rule").is_not_null() & (pl.col("keep") | (pl.col("_rule") == removal.RULE))
        changes = {
            name: pl.when(is_refused).then(f"_{name}").otherwise(name) for name in ("rule", "reason", "evidence")
        }
        empty = {"keeper": pl.String, "similarity": pl.Float64, "text": pl.String}
        return joined.with_columns(
            keep=pl.col("keep") & ~is_refused,
            **changes,
            **{name: pl.when(is_refused).then(pl.lit(None, kind)).otherwise(name) for name, kind in empty.items()},
        ).select(decisions.columns)

    def _refusals(self, documents: pl.DataFrame) -> Iterator[tuple[str, str, str, str]]:
        removed = self.removals.mask(documents)
        columns = documents.select("id", "license", "license_source").iter_rows()
        for (name, license_, source), is_removed in zip(columns, removed, strict=True):
            if is_removed:
                yield name, removal.RULE, removal.REASON, "an opt-out file names it"
            elif not self.policy.allows(license_):
                how = f", from {source}" if source else ""
                evidence = clip(f"{license_ or 'no licence is known'}{how}")
                yield name, licenses.NOT_ALLOWED, licenses.NOT_ALLOWED_REASON, evidence


def of(manifest: LoadedManifest) -> Gate:
    """Read a manifest's removal requests and licence policy.

    Raises:
        ManifestError: an opt-out file cannot be read or has a line that is no request; a licence is not known.
    """
    config = manifest.config
    policy = Policy(config.licenses.allow, config.licenses.deny) if config.licenses else Policy(("any",))
    return Gate(removals_of(manifest), policy)


def removals_of(manifest: LoadedManifest) -> Removals:
    """Read a manifest's removal requests alone: what the crawl asks."""
    return removal.read(manifest.resolve(path) for path in manifest.config.removal.files)


def identity(manifest: LoadedManifest, gate: Gate) -> dict[str, Any]:
    """What a stage that asks the gate depends on; nothing where it is open."""
    if gate.is_open:
        return {}
    licenses_ = select(manifest.config.licenses) if manifest.config.licenses else None
    return {"licenses": licenses_, "removals": gate.removals.fingerprint}
