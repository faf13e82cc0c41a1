"""Filter files (`filters/*.toml`) as frozen values, and the profiles that they make up.

`filters/README.md` says what a filter file may hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from algstack import data, toml
from algstack.dataset import fingerprint
from algstack.errors import ManifestError
from algstack.filter.syntax import Syntax

LOOKALIKES = "lookalikes"
RULE_SETS = "rules"

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
Extension = Annotated[str, Field(pattern=r"^\.[^/\s]+$")]
Words = Annotated[tuple[str, ...], Field(min_length=1)]
Where = Literal["text", "code", "head", "original"]

NAMES = ("path", "repo")
"""Where a sign is sought that is not in the content: the columns of that name."""

CONDITIONS = (
    "require_any",
    "require_match",
    "require_path",
    "deny_any",
    "deny_match",
    "deny_start",
    "deny_path",
    "deny_repo",
    "predicate",
)


class Limits(toml.Config):
    """What is measured rather than looked for."""

    empty: Literal["blank", "no bytes", "allowed"] = "blank"  # what counts as empty, and is dropped
    max_bytes: int | None = Field(default=None, gt=0)  # UTF-8 bytes
    max_digits: float | None = Field(default=None, ge=0, le=1)  # ASCII digits / non-whitespace characters


class Repeated(toml.Config):
    """An example that is too long to write out."""

    text: str
    times: int = Field(gt=0, le=1_000_000)


Examples = Annotated[tuple[str | Repeated, ...], Field(min_length=1)]


class Rule(toml.Config):
    """One reason to drop a document: exactly one condition."""

    id: Slug
    reason: str = Field(min_length=1)
    require_any: Words | None = None
    require_match: Words | None = None
    require_path: Words | None = None
    deny_any: Words | None = None
    deny_match: Words | None = None
    deny_start: Words | None = None
    deny_path: Words | None = None
    deny_repo: Words | None = None
    predicate: str | None = None
    unless: str | None = None  # a predicate; the rule lets pass what it holds for
    where: Where = "text"
    ignore_case: bool = False
    hits: Examples
    misses: Examples

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        given = [name for name in CONDITIONS if getattr(self, name) is not None]
        if len(given) != 1:
            said = " and ".join(f"`{name}`" for name in given) or "none"
            raise ValueError(f"a rule has exactly one condition, this one has {said}; known: {', '.join(CONDITIONS)}")
        return self

    @property
    def condition(self) -> str:
        """The name of the rule's one condition."""
        return next(name for name in CONDITIONS if getattr(self, name) is not None)

    @property
    def examples(self) -> tuple[list[str], list[str]]:
        """Hits and misses as texts."""
        hits, misses = (
            [example if isinstance(example, str) else example.text * example.times for example in examples]
            for examples in (self.hits, self.misses)
        )
        return hits, misses


class Sign(toml.Config):
    """A pattern that speaks for a language where several share an extension."""

    match: str
    points: int = Field(default=1, ge=-20, le=20)
    where: Literal["text", "code", "path", "repo"] = "code"


class RuleSet(toml.Config):
    """Rules that several languages use (`filters/rules/<name>.toml`)."""

    name: Slug
    title: str
    rules: tuple[Rule, ...] = Field(min_length=1)


class Language(toml.Config):
    """One filter file."""

    name: Slug
    title: str
    about: str | None = None
    aliases: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+*#-]*$")], ...] = ()
    extensions: tuple[Extension, ...] = ()
    linguist: tuple[str, ...] = ()
    default_for: tuple[Extension, ...] = ()  # of what no sign speaks for
    syntax: Syntax = Syntax()
    limits: Limits = Limits()
    transforms: tuple[str, ...] = ("line-ends",)
    use: tuple[Slug, ...] = ()
    signs: tuple[Sign, ...] = ()
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [rule.id for rule in self.rules]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"two rules are called `{twice[0]}`")
        if strange := [extension for extension in self.default_for if extension not in self.extensions]:
            raise ValueError(f"`default_for` names {strange[0]}, which is not among the extensions")
        return self


