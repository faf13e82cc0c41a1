from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from algstack import manifest
from algstack.crawl.github.source import linguist_names
from algstack.crawl.ledger import Ledger
from algstack.errors import ManifestError, SourceError
from algstack.filter.language import load_languages
from tests.conftest import rows
from tests.crawl.github import world
from tests.crawl.github.conftest import crawl
from tests.crawl.github.server import Server, World, parts_of, states_of
from tests.crawl.github.stand_in import Commit, Faults, Limits, Repository, StandIn, archive, simple

AT = "work/crawl/gh"
FILES = {"a.lean": b"theorem"}
FAST = 500.0
LIMITS = Limits(search=(10**6, 60))
TOKENS = pytest.mark.parametrize("tokens", [("token",), ()], ids=["token", "no token"])
ALL = 'languages = ["lean", "coq", "python"]\n'


def stand_in_of(repositories: list[Repository], faults: Faults | None = None, **known: object) -> StandIn:
    from algstack.crawl.http import Clock

    values = {"limits": LIMITS, "clock": Clock(FAST), **known}
    return StandIn(repositories, faults=faults, **values)  # type: ignore[arg-type]


def rules(folder: Path) -> dict[str, tuple[str, str | None]]:
    """Rule and evidence of what is no document, by id."""
    found = rows((folder / AT).glob("decisions-*.parquet"))
    return {row["id"]: (row["rule"], row["evidence"]) for row in found if not row["keep"]}


def repos(folder: Path) -> list[str]:
    return sorted({row["repo"] for row in rows((folder / AT).glob("documents-*.parquet"))})


@pytest.fixture(scope="module")
def some() -> dict[Repository, str]:
    return world.make(60, world.files_under([Path(sysconfig.get_path("stdlib"), "json")]))


