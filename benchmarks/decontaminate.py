"""How much planted contamination is found, by how much it is disguised; what is taken by mistake; how fast it is.

    python benchmarks/decontaminate.py --words gsm8k-test.jsonl text --fields question,answer --documents DIR…
    python benchmarks/decontaminate.py --formal DIR --lang lean --documents DIR…
    python benchmarks/decontaminate.py --words gsm8k-test.jsonl --fields question,answer --times 10 --tables FILE…

Problems are planted into real files, one in each, in every grade. `found` counts those that the stage's own functions
find; `exact` those after whose cut the file is again what it was, byte for byte; `false` the files without a problem
in which anything is found. Speed is that of looking for runs of words, by processes, against `--times` copies of the
benchmark, each with other words: of documents in memory, or of Parquet files from reading to writing, as `algstack
decontaminate --input` does it, beside which they are only copied by as many processes.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from algstack.decontaminate import benchmarks, index, tables
from algstack.decontaminate.decide import decide
from algstack.decontaminate.match import Finding, look
from algstack.decontaminate.ngrams import NgramIndex
from algstack.decontaminate.provers import EXTENSIONS, PARSERS, Declaration
from algstack.manifest import Benchmark, DecontaminateConfig, RedactConfig
from algstack.tables import TableColumns

Grade = Callable[[str, random.Random], str]

_ENDINGS = {
    ".py": "python",
    ".tex": "tex",
    ".c": "c",
    ".h": "c",
    ".hpp": "cpp",
    ".f": "fortran",
    ".R": "r",
    ".ml": "ocaml",
}
_ENDINGS |= EXTENSIONS


def main() -> None:
    """Print one table for words, one for formal statements, one for speed: those that were asked for."""
    arguments = _arguments()
    if arguments.tables:
        tables_speed(arguments)
        return
    documents = _documents(arguments.documents, arguments.most)
    print(f"{len(documents):,} real files, {sum(len(text.encode()) for _, text in documents) / 1e6:,.1f} MB")
    if arguments.words and not arguments.times:
        words_table(arguments, documents)
    if arguments.formal:
        formal_table(arguments, documents)
    if arguments.times:
        speed(arguments, documents)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", nargs="+", default=[], help="folders of real files")
    parser.add_argument("--tables", nargs="+", help="Parquet files with a column `text`")
    parser.add_argument("--most", type=int, default=10_000, help="files to take")
    parser.add_argument("--words", help="a benchmark in words: JSON lines or Parquet")
    parser.add_argument("--fields", default="question", help="its fields, with commas between")
    parser.add_argument("--formal", help="a formal benchmark: a folder or file")
    parser.add_argument("--lang", default="lean", help="its language")
    parser.add_argument("--times", type=int, default=0, help="measure speed against so many benchmarks")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def _documents(folders: Iterable[str], most: int) -> list[tuple[str, str]]:
    """Real files (path, text), at most `most`, drawn evenly and in a fixed order."""
    paths = sorted(path for folder in folders for path in Path(folder).rglob("*") if path.suffix in _ENDINGS)
    paths = sorted(random.Random(0).sample(paths, min(most, len(paths))))
    found = []
    for path in paths:
        text = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
        if text.strip():
            found.append((str(path), text))
    return found


def _index(benchmark: Benchmark) -> index.Index:
    folder = Path(tempfile.mkdtemp(prefix="decontaminate-"))
    copies, _ = benchmarks.find(DecontaminateConfig(benchmark=(benchmark,)), Path.cwd())
    index.build(folder / "index", copies, 13)
    return index.load(folder / "index")


def _frame(documents: Iterable[tuple[str, str]]) -> pl.DataFrame:
    rows = [(path, text, _ENDINGS[Path(path).suffix], None, path) for path, text in documents]
    return pl.DataFrame(rows, schema=dict.fromkeys(("id", "text", "lang", "repo", "path"), pl.String), orient="row")


def _found(documents: list[tuple[str, str]], loaded: index.Index) -> dict[str, list[Finding]]:
    by_id: dict[str, list[Finding]] = {}
    for start in range(0, len(documents), 500):
        findings, _ = look(_frame(documents[start : start + 500]), loaded)
        for row in findings.iter_rows():
            by_id.setdefault(row[0], []).append(Finding(*row[1:]))
    return by_id


# --- words ---


def _wrapped(text: str, mark: str) -> str:
    lines = re.findall(r"\S(?:.{0,60}\S)?(?=\s|$)", text) or [text]
    return "\n".join(f"{mark}{line}" for line in lines)


def _reformatted(text: str, chance: random.Random) -> str:
    """Other case, other white space, wrapped as a comment, formulas spaced."""
    text = text.upper() if chance.random() < 0.5 else text.capitalize()
    text = re.sub(r" ", lambda _: chance.choice([" ", "  ", "\t", "\u00a0"]), text)
    text = re.sub(r"(?<=\d)([+*/=-])(?=\d)", r"\\, \1 \\; ", text)
    return _wrapped(text, chance.choice(["# ", "-- ", " * ", "% "]))


def _quoted(text: str, chance: random.Random) -> str:
    return 'problem = "' + text.replace("\n", "\\n").replace('"', '\\"') + '"'


def _split(text: str, chance: random.Random) -> str:
    words = text.split(" ")
    return "s = (" + "\n  ".join(f'"{" ".join(words[at : at + 6])} "' for at in range(0, len(words), 6)) + ")"


def _word_changed(text: str, chance: random.Random) -> str:
    """Every twentieth word is another."""
    words = text.split(" ")
    return " ".join("Zanzibar" if at % 20 == 19 else word for at, word in enumerate(words))


def _numbers_changed(text: str, chance: random.Random) -> str:
    return re.sub(r"\d+", lambda number: str(int(number.group()) % 997 + 3), text)


WORD_GRADES: dict[str, Grade] = {
    "verbatim": lambda text, chance: text,
    "reformatted": _reformatted,
    "quoted in a string": _quoted,
    "split over lines": _split,
    "every 20th word changed": _word_changed,
    "numbers changed": _numbers_changed,
}


def words_table(arguments: argparse.Namespace, documents: list[tuple[str, str]]) -> None:
    """Plant each problem's first field into files, in each grade."""
    fields = tuple(arguments.fields.split(","))
    benchmark = Benchmark(name="words", path=str(Path(arguments.words).resolve()), text=fields)
    loaded = _index(benchmark)
    texts = [
        problem.texts[0] for problem in benchmarks.problems(benchmarks.Copy(benchmark, (Path(benchmark.path),), ""))
    ]
    _false(documents, loaded)
    print(f"\n{'words':<28}{'planted':>9}{'found':>9}{'recall':>9}")
    for name, grade in WORD_GRADES.items():
        chance = random.Random(name)
        planted = [
            (f"{number}:{path}", _inserted(text, grade(problem, chance), chance))
            for number, (problem, (path, text)) in enumerate(zip(texts, _cycle(documents, len(texts)), strict=True))
        ]
        _row(name, len(planted), len(_found(planted, loaded)))


