"""The manifest: one TOML file that says what a dataset is made of, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from algstack import data, toml
from algstack.documents import signal_columns
from algstack.errors import AlgstackError, ManifestError

SHIPPED_BENCHMARKS = "benchmarks.toml"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class Source(toml.Config):
    """What every source has. `name` is the folder of its parts and stands in each of its documents."""

    name: Name


def as_moment(value: datetime | date) -> datetime:
    """Return a moment in UTC: a date's midnight, a local time taken as UTC."""
    moment = value if isinstance(value, datetime) else datetime(*value.timetuple()[:3], tzinfo=UTC)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Origin(Source):
    """A source of files: where they come from and what is known of them as a whole."""

    license: str | None = None  # SPDX expression
    url: str | None = None  # with {path} and {revision}, which become the file's
    date: datetime | date | None = None

    @property
    def created_at(self) -> datetime | None:
        """The date as a moment in UTC; a date without time is its midnight."""
        return None if self.date is None else as_moment(self.date)


class FolderSource(Origin):
    """A folder of files; or, with `each_subfolder`, a folder of repositories."""

    kind: Literal["folder"]
    path: str
    repo: str | None = None  # the source's name where it is not given
    revision: str | None = None
    each_subfolder: bool = False
    exclude: tuple[str, ...] = ()  # glob patterns of paths


class GitSource(Origin):
    """Git repositories on disk, each read at one commit without a checkout. `path` may have wildcards."""

    kind: Literal["git"]
    path: str
    commit: str = "HEAD"
    repo: str | None = None
    exclude: tuple[str, ...] = ()


class ArchiveSource(Origin):
    """`.tar`, `.tar.gz`, `.tgz`, `.tar.xz`, `.tar.bz2`, `.zip` or `.whl` files. `path` may have wildcards."""

    kind: Literal["archive"]
    path: str
    repo: str | None = None  # the archive's file name without its ending
    revision: str | None = None
    strip: int = Field(default=0, ge=0)  # leading folders to remove from paths
    exclude: tuple[str, ...] = ()


class PythonPackagesSource(Source):
    """Source files of Python packages that are installed beside algstack, with their metadata's licence."""

    kind: Literal["python-packages"]
    packages: tuple[str, ...] = Field(min_length=1)
    exclude: tuple[str, ...] = ()


class StackExchangePosts(Source):
    """What is wanted of a Stack Exchange site's posts, wherever they come from."""

    revision: str | None = None  # e.g. the dump's date
    min_score: int | None = None  # posts with a lower score are left out
    answers: Literal["all", "accepted", "top"] = "all"
    tags: tuple[str, ...] = ()  # only questions that have one of these
    closed: bool = True  # whether closed questions are taken
    duplicates: bool = True  # whether duplicates of other questions are taken
    names: bool = False  # whether attribution names people by their display names


class StackExchangeSource(StackExchangePosts):
    """Stack Exchange dumps: each a `.7z`, a `Posts.xml`, or a folder that holds one. `path` may have wildcards."""

    kind: Literal["stackexchange"]
    path: str
    site: str | None = None  # e.g. math.stackexchange.com; from the file's name where it is not given
    tag_wikis: bool = False
    comments: bool = False
    listing: str | None = None  # address of a page that offers dumps: those of `sites` are fetched into `path`
    sites: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _listing_and_sites(self) -> Self:
        if bool(self.listing) != bool(self.sites):
            raise ValueError("`listing` and `sites` go together: where the dumps are offered, and which ones to fetch")
        return self


class StackExchangeApiSource(StackExchangePosts):
    """Questions of a site that came after a dump, with their answers, by the API."""

    kind: Literal["stackexchange-api"]
    site: str
    since: datetime | date  # questions created from here on; a date without time is its midnight, UTC
    until: datetime | date  # and before here

    @property
    def from_moment(self) -> datetime:
        """`since` as a moment in UTC."""
        return as_moment(self.since)

    @property
    def until_moment(self) -> datetime:
        """`until` as a moment in UTC."""
        return as_moment(self.until)


