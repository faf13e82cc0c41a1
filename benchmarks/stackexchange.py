"""How fast a Stack Exchange dump becomes documents, and how much memory that takes.

    python -m benchmarks.stackexchange                        # conversion of HTML, then a dump of 1 M posts
    python -m benchmarks.stackexchange --posts 10_000_000     # a dump as large as the largest mathematical sites
    python -m benchmarks.stackexchange --like DUMP.7z         # also converts a real dump's posts

The dump is generated: text of our own with the shapes of real posts (the table that is printed first compares the
two). It is written once per size into --folder and used again. The whole crawl stage is measured: reading the
archive, joining, conversion, and writing the Parquet parts with their checksums.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

import pyarrow as pa

from algstack.crawl.stackexchange.dump import POSTS, open_dump
from algstack.crawl.stackexchange.html import to_markdown, to_markdown_all
from algstack.crawl.stackexchange.rows import blocks

SEED = 20250101
FRAGMENTS = 30_000
BLOCKS = (1, 1, 2, 2, 3, 3, 4, 5, 7)  # of a post
BODIES = 100_000  # 100 MB: far more than the archive's dictionary holds, so that none is packed for nothing
ANSWERS_BEFORE = 0.002  # answers that stand before their question, as after a merge
ORPHANS = 0.001

FORMULAS = (
    r"$x_{N}$",
    r"$f : X \to Y$",
    r"$\mathbb{R}^{N}$",
    r"$a_{N} &lt; b_{N}$",
    r"$\lambda_{N}$",
    r"$O(n^{N})$",
    r"$\alpha &gt; N$",
    r"$A_{N}$",
    r"$\sum_{i=1}^{N} x_i^2$",
    r"$\|x - y\|$",
    r"$G/H_{N}$",
    r"$p \equiv N \pmod 4$",
)
DISPLAYS = (
    "$$\\int_0^{N} e^{-x^2} \\, dx = \\frac{\\sqrt{\\pi}}{2}$$",
    "$$\n\\begin{pmatrix} a &amp; b \\\\ c &amp; N \\end{pmatrix}\n$$",
    "\\begin{align}\nf(x) &amp;= x^{N} + 1 \\\\\n&amp;\\le 2 x^{N}\n\\end{align}",
    "\\[ \\lim_{n \\to \\infty} \\left( 1 + \\frac{N}{n} \\right)^n = e^{N} \\]",
)
CODE = (
    "import numpy as np\n\nA = np.eye(N)\nprint(np.linalg.det(A) &lt; 1)\n",
    "theorem foo (n : Nat) : n + N = N + n := by\n  omega\n",
    "for (int i = 0; i &lt; N; i++) {\n    sum += a[i] * b[i];\n}\n",
)


def words(rng: random.Random) -> list[str]:
    """A vocabulary whose frequencies fall as in natural text."""
    syllables = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "ol", "us")]
    return ["".join(rng.choices(syllables, k=rng.choice((1, 1, 2, 2, 3)))) for _ in range(6000)]


class Shapes:
    """Makes fragments of posts' HTML."""

    def __init__(self, seed: int = SEED) -> None:
        self._rng = random.Random(seed)
        self._words = words(self._rng)
        self._weights = [1 / (rank + 3) for rank in range(len(self._words))]

    def fragments(self, count: int) -> list[str]:
        """Return HTML blocks in the shares in which real posts have them."""
        kinds: Sequence[tuple[float, Callable[[], str]]] = (
            (74, self._paragraph),
            (6, self._display),
            (7, self._list),
            (5, self._code),
            (4, self._quote),
            (4, self._odd),
        )
        makers = self._rng.choices([make for _, make in kinds], [weight for weight, _ in kinds], k=count)
        return [make() for make in makers]

    def _numbered(self, template: str) -> str:
        return template.replace("N", str(self._rng.randrange(2, 99)))

    def _sentence(self, low: int = 12, high: int = 70) -> str:
        rng = self._rng
        chosen = rng.choices(self._words, self._weights, k=rng.randrange(low, high))
        for place in range(0, len(chosen), 7):
            draw = rng.random()
            if draw < 0.16:
                chosen[place] = self._numbered(rng.choice(FORMULAS))
            elif draw < 0.22:
                chosen[place] = f"<em>{chosen[place]}</em>"
            elif draw < 0.27:
                chosen[place] = f"<strong>{chosen[place]}</strong>"
            elif draw < 0.33:
                chosen[place] = f"<code>{chosen[place]}</code>"
            elif draw < 0.40:
                address = f"https://example.com/questions/{rng.randrange(10**6)}/{chosen[place]}"
                chosen[place] = f'<a href="{address}" rel="nofollow">{chosen[place]}</a>'
            elif draw < 0.55:
                chosen[place] += ",&quot;" if draw < 0.44 else ","
        return " ".join(chosen).capitalize() + "."

    def _paragraph(self) -> str:
        return f"<p>{self._sentence()}</p>"

    def _display(self) -> str:
        return f"<p>{self._sentence(5, 20)}\n{self._numbered(self._rng.choice(DISPLAYS))}</p>"

    def _list(self) -> str:
        name = self._rng.choice(("ul", "ol"))
        items = "\n".join(f"<li>{self._sentence(5, 25)}</li>" for _ in range(self._rng.randrange(2, 7)))
        return f"<{name}>\n{items}\n</{name}>"

    def _code(self) -> str:
        code = "".join(self._numbered(self._rng.choice(CODE)) for _ in range(self._rng.randrange(1, 6)))
        return f'<pre class="lang-py prettyprint-override"><code>{code}</code></pre>'

    def _quote(self) -> str:
        return f"<blockquote>\n  {self._paragraph()}\n</blockquote>"

    def _odd(self) -> str:
        return self._rng.choice(
            ("<hr>", f"<h2>{self._sentence(2, 5)}</h2>", '<p><img src="https://i.example.com/a.png" alt="plot"></p>')
        )