def _cycle(documents: list[tuple[str, str]], count: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        yield documents[number * 7 % len(documents)]


def _inserted(text: str, planted: str, chance: random.Random) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines) + 1)
    return "\n".join([*lines[:at], planted, *lines[at:]])


def _false(documents: list[tuple[str, str]], loaded: index.Index) -> set[str]:
    start = time.perf_counter()
    found = _found(documents, loaded)
    seconds = time.perf_counter() - start
    size = sum(len(text.encode()) for _, text in documents) / 1e6
    share = len(found) / len(documents)
    print(f"false: {len(found)} of {len(documents):,} files ({share:.4%}); {size / seconds:.1f} MB/s")
    for name, findings in sorted(found.items())[:20]:
        print(f"    {name}: {findings[0].how}: {findings[0].evidence}")
    return set(found)


def _row(name: str, planted: int, found: int, *more: str) -> None:
    print(f"{name:<28}{planted:>9,}{found:>9,}{found / max(planted, 1):>9.4f}" + "".join(f"{one:>9}" for one in more))


# --- formal statements ---


_NO_NAMES = frozenset(["exists", "forall", "fun", "let", "LEAST", "GREATEST", "SOME", "THE"])


def _renamed(statement: str, lang: str) -> str:
    """Give the variables and hypotheses that a statement binds other names."""
    bound = set(re.findall(r"[({⦃]\s*((?:[^\W\d][\w'₀-₉]*\s+)*[^\W\d][\w'₀-₉]*)\s*:(?!=)", statement))
    names = {name for group in bound for name in group.split()} - _NO_NAMES
    if lang == "isabelle":
        names |= {name for group in re.findall(r"fixes\s+([\w\s]+?)\s*::", statement) for name in group.split()}
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    if not pattern:
        return statement
    # Behind `..` and `<` there may be one, behind `.` and in `\\<alpha>` there is none.
    return re.sub(rf"(?<![\w'₀-₉\\])(?<!\\<)(?<!(?<!\.)\.)({pattern})(?![\w'₀-₉])", r"zz\1", statement)