class GitHubSource(Source):
    """Repositories of GitHub, each at its last commit before `cutoff` on the default branch.

    They are found by search, for each of `languages` and in `organizations`, or named, in `repositories` or in the
    file `repository_list`. Where none of these is given, the languages are all that the filters name.
    """

    kind: Literal["github"]
    cutoff: datetime | date  # a date without time is its midnight, UTC
    languages: tuple[str, ...] | None = None  # names of filters, or of GitHub's languages
    organizations: tuple[str, ...] = ()  # or users
    repositories: tuple[str, ...] = ()  # owner/name
    repository_list: str | None = None  # a file: owner/name, one a line; `#` begins a comment
    qualifiers: str = ""  # added to each search, e.g. "stars:>=2"
    forks: bool = False
    mirrors: bool = True
    archived: bool = True
    exclude_repositories: tuple[str, ...] = ()  # glob patterns of owner/name
    exclude: tuple[str, ...] = ()  # glob patterns of paths

    @property
    def until(self) -> datetime:
        """The cutoff as a moment in UTC."""
        return as_moment(self.cutoff)


class ParquetSource(Origin):
    """Tables: The Stack v1, v2 or v3, or any Parquet or JSON-lines files. `path` may have wildcards."""

    kind: Literal["parquet"]
    path: str
    lang: str | None = None  # of rows whose extension and columns do not say it
    layout: Literal["auto", "plain", "stack-v1", "stack-v2", "stack-v3"] = "auto"
    text_column: str | None = None  # the layout's own where it is not given; so are the others
    id_column: str | None = None
    path_column: str | None = None
    repo_column: str | None = None
    license_column: str | None = None
    lang_column: str | None = None


AnySource = Annotated[
    ArchiveSource
    | FolderSource
    | GitHubSource
    | GitSource
    | ParquetSource
    | PythonPackagesSource
    | StackExchangeApiSource
    | StackExchangeSource,
    Field(discriminator="kind"),
]


class CrawlConfig(toml.Config):
    """Limits of what the crawl reads; what is beyond them is a decision with its reason."""

    max_file_bytes: int = Field(default=32 * 2**20, gt=0)
    max_archive_bytes: int = Field(default=16 * 2**30, gt=0)  # unpacked
    max_archive_members: int = Field(default=1_000_000, gt=0)
    max_archive_ratio: float = Field(default=200.0, gt=1)  # unpacked : packed


class FilterConfig(toml.Config):
    """Which languages are kept, by which profile."""

    profile: Literal["default", "llemma"] = "default"
    languages: tuple[str, ...] | None = None  # all of the profile
    folder: str | None = None  # filter files of your own, added to the profile's


class DedupConfig(toml.Config):
    """What is a near-duplicate: exact Jaccard similarity of 5-token shingles at or above `threshold`."""

    threshold: float = Field(default=0.7, gt=0, le=1)
    recall: float = Field(default=0.99, gt=0, lt=1)  # share of the pairs at the threshold that are to be found
    within: Literal["lang", "source", "repo"] | None = None  # what two duplicates must agree in; nothing by default
    order: tuple[Literal["license", "stars", "date"], ...] = ("license", "stars", "date")  # which is kept; then the id
    against: tuple[str, ...] = ()  # earlier releases, by version or path: what they hold is dropped