class Languages(Mapping[str, Language]):
    """The languages that are filtered for, and those that they are told apart from. Picklable, not to be changed.

    Args:
        wanted: the languages whose documents may be kept, by name.
        others: languages that are only recognised: those of the profile that nobody wants, and look-alikes.
        profile: the profile's name.
    """

    def __init__(self, wanted: Mapping[str, Language], others: Mapping[str, Language], profile: str) -> None:
        self._wanted = dict(sorted(wanted.items()))
        self.others = dict(sorted(others.items()))
        self.profile = profile

    def __getitem__(self, name: str) -> Language:
        return self._wanted[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._wanted)

    def __len__(self) -> int:
        return len(self._wanted)

    def any(self, name: str) -> Language:
        """A language, wanted or not."""
        return self._wanted[name] if name in self._wanted else self.others[name]

    @cached_property
    def extensions(self) -> dict[str, list[str]]:
        """Extension -> the wanted languages that name it, the default one first, then by name. Plain JSON values."""
        table: dict[str, list[str]] = {}
        for language in self.values():
            for extension in language.extensions:
                table.setdefault(extension, []).append(language.name)
        return {
            extension: sorted(names, key=lambda name: (extension not in self[name].default_for, name))
            for extension, names in sorted(table.items())
        }

    @property
    def linguist(self) -> dict[str, tuple[str, ...]]:
        """Each wanted language's names on GitHub."""
        return {name: language.linguist for name, language in self.items()}

    @cached_property
    def rivals(self) -> dict[str, tuple[str, ...]]:
        """Extension -> every language that may be behind it, the default one first; only where there are several.

        What nobody wants takes part only if it has signs: what cannot be recognised cannot take a file away.
        """
        table: dict[str, set[str]] = {extension: set(names) for extension, names in self.extensions.items()}
        for language in self.others.values():
            for extension in language.extensions:
                if extension in table and language.signs:
                    table[extension].add(language.name)
        return {
            extension: tuple(sorted(names, key=lambda name: (extension not in self.any(name).default_for, name)))
            for extension, names in table.items()
            if len(names) > 1
        }

    def extension_of(self, path: str) -> str | None:
        """The longest ending of a file's name that a filter names: as it is written, else in lower case."""
        name = path.rsplit("/", 1)[-1]
        at = name.find(".")
        while at >= 0:
            for ending in (name[at:], name[at:].lower()):
                if ending in self.extensions:
                    return ending
            at = name.find(".", at + 1)
        return None

    def for_path(self, path: str) -> str | None:
        """The first language that names a path's extension, or None."""
        extension = self.extension_of(path)
        return self.extensions[extension][0] if extension else None

    def by_label(self, label: str) -> str | None:
        """The wanted language that a name, an alias or one of GitHub's names means, or None."""
        return self._labels.get(label.lower())

    @cached_property
    def _labels(self) -> dict[str, str]:
        labels: dict[str, str] = {}
        for language in self.values():
            for label in (*language.linguist, language.title, *language.aliases):
                labels.setdefault(label.lower(), language.name)
        return labels | {name: name for name in self}

    def is_anothers(self, path: str) -> bool:
        """Whether a path's extension is that of a language of the profile that nobody wants."""
        name = path.rsplit("/", 1)[-1].lower()
        return any(name.endswith(extension) for other in self.others.values() for extension in other.extensions)

    def fingerprint(self, name: str) -> dict[str, Any]:
        """All that decides one language's decisions: its own file, and what it is told apart from."""
        language = self[name]
        rivals = {
            extension: {rival: _recognition(self.any(rival), rival in self) for rival in self.rivals[extension]}
            for extension in language.extensions
            if extension in self.rivals
        }
        return {"profile": self.profile, "language": fingerprint(_decisive(language)), "rivals": fingerprint(rivals)}

    def resolve(self, name: str) -> str:
        """The wanted language that a name or alias means.

        Raises:
            ManifestError: there is none.
        """
        return _resolve(name, self._wanted)


def _decisive(language: Language) -> dict[str, Any]:
    """The values of a filter file that decide; examples and titles do not."""
    values: dict[str, Any] = language.model_dump(mode="json", exclude={"title", "about", "aliases", "linguist"})
    for rule in values["rules"]:
        del rule["hits"], rule["misses"]
    return values


def _recognition(language: Language, wanted: bool) -> dict[str, Any]:
    return {
        "wanted": wanted,
        "signs": [sign.model_dump(mode="json") for sign in language.signs],
        "default_for": list(language.default_for),
        "syntax": language.syntax.model_dump(mode="json"),
    }