def _lean_4_spelling(statement: str) -> str:
    """Spell a Lean 3 statement as Lean 4 does: capital namespaces and types, `fun x =>`."""
    statement = re.sub(r"λ\s*([^,]+),", r"fun \1 =>", statement)
    statement = re.sub(
        r"(?<![\w.])([a-z][a-z_]*)(?=\.[a-z])",
        lambda name: "".join(part.title() for part in name.group(1).split("_")),
        statement,
    )
    return re.sub(r"(?<=range \d) in |(?<=[a-z]) in (?=Finset)", " ∈ ", statement)


def _in_pieces(declaration: Declaration, text: str) -> tuple[str, str, str]:
    """(keyword and name, statement, proof) of a declaration."""
    start = text.find(declaration.kind, declaration.start)
    whole = text[start : declaration.end]
    name = declaration.names[0].split(".")[-1]
    head, _, rest = whole.partition(name)
    proof = re.search(
        r":=\s*(?:begin|by|sorry)|:=\s*\Z|(?<![\w.])(?:sorry|oops|by|proof|apply|using)(?![\w.])|Proof\.", rest
    )
    at = proof.start() if proof else len(rest)
    return head + name, rest[:at], rest[at:]


_PROOFS = {
    "lean": ":= by\n  have h := trivial\n\n  simp",
    "isabelle": "\n  by simp",
    "coq": "\nProof.\n  auto.\n\n  easy.\nQed.",
}


def _formal_grades(lang: str) -> dict[str, Callable[[str, str, str], str]]:
    """Grade -> (head, statement, proof) -> the declaration in disguise."""
    proof = _PROOFS.get(lang, "")

    def spaced(statement: str) -> str:
        return re.sub(r"\s+", " ", statement).strip()

    def attributed(head: str) -> str:
        if lang == "lean":
            return "/-- A doc-comment. -/\n@[simp]\n" + head.replace("theorem", "lemma", 1)
        return head.replace("theorem", "lemma", 1) if lang == "isabelle" else head.replace("Theorem", "Lemma", 1)

    def other_name(head: str) -> str:
        return f"{head.split()[0]} my_own_result"

    def separator(statement: str) -> str:
        return "" if statement[:1] in ":" else " "

    grades = {
        "verbatim": lambda head, statement, old: f"{head}{statement}{old or proof}",
        "reformatted": lambda head, statement, old: (
            f"{attributed(head)}{separator(spaced(statement))}{spaced(statement)} {proof}"
        ),
        "split over lines": lambda head, statement, old: (
            f"{other_name(head)}\n    " + re.sub(r" (?=[(:{∧=+<])", "\n      ", spaced(statement)) + f" {proof}"
        ),
        "renamed theorem": lambda head, statement, old: f"{other_name(head)}{statement} {proof}",
        "renamed variables": lambda head, statement, old: f"{other_name(head)}{_renamed(statement, lang)} {proof}",
    }
    if lang == "lean":
        grades["Lean 4 spelling"] = lambda head, statement, old: (
            f"{other_name(head)}{_lean_4_spelling(statement)} {proof}"
        )
        grades["moved into a namespace"] = lambda head, statement, old: (
            f"namespace Moved.Here\n\n{other_name(head)}{statement} {proof}\n\nend Moved.Here"
        )
    return grades


