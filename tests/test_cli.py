"""The command line: exit codes, streams, JSON."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from algstack.cli import main
from algstack.pipeline import STAGES

MANIFEST = 'name = "test"\n[[sources]]\nname = "src"\nkind = "folder"\npath = "in"\nlicense = "MIT"\n'
LEAN = "theorem {0} (a b : Nat) : a + b = b + a := by\n  exact Nat.add_comm a b\n"


def algstack(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process: what a process of its own adds is shown by the tests that use one.

    With one worker, since worker processes stay in the folder where the first of them were started.
    """
    if arguments[0] in {stage.name for stage in STAGES} | {"build"}:
        arguments = (*arguments, "--workers", "1")
    out, err = StringIO(), StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return subprocess.CompletedProcess(arguments, ended.value.code, out.getvalue(), err.getvalue())


def algstack_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "algstack", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.lean").write_text(LEAN.format("one"))
    (tmp_path / "in/b.lean").write_text(LEAN.format("one"))
    (tmp_path / "in/c.lean").write_text("set_option autoImplicit false\n")
    (tmp_path / "in/d.txt").write_text("text")
    (tmp_path / "algstack.toml").write_text(MANIFEST)
    return tmp_path


def test_build_then_everything_is_done(project: Path) -> None:
    first = algstack_process(project, "build")
    assert first.returncode == 0, first.stderr
    assert "work/releases/0.1.0" in first.stdout
    again = algstack(project, "build", "--json")
    summaries = json.loads(again.stdout)
    assert [row["stage"] for row in summaries] == [stage.name for stage in STAGES]
    assert not any(row["tasks"] for row in summaries)
    for row in summaries:
        assert row["documents"] == row["kept"] + sum(row["dropped"].values())
    assert [row["kept"] for row in summaries] == [3, 2, 1, 1, 1]
    assert algstack(project, "verify", "work/releases/0.1.0").returncode == 0


def test_a_language_of_ones_own_is_a_file_that_the_manifest_names(project: Path) -> None:
    (project / "own").mkdir()
    (project / "own" / "zfc.toml").write_text(
        'name = "zfc"\ntitle = "ZF"\nextensions = [".zfc"]\n[[rules]]\nid = "no-theorem"\nreason = "No theorem."\n'
        'require_any = ["theorem "]\nhits = ["x"]\nmisses = ["theorem x"]\n'
    )
    (project / "algstack.toml").write_text(MANIFEST + '[filter]\nfolder = "own"\nlanguages = ["zfc"]\n')
    (project / "in" / "a.zfc").write_text("theorem one: 1 = 1, which is said in so many words\n")
    (project / "in" / "b.zfc").write_text("axiom\n")
    assert algstack(project, "build").returncode == 0
    card = (project / "work" / "releases" / "0.1.0" / "README.md").read_text()
    assert "config_name: zfc" in card
    dry = algstack(project, "filter", "--dry-run")
    assert dry.stdout.splitlines()[0].startswith("zfc: 2 documents")
    assert dry.stdout.splitlines()[1].split()[:3] == ["no-theorem", "-1", "1"]
    assert "profile default, zfc: dropped by rule `no-theorem`" in algstack(project, "explain", "in/b.zfc").stdout


def test_explain_in_words(project: Path) -> None:
    algstack(project, "build")
    kept = algstack(project, "explain", "folder:src:a.lean").stdout
    assert "filter: kept as lean" in kept
    assert "release 0.1.0: in split" in kept
    twin = algstack(project, "explain", "b.lean").stdout
    assert "keeper: folder:src:a.lean, similarity 1.000" in twin
    assert "dropped by rule" in algstack(project, "explain", "in/c.lean").stdout
    assert "no filter names" in algstack(project, "explain", "d.txt").stdout
    stories = json.loads(algstack(project, "explain", "b.lean", "--json").stdout)
    assert stories[0]["decisions"][-1]["keeper"] == "folder:src:a.lean"
    nothing = algstack(project, "explain", "nowhere.lean")
    assert nothing.returncode == 1
    assert "no document" in nothing.stderr


def test_the_longest_repeated_passages(project: Path) -> None:
    dice = random.Random(1)
    shared = "".join(f"theorem t{n} : {dice.randrange(10**6)} = x := by simp\n" for n in range(20))
    own = [
        "".join(f"lemma l{dice.randrange(10**6)} : {n} < {n + 1} := by decide\n" for n in range(60)) for _ in range(3)
    ]
    for name, text in zip("xyz", own, strict=True):
        (project / f"in/{name}.lean").write_text(f"{text}-- {name}\n{shared}end {name}\n" if name != "z" else text)
    early = algstack(project, "dedup", "--passages", "5")
    assert (early.returncode, "the stage is not complete" in early.stderr) == (1, True)
    for stage in ("crawl", "filter", "dedup"):
        assert algstack(project, stage).returncode == 0
    shown = algstack(project, "dedup", "--passages", "5").stdout.splitlines()
    size = len(f"\n{shared}end ")
    assert shown[0] == f"1. {size:,} bytes, 121 tokens, 22 lines, in 2 documents"
    assert shown[1:3] == [f"   folder:src:{name}.lean, line 61" for name in "xy"]
    assert shown[3:] == [f"   | {line}" for line in shared.splitlines()[:2]]
    written = json.loads((project / "work/dedup/passages.json").read_text())
    assert json.loads(algstack(project, "dedup", "--passages", "1", "--json").stdout) == {
        key: value for key, value in written.items() if key != "stage"
    }
    assert [one["bytes"] for one in written["passages"]] == [size]
    assert algstack(project, "dedup", "--passages", "0").returncode == 2