def load_languages(
    profile: str = "default", folder: Path | None = None, names: Sequence[str] | None = None
) -> Languages:
    """Read a profile's filter files.

    Args:
        profile: `default`, or `llemma` for AlgebraicStack's own rules.
        folder: more filter files, of the user's own; one with the name of a profile's takes its place.
        names: the languages that are wanted, aliases included; all by default.

    Raises:
        ManifestError: a file is not a filter file, an example does not do what it should, or a name is not known.
    """
    place = profile_folder(profile)
    files = _filter_files(place) | (_filter_files(_own_folder(folder)) if folder else {})
    known = {name: _load_language(file) for name, file in sorted(files.items())}
    _refuse_ambiguous(known)
    wanted = set(known) if names is None else {_resolve(name, known) for name in names}
    others = {name: language for name, language in known.items() if name not in wanted}
    if (place / LOOKALIKES).is_dir():
        lookalikes = {name: _load_language(file) for name, file in _filter_files(place / LOOKALIKES).items()}
        others |= {name: language for name, language in lookalikes.items() if name not in known}
    return Languages({name: known[name] for name in wanted}, others, profile)


def profile_folder(profile: str) -> Path:
    """The folder of a profile's filter files."""
    folder = data.folder("filters")
    if profile == "default":
        return folder
    if profile == "llemma":
        return folder / "llemma"
    raise ManifestError(f"unknown profile `{profile}`{toml.nearest(profile, ('default', 'llemma'))}")


def _own_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder of filter files (`folder` under [filter]).")
    return folder


def _filter_files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _load_language(path: Path) -> Language:
    text = _read(path)
    language = toml.parse(text, Language, str(path))
    if language.name != path.stem:
        line = toml.line_of(text, ("name",))
        raise ManifestError(f"{path}:{line}: `name`: is `{language.name}`, but the file is called `{path.stem}`")
    check(language, text, path)
    return language.model_copy(update={"rules": (*language.rules, *_shared_rules(language, text, path))})


def check(language: Language | RuleSet, text: str, path: Path) -> None:
    """Raise ManifestError for an unusable pattern or an example that does not do what it should.

    That a file has no such fault is remembered in the user's cache: all examples together take a second.
    """
    known = _remembered(text)
    if known.is_file():
        return
    from algstack.filter import examples  # examples need the kernels, which are slow to import

    if problem := examples.first_problem(language):
        location, what = problem
        key = ".".join(str(step) for step in location)
        raise ManifestError(f"{path}:{toml.line_of(text, location)}: `{key}`: {what}")
    with suppress(OSError):
        known.parent.mkdir(parents=True, exist_ok=True)
        known.touch()


def _remembered(text: str) -> Path:
    """The file whose presence says that a filter file has passed: its name is made of all that this depends on."""
    return data.cache_folder() / "checked" / sha256(f"{_revision()}\n{text}".encode()).hexdigest()


@lru_cache(maxsize=1)
def _revision() -> str:
    """Changes with the code that reads filter files, and with the engine of its patterns."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    code = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    return f"{code} polars {version('polars')}"


def _shared_rules(language: Language, text: str, path: Path) -> Iterator[Rule]:
    ids = {rule.id for rule in language.rules}
    for name in language.use:
        file = next((f for f in _rule_set_files(path, name) if f.is_file()), None)
        if file is None:
            known = [f.stem for f in (data.folder("filters") / RULE_SETS).glob("*.toml")]
            line = toml.line_of(text, ("use",))
            raise ManifestError(f"{path}:{line}: `use`: unknown rule set `{name}`{toml.nearest(name, known)}")
        yield from (rule for rule in _load_rule_set(file).rules if rule.id not in ids)


def _rule_set_files(path: Path, name: str) -> tuple[Path, Path]:
    return path.parent / RULE_SETS / f"{name}.toml", data.folder("filters") / RULE_SETS / f"{name}.toml"


_rule_sets: dict[tuple[Path, str], RuleSet] = {}


def _load_rule_set(path: Path) -> RuleSet:
    text = _read(path)
    if (path, text) not in _rule_sets:
        rules = toml.parse(text, RuleSet, str(path))
        check(rules, text, path)
        _rule_sets[path, text] = rules
    return _rule_sets[path, text]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read: {error}") from None


def _refuse_ambiguous(known: Mapping[str, Language]) -> None:
    owners: dict[str, str] = {name: name for name in known}
    for language in known.values():
        for alias in language.aliases:
            if owners.setdefault(alias, language.name) != language.name:
                raise ManifestError(f"`{alias}` is an alias of `{language.name}` and a name of `{owners[alias]}`.")


def _resolve(name: str, known: Mapping[str, Language]) -> str:
    if name in known:
        return name
    for language in known.values():
        if name.lower() == language.name or name.lower() in language.aliases:
            return language.name
    aliases: Iterable[str] = (alias for language in known.values() for alias in language.aliases)
    raise ManifestError(f"unknown language `{name}`{toml.nearest(name, (*known, *aliases))}")