class Benchmark(toml.Config):
    """A benchmark that training text must not hold: where the user's copy lies, and what in it is a problem.

    A row is an object of JSON lines, of a JSON list, or a row of Parquet; of a folder or archive of other files each
    file is one row, with the fields `path` and `text`. A field's name may lead into a row: `a.b`, and `0` into a list.
    """

    name: Name
    path: str  # file, folder or archive, relative to `folder` of [decontaminate]; may have wildcards
    version: str | None = None
    title: str | None = None
    url: str | None = None
    hub: str | None = None  # the data set's name on the Hugging Face Hub
    license: str | None = None
    sha256: str | None = None  # of the copy: `algstack decontaminate` prints it
    files: str | tuple[str, ...] = "*"  # which files of a folder or archive: a glob pattern, or several
    id: str | None = None  # field with the problem's name; numbered where there is none
    text: tuple[str, ...] = ()  # fields in words or code, compared by runs of words
    formal: tuple[str, ...] = ()  # fields with a formal statement, compared as such
    lang: Literal["coq", "hollight", "isabelle", "lean", "metamath"] | None = None  # that the formal fields are in
    theorem: str | None = None  # field with the name of a theorem, where that is all that is known
    theorem_path: str | None = None  # field with the file that the theorem is in
    similarity: float = Field(default=1.0, gt=0, le=1)  # least similarity of a formal statement; 1 is equal

    @model_validator(mode="after")
    def _has_problems(self) -> Self:
        if not (self.text or self.formal or self.theorem):
            raise ValueError("says no field to compare: give `text`, `formal` or `theorem`")
        if (self.formal or self.theorem) and self.lang is None:
            raise ValueError("has formal statements: `lang` must say in which language")
        return self


class _ShippedBenchmarks(toml.Config):
    """The file `manifests/benchmarks.toml`."""

    benchmark: tuple[Benchmark, ...] = ()


@cache
def shipped_benchmarks() -> Mapping[str, Benchmark]:
    """The benchmarks that algstack knows, by name."""
    path = data.folder("manifests") / SHIPPED_BENCHMARKS
    known = toml.parse(path.read_text(encoding="utf-8"), _ShippedBenchmarks, SHIPPED_BENCHMARKS)
    return {benchmark.name: benchmark for benchmark in known.benchmark}


class DecontaminateConfig(toml.Config):
    """Which benchmarks are taken out, and how; without benchmarks nothing is compared."""

    benchmarks: tuple[Name, ...] = ()  # names of [[decontaminate.benchmark]] or of manifests/benchmarks.toml
    optional: tuple[Name, ...] = ()  # the same, applied only if there is a copy
    benchmark: tuple[Benchmark, ...] = ()  # your own
    folder: str = "benchmarks"  # where the copies lie
    ngram: int = Field(default=13, ge=5, le=100)  # words of a run that counts; Llemma's report has 30
    action: Literal["drop", "cut"] = "drop"  # what a shared run of words does to its document
    repository_share: float = Field(default=0.3, gt=0, le=1)  # of its theorems or text, above which it is a benchmark

    @property
    def known(self) -> dict[str, Benchmark]:
        """The benchmarks that can be named: those of one's own before those that ship with algstack."""
        return {**shipped_benchmarks(), **{benchmark.name: benchmark for benchmark in self.benchmark}}

    def unknown(self) -> str | None:
        """Say which benchmark is named that there is not, and which is meant perhaps."""
        named = (*self.benchmarks, *self.optional)
        known = self.known if named else {}
        missing = next((name for name in named if name not in known), None)
        return missing and f"there is no benchmark `{missing}`{toml.nearest(missing, known)}"

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [*self.benchmarks, *self.optional]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the benchmark `{twice[0]}` is named twice")
        return self


class RedactConfig(toml.Config):
    """What is replaced by a placeholder in documents that are kept."""

    secrets: bool = True  # private keys, tokens, passwords
    personal: bool = True  # e-mail addresses, IP addresses

    @property
    def is_on(self) -> bool:
        """Whether anything is looked for."""
        return self.secrets or self.personal


class LicensesConfig(toml.Config):
    """Which licences a document may have; where the manifest has no such table, any and none."""

    allow: tuple[str, ...] = ("permissive",)  # SPDX expressions, and the groups permissive, copyleft, unknown, any
    deny: tuple[str, ...] = ()


class RemovalConfig(toml.Config):
    """Who asked not to be in the dataset."""

    files: tuple[str, ...] = ()  # opt-out files, see algstack/removal.py


LicensePolicy = Literal["any", "known", "permissive"]