def test_stage_by_stage_and_status(project: Path) -> None:
    for command in ("crawl", "filter", "dedup", "release"):
        done = algstack(project, command)
        assert done.returncode == 0, done.stderr
    states = json.loads(algstack(project, "status", "--json").stdout)
    assert all(state["complete"] for state in states)
    assert {"crawl/src", "filter/lean", "dedup", "releases/0.1.0"} <= {state["folder"] for state in states}


def test_the_profile_can_be_chosen(project: Path) -> None:
    (project / "in/e.lean").write_text("def two := 2\n")
    algstack(project, "crawl")
    kept = {}
    for profile in ("default", "llemma"):
        done = algstack(project, "filter", "--profile", profile, "--lang", "lean", "--json")
        assert done.returncode == 0, done.stderr
        kept[profile] = json.loads(done.stdout)[0]["kept"]
    # Lean of the paper needs one of `theorem `, `lemma `, `example `; ours, any declaration.
    assert kept == {"default": 3, "llemma": 2}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["build", "-m", "none.toml"], 1, "no such manifest"),
        (["build", "--nonsense"], 2, "No such option"),
        (["filter", "--lang", "lena"], 1, "lean"),
        (["filter", "--profile", "lema"], 1, "filter.profile"),
        (["crawl", "--source", "scr"], 1, "did you mean `src`"),
        (["dedup"], 1, "algstack"),
        (["release"], 1, "algstack"),
        (["status", "-w", "none"], 1, "no such workspace"),
        (["verify", "none"], 1, "none"),
        (["init"], 1, "there is a file already"),
    ],
    ids=["manifest", "option", "language", "profile", "source", "dedup", "release", "workspace", "verify", "init"],
)
def test_errors_are_two_lines_at_most(project: Path, arguments: list[str], code: int, said: str) -> None:
    done = algstack(project, *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    if code == 1:
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr


def test_a_typo_in_the_manifest(project: Path) -> None:
    (project / "algstack.toml").write_text(MANIFEST + "[dedup]\ntreshold = 0.8\n")
    done = algstack_process(project, "build")
    assert done.returncode == 1
    assert "algstack.toml:8: `dedup.treshold`: unknown key; did you mean `threshold`?" in done.stderr
    assert not (project / "work").exists()


def test_an_empty_folder_and_what_was_done_before_is_kept(project: Path) -> None:
    (project / "empty").mkdir()
    more = '[[sources]]\nname = "void"\nkind = "folder"\npath = "empty"\n'
    (project / "algstack.toml").write_text(MANIFEST + more)
    done = algstack(project, "build")
    assert done.returncode == 1
    assert "the folder is empty" in done.stderr
    assert (project / "work/crawl/src/stage.json").exists()


def test_nothing_kept_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("text")
    (tmp_path / "algstack.toml").write_text(MANIFEST)
    done = algstack(tmp_path, "build")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) <= 6


def test_a_full_disk_is_an_error_that_says_what_to_do_and_loses_nothing(project: Path) -> None:
    """A file system of one megabyte, which needs the right to mount one."""
    disk = project / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this process may not mount a file system")
    try:
        noise = random.Random(1)
        for number in range(40):
            words = " ".join(f"x{noise.getrandbits(64)}" for _ in range(5000))
            (project / f"in/{number}.lean").write_text(LEAN.format(f"t{number}") + words)
        done = algstack_process(project, "build", "-w", "disk/work")
        assert done.returncode == 1, done.stderr
        assert "no room left on the disk. Free some" in done.stderr
        assert len(done.stderr.split("error: ")[1].strip().splitlines()) <= 2
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert algstack(project, "build").returncode == 0


@pytest.mark.parametrize(
    "content", [b"", b"7z\xbc\xaf\x27\x1c" + bytes(100), b'<posts>\n<row Id="1" Post'], ids=["empty", "cut", "xml"]
)
def test_a_broken_dump_keeps_what_was_done_before(project: Path, content: bytes) -> None:
    name = "d.xml" if content.startswith(b"<") else "d.7z"
    (project / name).write_bytes(content)
    more = f'[[sources]]\nname = "dump"\nkind = "stackexchange"\npath = "{name}"\nsite = "math.stackexchange.com"\n'
    (project / "algstack.toml").write_text(MANIFEST + more)
    done = algstack(project, "build")
    assert done.returncode in (0, 1), done.stderr
    assert (project / "work/crawl/src/stage.json").exists()
    if done.returncode:
        assert name in done.stderr
        assert len(done.stderr.split("error: ")[1].strip().splitlines()) <= 2
    else:
        dropped = json.loads((project / "work/crawl/dump/stage.json").read_text())["counts"]["dropped"]
        assert sum(dropped.values()) >= 1


def test_ctrl_c_is_130_and_says_that_nothing_is_lost(project: Path) -> None:
    for number in range(3000):
        (project / f"in/{number}.lean").write_text(LEAN.format(f"t{number}") * 20)
    running = subprocess.Popen(
        [sys.executable, "-m", "algstack", "build", "--workers", "1"], cwd=project, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (project / "work/crawl").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "what was done is kept" in said
    assert algstack(project, "build").returncode == 0


def test_build_refuses_a_benchmark_without_a_copy_before_it_crawls(project: Path) -> None:
    (project / "algstack.toml").write_text(MANIFEST + '[decontaminate]\nbenchmarks = ["gsm8k"]\n')
    done = algstack(project, "build")
    assert done.returncode == 1
    assert "there is no copy of the benchmark `gsm8k`" in done.stderr
    assert not (project / "work/crawl").exists()