def formal_table(arguments: argparse.Namespace, documents: list[tuple[str, str]]) -> None:
    """Plant each theorem of a formal benchmark between the declarations of real files, in each grade."""
    lang = arguments.lang
    endings = {".lean": "*.lean", ".thy": "*.thy", ".v": "*.v", ".mm": "*.mm", ".ml": "*.ml"}
    pattern = next((glob for ending, glob in endings.items() if EXTENSIONS.get(ending) == lang), "*.ml")
    benchmark = Benchmark(
        name="formal", path=str(Path(arguments.formal).resolve()), files=pattern, formal=("text",), lang=lang
    )
    loaded = _index(benchmark)
    copies, _ = benchmarks.find(DecontaminateConfig(benchmark=(benchmark,)), Path.cwd())
    pieces = [
        _in_pieces(declaration, text)
        for problem in benchmarks.problems(copies[0])
        for text in problem.formal
        for declaration in PARSERS[lang](text)
        if declaration.is_theorem and declaration.names
    ]
    hosts = [(path, text) for path, text in documents if EXTENSIONS.get(Path(path).suffix) == lang]
    dirty = _false(hosts, loaded)
    hosts = [host for host in hosts if host[0] not in dirty and len(PARSERS[lang](host[1])) > 1]
    print(f"\n{'formal, ' + lang:<28}{'planted':>9}{'found':>9}{'recall':>9}{'exact':>9}")
    for name, grade in _formal_grades(lang).items():
        found, exact, count = 0, 0, 0
        for number, piece in enumerate(pieces):
            path, text = hosts[number * 7 % len(hosts)]
            is_found, is_exact = _planted(path, text, grade(*piece), lang, loaded, random.Random(number))
            count, found, exact = count + 1, found + is_found, exact + is_exact
        _row(name, count, found, f"{exact / max(count, 1):.4f}")


def _planted(
    path: str, text: str, planted: str, lang: str, loaded: index.Index, chance: random.Random
) -> tuple[bool, bool]:
    """Plant one theorem between two declarations; return whether it is found, and whether the cut is exact."""
    declarations = PARSERS[lang](text)
    place = text.rfind("\n", 0, chance.choice(declarations).start) + 1
    dirty = f"{text[:place]}{planted}\n\n{text[place:]}"
    found = _found([(path, dirty)], loaded).get(path, [])
    if not found:
        return False, False
    verdict = decide(dirty, lang, path, found, "cut")
    moved = "namespace Moved.Here" in planted
    left = re.sub(r"namespace Moved\.Here\n+end Moved\.Here\n+", "", verdict.text or "") if moved else verdict.text
    return True, left == text


# --- speed ---


def _worker(folder: str, paths: list[str]) -> tuple[int, float, float]:
    loaded = NgramIndex.load(Path(folder))
    texts = [Path(path).read_bytes() for path in paths]
    data = np.frombuffer(b"".join(texts), np.uint8)
    offsets = np.r_[0, np.cumsum([len(text) for text in texts])].astype(np.int64)
    loaded.candidates(data[:1], np.array([0, 1]))
    start, cpu = time.perf_counter(), time.thread_time()
    loaded.candidates(data, offsets)
    return data.size, time.perf_counter() - start, time.thread_time() - cpu