class ReleaseConfig(toml.Config):
    """How what was kept is laid out."""

    splits: dict[Name, Annotated[float, Field(ge=0, le=1)]] = {
        "train": 0.98,
        "validation": 0.01,
        "test": 0.01,
    }
    tokenizer: str = "cl100k_base"  # cl100k_base, o200k_base, or the path of a tokenizer.json
    shard_bytes: int = Field(default=256 * 2**20, gt=0)  # text in a shard
    licenses: LicensePolicy = "any"  # any, known, or permissive
    signals: tuple[str, ...] = ()  # columns with signals of quality: names of documents.SIGNAL_COLUMNS
    card: str | None = None  # a template of your own for the data card

    @field_validator("signals")
    @classmethod
    def _signals_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(column.name for column in signal_columns(names))
        except AlgstackError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _splits_add_up(self) -> Self:
        if not self.splits or abs(sum(self.splits.values()) - 1) > 1e-9:
            raise ValueError(f"the shares of the splits must add up to 1, not {sum(self.splits.values()):g}")
        return self


class Manifest(toml.Config):
    """The whole manifest."""

    name: Name
    title: str | None = None
    description: str | None = None
    version: Annotated[str, Field(pattern=r"^\d+(\.\d+)*([-+.][A-Za-z0-9.]+)?$")] = "0.1.0"
    contact: str | None = None
    sources: tuple[AnySource, ...] = Field(min_length=1)
    crawl: CrawlConfig = CrawlConfig()
    filter: FilterConfig = FilterConfig()
    dedup: DedupConfig = DedupConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    redact: RedactConfig = RedactConfig()
    licenses: LicensesConfig | None = None
    removal: RemovalConfig = RemovalConfig()
    release: ReleaseConfig = ReleaseConfig()

    @field_validator("decontaminate")
    @classmethod
    def _benchmarks_are_known(cls, config: DecontaminateConfig) -> DecontaminateConfig:
        if problem := config.unknown():
            raise ValueError(problem)
        return config

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called `{twice[0]}`; each needs a name of its own")
        return self


class LoadedManifest(toml.Config):
    """A manifest together with where it was found."""

    config: Manifest
    text: str
    folder: Path  # relative paths of the manifest start here

    def resolve(self, path: str) -> Path:
        """Return a path of the manifest as one that can be opened."""
        return self.folder / Path(path).expanduser()

    def override(self, section: str, **values: object) -> LoadedManifest:
        """Return a copy whose section has other values, as the command line's options ask for; None changes nothing."""
        before = getattr(self.config, section)
        given = {key: value for key, value in values.items() if value is not None}
        try:
            after = type(before).model_validate(before.model_dump() | given)
        except ValidationError as error:
            first = error.errors()[0]
            raise ManifestError(f"{section}.{first['loc'][0]}: {first['msg']}, got {first['input']!r}") from None
        return self.model_copy(update={"config": self.config.model_copy(update={section: after})})


def load(path: Path) -> LoadedManifest:
    """Read a manifest file; a bare name such as `quickstart` is one that ships with algstack.

    Raises:
        ManifestError: there is no such file, or it is not a manifest.
    """
    found = path if path.is_file() else _shipped(path)
    try:
        text = found.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 text (byte {error.start}). A manifest is TOML in UTF-8.") from None
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}).") from None
    return LoadedManifest(config=toml.parse(text, Manifest, str(path)), text=text, folder=found.parent)


def _shipped(path: Path) -> Path:
    shipped = data.folder("manifests") / f"{path.name}.toml"
    if len(path.parts) == 1 and not path.suffix and shipped.is_file():
        return shipped
    raise ManifestError(f"{path}: no such manifest. `algstack init` writes one, `--manifest FILE` names another.")


def select(config: Any, *keys: str) -> dict[str, Any]:
    """Return the named values of a config as JSON values, for a fingerprint."""
    values: dict[str, Any] = config.model_dump(mode="json")
    return {key: values[key] for key in keys} if keys else values