def posts(count: int, seed: int = SEED) -> Iterator[bytes]:
    """Yield the rows of a dump of `count` posts, as the dumps write them."""
    rng = random.Random(seed)
    pool = [escape(fragment).replace("\n", "&#xA;") for fragment in Shapes(seed).fragments(FRAGMENTS)]
    titles = [escape(Shapes(number)._sentence(5, 12)) for number in range(200)]
    bodies = ["&#xA;&#xA;".join(rng.choices(pool, k=rng.choice(BLOCKS))) + "&#xA;" for _ in range(min(count, BODIES))]
    for number in range(1, count + 1):
        body = bodies[rng.randrange(len(bodies))]
        common = f'CreationDate="20{10 + number * 14 // count}-05-14T08:11:02.157" Score="{rng.randrange(-3, 40)}"'
        tail = (
            f'OwnerUserId="{rng.randrange(1, 10**6)}" LastActivityDate="2024-12-12T20:57:19.903" CommentCount="1" '
            'ContentLicense="CC BY-SA 4.0" />\n'
        )
        if number % 5 in (0, 2):
            accepted = f'AcceptedAnswerId="{number + 1}" ' if rng.random() < 0.4 else ""
            yield (
                f'  <row Id="{number}" PostTypeId="1" {accepted}{common} ViewCount="301" Body="{body}" '
                f'Title="{rng.choice(titles)}" Tags="|linear-algebra|python|" AnswerCount="2" {tail}'
            ).encode()
        else:
            ids = f'Id="{number}" PostTypeId="2" ParentId="{_parent(rng, number, count)}"'
            yield f'  <row {ids} {common} Body="{body}" {tail}'.encode()


def _parent(rng: random.Random, number: int, count: int) -> int:
    draw = rng.random()
    if draw < ORPHANS:
        return count + number
    distance = -rng.randrange(1, 300) if draw < ORPHANS + ANSWERS_BEFORE else rng.randrange(1, 300)
    question = min(max(2, number - distance), count)
    return max(2, question - {0: 0, 1: 1, 2: 0, 3: 1, 4: 2}[question % 5])


def dump_of(count: int) -> Iterator[bytes]:
    """Yield a dump's Posts.xml."""
    yield b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'
    yield from posts(count)
    yield b"</posts>\n"


def write_dump(path: Path, count: int) -> None:
    """Write a dump's Posts.xml."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb", buffering=1 << 20) as file:
        file.writelines(dump_of(count))
    temporary.rename(path)


class Stream(io.BufferedIOBase):
    """What is made bit by bit, as a file that can be read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, about as many as are asked for; none at the end."""
        gathered, length = [self._rest], len(self._rest)
        for piece in self._pieces:
            gathered.append(piece)
            length += len(piece)
            if size is not None and 0 <= size <= length:
                break
        data = b"".join(gathered)
        self._rest = data[size:] if size is not None and size >= 0 else b""
        return data[: len(data) - len(self._rest)]

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Do nothing: py7zr asks for the size, and needs to hear only that there is something."""
        return offset

    def tell(self) -> int:
        """Return the one place that is known."""
        return 0


def pack_dump(archive: Path, count: int) -> None:
    """Write a dump's archive as the sites do (7z, LZMA2), in one go; a small dictionary, for time's sake."""
    import py7zr

    temporary = archive.with_suffix(".tmp")
    filters = [{"id": py7zr.FILTER_LZMA2, "preset": 1}]
    with py7zr.SevenZipFile(temporary, "w", filters=filters) as packed:
        packed.writef(Stream(dump_of(count)), "Posts.xml")
    temporary.rename(archive)