def _copies(arguments: argparse.Namespace) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield (number of the copy, texts of a problem): `--times` copies of the benchmark, each with other words."""
    fields = tuple(arguments.fields.split(","))
    benchmark = Benchmark(name="words", path=str(Path(arguments.words).resolve()), text=fields)
    rows = list(benchmarks.problems(benchmarks.Copy(benchmark, (Path(benchmark.path),), "")))
    for number in range(arguments.times):
        for row in rows:
            yield (
                number,
                tuple(re.sub(r"(\w{4,})", rf"\1{chr(97 + number)}", text) if number else text for text in row.texts),
            )


def speed(arguments: argparse.Namespace, documents: list[tuple[str, str]]) -> None:
    """Look for runs of words against many benchmarks, in as many processes as `--workers`."""
    texts = ((number, text) for number, texts in _copies(arguments) for text in texts)
    built = NgramIndex.build(texts, 13)
    folder = tempfile.mkdtemp(prefix="decontaminate-")
    built.save(Path(folder))
    paths = [path for path, _ in documents]
    shares = [paths[worker :: arguments.workers] for worker in range(arguments.workers)]
    best, best_cpu = 0.0, 0.0
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for _ in range(5):
            done = list(pool.map(_worker, [folder] * arguments.workers, shares))
            size = sum(size for size, _, _ in done) / 1e6
            best = max(best, size / max(seconds for _, seconds, _ in done))
            best_cpu = max(best_cpu, size / max(cpu for _, _, cpu in done))
    print(
        f"\nruns of 13 words: {built.runs.hashes.size:,} of {arguments.times} benchmarks; "
        f"{arguments.workers} processes: {best:,.0f} MB/s, {best_cpu:,.0f} MB/s by CPU time (best of 5)"
    )


def tables_speed(arguments: argparse.Namespace) -> None:
    """Take many benchmarks out of Parquet files, from the start to the report; and only copy the files."""
    paths = [Path(path).resolve() for path in arguments.tables]
    size = sum(_text_bytes(path) for path in paths) / 1e6
    workers = arguments.workers
    print(f"{len(paths)} files, {size:,.0f} MB of text; {workers} processes")
    with tempfile.TemporaryDirectory(prefix="decontaminate-") as folder:
        place = Path(folder)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(_text_bytes, paths[:1] * workers))  # they have started
            start = time.perf_counter()
            list(pool.map(_copy, paths, [place / f"copy-{number}.parquet" for number in range(len(paths))]))
            copied = size / (time.perf_counter() - start)
        print(f"{'copied':<28}{copied:>9,.0f} MB/s")
        config = _configured(arguments, place)
        for name, redaction in {
            "decontaminated": RedactConfig(secrets=False, personal=False),
            "and redacted": RedactConfig(),
        }.items():
            start = time.perf_counter()
            inputs = [str(path) for path in paths]
            done = tables.run(inputs, place / name, TableColumns(), config, redaction, workers)
            rate = size / (time.perf_counter() - start)
            print(f"{name:<28}{rate:>9,.0f} MB/s{rate / copied:>9.2f} of copying; {done.counts.kept:,} documents kept")


def _configured(arguments: argparse.Namespace, folder: Path) -> DecontaminateConfig:
    """Write the copies of the benchmark as benchmarks of their own."""
    names = [f"words-{number}" for number in range(arguments.times)]
    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"{name}.jsonl").open("w")) for name in names]
        for number, texts in _copies(arguments):
            files[number].write(json.dumps({"text": "\n".join(texts)}) + "\n")
    own = [{"name": name, "path": f"{name}.jsonl", "text": ["text"]} for name in names]
    return DecontaminateConfig.model_validate({"benchmark": own, "folder": str(folder)})


def _text_bytes(path: Path) -> int:
    lengths = pl.scan_parquet(path).select(pl.col("text").str.len_bytes().sum())
    return int(lengths.collect().item())


def _copy(path: Path, target: Path) -> None:
    file = pq.ParquetFile(path)
    with pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group, use_threads=False))


if __name__ == "__main__":
    main()
