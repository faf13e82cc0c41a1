"""Directory pages of dumps, and downloads that go on where they were cut off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from algstack.cli import main
from algstack.crawl import stage
from algstack.crawl.http import Clock, open_session
from algstack.crawl.stackexchange import listing
from algstack.crawl.stackexchange.listing import Offer, download, fetch_listing, read_listing
from algstack.errors import ManifestError, SourceError
from tests.conftest import FewLanguages, context_of, manifest_of
from tests.crawl.stackexchange import dumps

HERE = "https://example.org/dumps/"

PAGES = {
    "Apache, preformatted": """<h1>Index of /dumps</h1><pre><a href="?C=N">Name</a> <a href="?C=S">Size</a><hr>
<a href="../">Parent Directory</a>                             -
<a href="math.example.com.7z">math.example.com.7z</a>   2024-04-02 10:11  3.5G
<a href="stats.example.com.7z">stats.example...&gt;</a>   2024-04-02 10:12  780M
<a href="readme.txt">readme.txt</a> 2024-04-02 10:12 1.1K
</pre>""",
    "nginx": """<html><body><pre><a href="../">../</a>
<a href="math.example.com.7z">math.example.com.7z</a>                02-Apr-2024 10:11          3758096384
<a href="stats.example.com.7z">stats.example.com.7z</a>              02-Apr-2024 10:12           817889280
</pre></body></html>""",
    "a table": """<table><tr><th>Name</th><th>Last modified</th><th>Size</th></tr>
<tr><td><a href="/dumps/math.example.com.7z">math.example.com.7z</a> (<a href="/view/math.example.com.7z/">in</a>)
</td><td>02-Apr-2024 10:11</td><td>3.5G</td></tr>
<tr><td><a href="stats.example.com.7z">stats.example.com.7z</a></td><td>2024-04-02</td><td>780.0 MiB</td></tr>
</table>""",
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_pages_say_names_sizes_and_dates(page: str) -> None:
    assert read_listing(page, HERE) == [
        Offer("math.example.com.7z", f"{HERE}math.example.com.7z", 3_758_096_384, "2024-04-02"),
        Offer("stats.example.com.7z", f"{HERE}stats.example.com.7z", 817_889_280, "2024-04-02"),
    ]


def test_a_page_that_says_nothing_but_names() -> None:
    (offer,) = read_listing('<ul><li><a href="stackoverflow.com-Posts.7z?x=1">dump</a></li></ul>', HERE)

    assert (offer.name, offer.site, offer.size, offer.date) == (
        "stackoverflow.com-Posts.7z",
        "stackoverflow.com",
        None,
        None,
    )


@dataclass
class Files:
    """What the server has; `cuts` are how many bytes the next answers give before the connection breaks."""

    files: dict[str, bytes]
    etag: str = '"one"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        files = self.server.files
        content = files.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and files.ranges and self.headers.get("If-Range") == files.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", files.etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        rest = rest[: files.cuts.pop(0)] if files.cuts else rest
        files.sent.append(len(rest))
        self.wfile.write(rest)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    files: Files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """A server with a page and one dump, which is small, so it is read in small portions."""
    monkeypatch.setattr(listing, "CHUNK_BYTES", 100)
    rows = [dumps.question(number) for number in range(1, 400)]
    dump = dumps.pack(tmp_path / "served.7z", {"Posts.xml": dumps.table(rows)}).read_bytes()
    page = b'<pre><a href="math.example.com.7z">math.example.com.7z</a> 2024-04-02 10:11 5K</pre>'
    server = _Server(("127.0.0.1", 0), _Handler)
    server.files = Files({"/": page, "/math.example.com.7z": dump})
    server.files.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server.files
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(files: Files, folder: Path) -> Path:
    clock = Clock(1000)
    (offer,) = fetch_listing(files.url, open_session(1), clock)
    return download(offer, folder, open_session(1), clock)


def test_a_download_goes_on_where_it_was_cut_off(files: Files, tmp_path: Path) -> None:
    whole = files.files["/math.example.com.7z"]
    files.cuts = [len(files.files["/"]), 600, 500, 300]

    path = fetch(files, tmp_path / "here")

    assert path.read_bytes() == whole
    assert files.sent[1:] == [600, 500, 300, len(whole) - 1400]
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_later_run_goes_on_too(files: Files, tmp_path: Path) -> None:
    whole = files.files["/math.example.com.7z"]
    files.cuts = [len(files.files["/"]), 500, 0, 0, 0, 0]
    with pytest.raises(SourceError, match="it goes on"):
        fetch(files, tmp_path)
    files.sent.clear()

    assert fetch(files, tmp_path).read_bytes() == whole
    assert files.sent[1] == len(whole) - 500


@pytest.mark.parametrize("change", [{"etag": '"two"'}, {"ranges": False}], ids=["another version", "no ranges"])
def test_what_cannot_be_continued_is_fetched_anew(files: Files, tmp_path: Path, change: dict[str, object]) -> None:
    files.cuts = [len(files.files["/"]), 500, 0, 0, 0, 0]
    with pytest.raises(SourceError):
        fetch(files, tmp_path)
    for name, value in change.items():
        setattr(files, name, value)

    assert fetch(files, tmp_path).read_bytes() == files.files["/math.example.com.7z"]


def test_a_file_that_is_no_dump_is_not_kept(files: Files, tmp_path: Path) -> None:
    files.files["/math.example.com.7z"] = b"<html>Please sign in</html>" * 10

    with pytest.raises(SourceError, match="not a dump"):
        fetch(files, tmp_path / "here")
    assert not list((tmp_path / "here").glob("*.7z*"))


def test_a_refusal_is_an_error(files: Files, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="HTTP 404"):
        download(Offer("x.7z", f"{files.url}x.7z", None, None), tmp_path)


MANIFEST = '[[sources]]\nname = "qa"\nkind = "stackexchange"\npath = "dumps"\nlisting = "{url}"\nsites = ["{site}"]\n'


def test_the_crawl_fetches_the_dumps_of_its_sites(files: Files, tmp_path: Path, few_languages: FewLanguages) -> None:
    context = context_of(MANIFEST.format(url=files.url, site="math.example.com"), tmp_path)

    assert stage.run(context, few_languages)["qa"].counts.kept == 399
    asked = len(files.sent)
    assert stage.run(context, few_languages)["qa"].counts.kept == 399
    assert len(files.sent) == asked


def test_a_site_that_is_not_offered_is_an_error(files: Files, tmp_path: Path, few_languages: FewLanguages) -> None:
    with pytest.raises(SourceError, match=r"no dump of tex\.example\.com"):
        stage.run(context_of(MANIFEST.format(url=files.url, site="tex.example.com"), tmp_path), few_languages)


def test_a_listing_without_sites_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="go together"):
        manifest_of(MANIFEST.format(url="http://a", site="b").replace('sites = ["b"]', ""), tmp_path)


def test_the_command_shows_what_a_page_offers(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["crawl", "--list", files.url])

    assert capsys.readouterr().out.split() == (
        ["dump", "site", "MB", "date", "math.example.com.7z", "math.example.com", "0.0", "2024-04-02"]
    )