def bodies(path: Path, limit: int) -> list[str]:
    """Return the HTML of a dump's first posts."""
    found: list[str] = []
    for _, chunks in open_dump(path, "example.com").tables([POSTS]):
        for block in blocks(chunks, "posts", ["Body"]):
            found += block.columns["Body"].fill_null("").to_pylist()
            if len(found) >= limit:
                return found[:limit]
    return found


def shape(name: str, sources: Sequence[str]) -> str:
    """One line that says what posts look like."""
    text = "".join(sources)
    size = len(text)
    return (
        f"{name:34} {len(sources):7,} posts  {size / len(sources):6,.0f} characters  "
        f"{1000 * text.count('<') / size:5.1f} tags/1000  {1000 * text.count('$') / size:5.1f} $/1000  "
        f"{100 * text.count('<pre') / len(sources):4.1f} code blocks/100 posts"
    )


def by_beautifulsoup(source: str) -> str:
    """The slow reference of the differential test."""
    from tests.crawl.stackexchange.reference import to_markdown as reference

    return reference(source)


def one_by_one(convert: Callable[[str], str]) -> Callable[[Sequence[str]], object]:
    """Return what converts many posts, each by a call of its own."""
    return lambda sources: [convert(source) for source in sources]


def together(sources: Sequence[str]) -> object:
    """Convert many posts in one call, as the crawl does."""
    return to_markdown_all(pa.array(sources))


def speed(convert: Callable[[Sequence[str]], object], sources: Sequence[str], rounds: int) -> float:
    """Return the best of several rounds, in MB of HTML a second of CPU time."""
    size = sum(len(source.encode()) for source in sources)
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        convert(sources)
        best = min(best, time.process_time() - start)
    return size / best / 1e6


def compare_conversion(name: str, sources: Sequence[str]) -> None:
    """Print the speed of both conversions on the same posts."""
    theirs = speed(one_by_one(by_beautifulsoup), sources[:: max(1, len(sources) // 500)], 3)
    print(f"{name:34} BeautifulSoup {theirs:5.2f} MB/s", end="")
    for how, convert in {"as the crawl does": together, "post by post": one_by_one(to_markdown)}.items():
        ours = speed(convert, sources, 5)
        print(f"   {how} {ours:5.1f} MB/s, {ours / theirs:.1f} times", end="")
    print()


MANIFEST = """name = "benchmark"
[[sources]]
name = "dump"
kind = "stackexchange"
path = "{path}"
site = "example.com"
"""


def crawl(path: Path, folder: Path, workers: int) -> tuple[float, int]:
    """Run `algstack crawl` on a dump; return (seconds, peak bytes of memory of all its processes together)."""
    folder.mkdir(parents=True)
    (folder / "algstack.toml").write_text(MANIFEST.format(path=path))
    command = [sys.executable, "-c", "from algstack.cli import main; main()", "crawl", "--workers", str(workers)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    peak = Peak(process.pid)
    if process.wait():
        raise SystemExit("the crawl failed")
    return time.perf_counter() - start, peak.stop()


class Peak:
    """Watches the memory of a process and its children (proportional set size: shared pages count once)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._bytes

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            self._bytes = max(self._bytes, sum(map(_memory, _family(self._pid))))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _memory(pid: int) -> int:
    try:
        match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return 1024 * int(match[1]) if match else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--like", type=Path, nargs="*", default=[], help="real dumps to compare with")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "algstack-benchmark")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--xml", action="store_true", help="read Posts.xml itself, not the .7z")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    sample = options.folder / "sample.xml"
    write_dump(sample, 2000)
    samples = {"generated": bodies(sample, 2000), **{path.name: bodies(path, 2000) for path in options.like}}
    for name, sources in samples.items():
        print(shape(name, sources))
    for name, sources in samples.items():
        compare_conversion(name, sources)

    dump = options.folder / f"posts-{options.posts}{'.xml' if options.xml else '.7z'}"
    if not dump.exists():
        (write_dump if options.xml else pack_dump)(dump, options.posts)
    size = open_dump(dump, "example.com").sizes[POSTS]
    work = options.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    seconds, peak = crawl(dump, work, options.workers)
    shutil.rmtree(work)
    print(
        f"{options.posts:,} posts, {size / 1e6:,.0f} MB of XML in {dump.suffix}: "
        f"{seconds:.1f} s, {options.posts / seconds:,.0f} posts/s, {size / seconds / 1e6:.1f} MB/s of XML, "
        f"peak memory {peak / 2**20:,.0f} MiB, {options.workers} workers"
    )


if __name__ == "__main__":
    main()