@pytest.fixture(scope="module")
def reference(some: dict[Repository, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of a crawl in which nothing goes wrong."""
    folder = tmp_path_factory.mktemp("reference")
    with stand_in_of(list(some)) as stand_in:
        crawl(folder, stand_in, ALL, speed=FAST, workers=3)
        assert not stand_in.tally.problems
    return parts_of(folder / AT)


@TOKENS
@pytest.mark.parametrize("workers", [1, 8])
def test_whatever_goes_wrong_all_end_right_and_the_bytes_are_the_same(
    tmp_path: Path, some: dict[Repository, str], reference: dict[str, bytes], workers: int, tokens: tuple[str, ...]
) -> None:
    limits = Limits(core=(2000, 3600), search=(10**6, 60), retry_after=2)
    faults = Faults(0.03, seed=workers)
    with stand_in_of(list(some), faults, limits=limits, slack=10.0) as stand_in:
        crawl(tmp_path, stand_in, ALL, speed=FAST, workers=workers, tokens=tokens)
        shown = {str(one.id): world.ENDS[matter] for one, matter in some.items() if matter in world.ENDS}
        assert states_of(tmp_path / AT) == shown
        assert not stand_in.tally.problems
        assert not stand_in.tally.forbidden
        assert len(stand_in.tally.faults) > 8
    assert parts_of(tmp_path / AT) == reference


def test_every_repository_that_brought_nothing_is_a_decision(tmp_path: Path) -> None:
    """Facts 2.4: a repository that answered 404 left an empty folder and was skipped for ever."""
    zeros = archive({"a.lean": bytes(80 * 2**20)})
    repositories = [
        simple(1, "o/fine", FILES),
        simple(2, "o/gone", FILES, status=404),
        simple(3, "o/blocked", FILES, status=451),
        Repository(4, "o/empty", "Lean", datetime(2020, 1, 1, tzinfo=UTC), ()),
        simple(5, "o/new", FILES, date=datetime(2023, 1, 1, tzinfo=UTC)),
        Repository(
            6,
            "o/bomb",
            "Lean",
            datetime(2020, 1, 1, tzinfo=UTC),
            (Commit("b" * 40, datetime(2020, 1, 2, tzinfo=UTC), lambda: zeros),),
        ),
        simple(7, "o/fork", FILES, fork_of="x/y"),
        simple(8, "o/mirror", FILES, mirror=True),
        simple(9, "o/archived", FILES, archived=True),
        simple(10, "o/miniF2F-lean4", FILES),
    ]
    manifest = (
        'repositories = ["o/fork", "o/Fine", "x/missing"]\nlanguages = ["lean"]\n'
        'mirrors = false\narchived = false\nexclude_repositories = ["*/minif2f*"]\n'
    )
    with stand_in_of(repositories) as stand_in:
        record = crawl(tmp_path, stand_in, manifest, speed=FAST)
    found = rules(tmp_path)
    assert found.pop(f"github:o/bomb@{'b' * 40}")[0] == "repository-too-large"
    assert found == {
        "github:o/gone": ("repository-gone", "HTTP 404"),
        "github:o/blocked": ("repository-blocked", "HTTP 451"),
        "github:o/empty": ("repository-empty", None),
        "github:o/new": ("repository-new", None),
        "github:o/fork": ("repository-fork", "x/y"),
        "github:o/mirror": ("repository-mirror", None),
        "github:o/archived": ("repository-archived", None),
        "github:o/miniF2F-lean4": ("repository-excluded", "*/minif2f*"),
        "github:x/missing": ("repository-gone", "HTTP 404"),
    }
    assert repos(tmp_path) == ["o/fine"]
    record.counts.check("the crawl")


@TOKENS
def test_organisations_lists_and_names(tmp_path: Path, tokens: tuple[str, ...]) -> None:
    repositories = [simple(number, f"{owner}/{number}", FILES) for number, owner in enumerate("aabbcc")]
    (tmp_path / "list.txt").write_text("# two\nb/2  # the first\n\nB/3\n")
    manifest = 'organizations = ["a"]\nrepository_list = "list.txt"\nrepositories = ["c/4"]\n'
    with stand_in_of(repositories) as stand_in:
        crawl(tmp_path, stand_in, manifest, speed=FAST, tokens=tokens)
    assert repos(tmp_path) == ["a/0", "a/1", "b/2", "b/3", "c/4"]


@pytest.mark.parametrize(
    ("manifest", "match"),
    [
        ('repository_list = "no.txt"\n', "no.txt: cannot be read"),
        ('repositories = ["nonsense"]\n', "`nonsense` is not `owner/name`"),
        ('repositories = ["a/b c"]\n', "is not `owner/name`"),
        ('languages = ["Leen"]\n', "no repository in the language `Leen`; did you mean `lean`"),
        ('languages = ["Isabele"]\n', "did you mean `Isabelle`"),
    ],
)
def test_what_the_manifest_gets_wrong(tmp_path: Path, manifest: str, match: str) -> None:
    with stand_in_of([simple(1, "o/r", FILES)]) as stand_in, pytest.raises(ManifestError, match=match):
        crawl(tmp_path, stand_in, manifest, speed=FAST)


def test_a_known_language_without_repositories_is_no_error(tmp_path: Path) -> None:
    with stand_in_of([simple(1, "o/r", FILES)]) as stand_in:
        assert crawl(tmp_path, stand_in, 'languages = ["Isabelle", "coq"]\n', speed=FAST).counts.documents == 0


@pytest.mark.parametrize("name", ["algebraic-stack", "algebraic-stack-2"])
def test_shipped_manifests_name_languages_that_exist(name: str) -> None:
    config = manifest.load(Path(name)).config
    filters = load_languages(config.filter.profile).linguist
    sources = [one for one in config.sources if isinstance(one, manifest.GitHubSource)]
    assert sources
    for one in sources:
        for language in one.languages or ():
            assert filters.get(language) or language in linguist_names(), language


def test_qualifiers_and_forks_go_into_the_search(tmp_path: Path) -> None:
    repositories = [
        simple(1, "o/few", FILES, stars=1),
        simple(2, "o/many", FILES, stars=20),
        simple(3, "o/fork", FILES, stars=20, fork_of="x/y"),
    ]
    with stand_in_of(repositories) as stand_in:
        crawl(tmp_path, stand_in, 'languages = ["Lean"]\nqualifiers = "stars:>=10"\nforks = true\n', speed=FAST)
    assert repos(tmp_path) == ["o/fork", "o/many"]


@TOKENS
def test_private_repositories_stay_out(tmp_path: Path, tokens: tuple[str, ...]) -> None:
    repositories = [simple(1, "o/public", FILES), simple(2, "o/private", FILES, private=True)]
    with stand_in_of(repositories) as stand_in:
        crawl(tmp_path, stand_in, 'languages = ["lean"]\nrepositories = ["o/private"]\n', speed=FAST, tokens=tokens)
    assert repos(tmp_path) == ["o/public"]
    assert rules(tmp_path) == {"github:o/private": ("repository-private", None)}


def test_again_costs_nothing_and_a_later_cutoff_only_what_moved(tmp_path: Path) -> None:
    dates = [datetime(2021, 6, 1, tzinfo=UTC), datetime(2022, 6, 1, tzinfo=UTC)]
    repositories = []
    for number in range(20):
        moves = dates if number < 3 else dates[:1]
        commits = tuple(simple(number, f"o/r{number}-{date}", FILES, date=date).commits[0] for date in moves)
        repositories.append(Repository(number, f"o/r{number}", "Lean", dates[0] - timedelta(days=9), commits))
    with stand_in_of(repositories) as stand_in:
        crawl(tmp_path, stand_in, speed=FAST)
        assert stand_in.tally.requests["archive"] == 20
        first = parts_of(tmp_path / AT)
        before = stand_in.tally.requests.copy()
        crawl(tmp_path, stand_in, speed=FAST)
        assert stand_in.tally.requests == before
        crawl(tmp_path, stand_in, speed=FAST, cutoff="2022-03-01")
        assert stand_in.tally.requests["archive"] == 20
        assert parts_of(tmp_path / AT) == first
        crawl(tmp_path, stand_in, speed=FAST, cutoff="2023-01-01")
        assert stand_in.tally.requests["archive"] == 23
        crawl(tmp_path / "anew", stand_in, speed=FAST, cutoff="2023-01-01")
    assert parts_of(tmp_path / AT) == parts_of(tmp_path / "anew" / AT)


def test_without_a_token_what_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    with stand_in_of([simple(number, f"o/r{number}", FILES) for number in range(9)]) as stand_in:
        crawl(tmp_path, stand_in, speed=FAST, tokens=())
        crawl(tmp_path, stand_in, 'languages = ["lean"]\narchived = false\n', speed=FAST, tokens=())
        # Two searches (Lean and Lean 4) and nine pins.
        assert stand_in.tally.requests["304"] == 11
        assert stand_in.tally.requests["archive"] == 9


def test_what_failed_can_be_tried_again(tmp_path: Path) -> None:
    with stand_in_of([simple(number, f"o/r{number}", FILES) for number in range(4)]) as stand_in:
        stand_in.faults = Faults(1.0, kinds=("502",))
        stand_in.faults = _AlwaysFor(stand_in.repositories[2].commits[0].sha)
        crawl(tmp_path, stand_in, speed=100 * FAST)
        assert Counter(states_of(tmp_path / AT).values()) == {"fetched": 3, "failed": 1}
        sha = stand_in.repositories[2].commits[0].sha
        assert rules(tmp_path) == {f"github:o/r2@{sha}": ("repository-failed", "HTTP 500")}
        stand_in.faults = Faults()
        crawl(tmp_path, stand_in, speed=FAST)
        assert "failed" in states_of(tmp_path / AT).values()
        crawl(tmp_path, stand_in, speed=FAST, retry=("failed",))
        assert Counter(states_of(tmp_path / AT).values()) == {"fetched": 4}
        assert set(stand_in.tally.archives.values()) == {1}
    assert rules(tmp_path) == {}


class _AlwaysFor(Faults):
    """A server error for one archive, for ever."""

    def __init__(self, sha: str) -> None:
        super().__init__()
        object.__setattr__(self, "_sha", sha)

    def of(self, request: str, attempt: int, possible: tuple[str, ...]) -> str | None:
        return "500" if request == f"archive {self._sha}" else None  # type: ignore[attr-defined]


def test_a_wrong_token_ends_the_crawl_at_once(tmp_path: Path) -> None:
    with stand_in_of([simple(1, "o/r", FILES)]) as stand_in:
        with pytest.raises(SourceError, match="does not accept the token"):
            crawl(tmp_path, stand_in, tokens=("wrong",))
        assert stand_in.tally.requests.total() == 1


def test_a_token_that_is_revoked_meanwhile_is_said_once_and_the_crawl_goes_on_with_another(tmp_path: Path) -> None:
    with stand_in_of([simple(number, f"o/r{number}", FILES) for number in range(40)]) as stand_in:
        crawl(tmp_path / "whole", stand_in, speed=FAST)
        stand_in.tokens = ("token", "other")
        stand_in.faults = _Revoking(stand_in, stand_in.tally.requests.total() + 30)
        with pytest.raises(SourceError, match="does not accept the token"):
            crawl(tmp_path, stand_in, speed=FAST)
        fetched = Counter(states_of(tmp_path / AT).values())["fetched"]
        assert 0 < fetched < 40
        crawl(tmp_path, stand_in, speed=FAST, tokens=("other",))
    assert parts_of(tmp_path / AT) == parts_of(tmp_path / "whole" / AT)


class _Revoking(Faults):
    """No fault, but the first token is refused after some requests."""

    def __init__(self, stand_in: StandIn, after: int) -> None:
        super().__init__()
        object.__setattr__(self, "_plan", (stand_in, after))

    def of(self, request: str, attempt: int, possible: tuple[str, ...]) -> str | None:
        stand_in, after = self._plan  # type: ignore[attr-defined]
        if stand_in.tally.requests.total() > after:
            stand_in.tokens = ("other",)
        return None


def test_a_clock_that_is_an_hour_off(tmp_path: Path) -> None:
    limits = Limits(core=(6, 60), search=(10**6, 60))
    for hours in (1.0, -1.0):
        with stand_in_of([simple(n, f"o/r{n}", FILES) for n in range(15)], limits=limits, hours_off=hours) as stand_in:
            crawl(tmp_path / str(hours), stand_in, speed=FAST)
            assert not stand_in.tally.forbidden
            assert stand_in.tally.requests["archive"] == 15


def test_a_disk_that_gets_full(tmp_path: Path) -> None:
    """A real one, of 1 MB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    program = "import sys; from tests.crawl.github.test_source import crawl_on_a_small_disk as go; go(sys.argv[1])"
    script = f'mount -t tmpfs -o size=1m none {mounted} && exec {sys.executable} -c "{program}" {mounted}'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this system lets nobody mount")
    assert done.returncode == 0, done.stderr


def crawl_on_a_small_disk(folder: str) -> None:
    """Run out of room, then go on with more of it."""
    from algstack.errors import DatasetError

    noise = random.Random(3).randbytes(40_000).hex().encode()
    repositories = [simple(number, f"o/r{number}", {"a.lean": noise[number:]}) for number in range(60)]
    with stand_in_of(repositories) as stand_in:
        with pytest.raises(DatasetError, match="no room left on the disk"):
            crawl(Path(folder), stand_in, speed=FAST)
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
        crawl(Path(folder), stand_in, speed=FAST)
        assert Counter(states_of(Path(folder) / AT).values()) == {"fetched": 60}


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_fetched_twice(tmp_path: Path) -> None:
    folders = (Path(sysconfig.get_path("stdlib"), "json"),)
    manifest = f'[[sources]]\nname = "gh"\nkind = "github"\ncutoff = 2022-01-01\n{ALL}'
    program = (
        "import sys, pathlib; from tests.crawl.github.client import main; "
        "main(pathlib.Path(sys.argv[1]), sys.argv[2], 8, 5.0, sys.argv[3])"
    )
    chance = random.Random(5)
    with Server(World(60, folders), 5.0) as server:
        server.begin(Faults(0.02, kinds=("500", "reset", "truncated")))
        arguments = [sys.executable, "-c", program]
        committed: dict[str, int] = {}
        for _ in range(2):
            process = subprocess.Popen([*arguments, str(tmp_path), server.api_url, manifest], env=os.environ)
            time.sleep(1.0 + chance.random())
            process.send_signal(signal.SIGKILL)
            process.wait()
            if (tmp_path / AT / "ledger.sqlite").exists():
                tally = server.tally().archives
                with Ledger(tmp_path / AT) as ledger:
                    for entry in ledger.entries("fetched"):
                        assert entry.part is not None
                        assert (tmp_path / AT / entry.part).stat().st_size == entry.part_bytes
                        committed.setdefault(str(entry.revision), tally[str(entry.revision)])
        for folder in (tmp_path, tmp_path / "whole"):
            subprocess.run([*arguments, str(folder), server.api_url, manifest], check=True)
            if folder == tmp_path:
                tally = server.tally().archives
                assert {sha: tally[sha] for sha in committed} == committed
        assert states_of(tmp_path / AT) == server.expected
    assert parts_of(tmp_path / AT) == parts_of(tmp_path / "whole" / AT)
