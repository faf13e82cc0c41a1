"""Directory pages that offer dumps, and downloads from them that go on where they were cut off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urljoin

import requests
from bs4 import BeautifulSoup, Tag

from algstack.crawl.http import Clock, Fault, open_session, retried
from algstack.crawl.stackexchange.dump import check_7z
from algstack.dataset import explained_os_errors, sync_folder, write_text
from algstack.errors import SourceError

TIMEOUT = (10, 120)
"""Seconds to connect, and between two bytes."""

CHUNK_BYTES = 1 << 16
"""What a connection that breaks can cost, at most."""

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(?<![\w.:-])(\d[\d,]*(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?(?![\w.:-])", re.IGNORECASE)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905 - read as one
_DATES = (
    re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?:[ T]\d\d:\d\d(?::\d\d)?)?"),
    re.compile(r"(?P<day>\d{1,2})-(?P<month>[A-Za-z]{3})-(?P<year>\d{4})(?: \d\d:\d\d(?::\d\d)?)?"),
)


class Offer(NamedTuple):
    """A dump that a page offers. `size` is in bytes, rounded as the page rounds it; `date` is ISO 8601."""

    name: str
    url: str
    size: int | None
    date: str | None

    @property
    def site(self) -> str:
        """The site's host, from names such as `stackoverflow.com-Posts.7z`."""
        return re.sub(r"(-Posts)?\.7z$", "", self.name)


def read_listing(page: str, url: str) -> list[Offer]:
    """Return the `.7z` files that a directory page links to, by name. Tables and Apache's `<pre>` are understood."""
    found: dict[str, Offer] = {}
    for link in BeautifulSoup(page, "lxml").find_all("a", href=re.compile(r"\.7z(?:$|\?)", re.IGNORECASE)):
        address = urljoin(url, str(link["href"]))
        name = unquote(address.partition("?")[0].rpartition("/")[2])
        beside = " ".join(_beside(link))
        found.setdefault(name, Offer(name, address, *_size_and_date(beside)))
    return [found[name] for name in sorted(found)]


def _beside(link: Tag) -> Iterator[str]:
    """Yield what stands beside a link: the other cells of its row, or the text up to the next link."""
    row = link.find_parent("tr")
    if row is not None:
        cell = link.find_parent(["td", "th"])
        yield from (other.get_text(" ") for other in row.find_all(["td", "th"]) if other is not cell)
        return
    for sibling in link.next_siblings:
        if isinstance(sibling, Tag) and (sibling.name == "a" or sibling.find("a")):
            return
        yield sibling.get_text(" ")


def _size_and_date(text: str) -> tuple[int | None, str | None]:
    date = None
    for pattern in _DATES:
        match = pattern.search(text)
        if match:
            month = match["month"].lower()
            number = int(month) if month.isdigit() else _MONTHS.index(month) + 1 if month in _MONTHS else 0
            date = f"{match['year']}-{number:02}-{int(match['day']):02}" if number else None
            text = text.replace(match.group(), " ")
            break
    size = _SIZE.search(text)
    bytes_ = round(float(size[1].replace(",", "")) * _UNITS[size[2].lower()]) if size else None
    return bytes_, date


def fetch_listing(url: str, session: requests.Session | None = None, clock: Clock | None = None) -> list[Offer]:
    """Return what a directory page offers.

    Raises:
        SourceError: the page cannot be fetched.
    """
    session = session or open_session(1)

    def attempt() -> list[Offer]:
        try:
            response = session.get(url, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise Fault(type(error).__name__) from None
        _check_status(response)
        return read_listing(response.text, response.url)

    return _tried(attempt, url, clock)


def download(offer: Offer, folder: Path, session: requests.Session | None = None, clock: Clock | None = None) -> Path:
    """Bring a dump into a folder, from where an earlier download was cut off; return its path.

    The bytes that are there are continued only if the server says that the file is still the same (`If-Range`). A
    finished download is as long as the server said, and as the archive's own header says.

    Raises:
        SourceError: the server refuses, or does not answer.
    """
    session = session or open_session(1)
    target = folder / offer.name
    if target.exists():
        return target
    with explained_os_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
        _tried(lambda: _continue(offer.url, target, session), offer.url, clock)
        part = _part(target)
        try:
            check_7z(part)
        except SourceError:
            part.unlink()
            _mark(target).unlink(missing_ok=True)
            raise
        part.rename(target)
        _mark(target).unlink(missing_ok=True)
        sync_folder(folder)
    return target


def download_sites(
    url: str, sites: Sequence[str], folder: Path, session: requests.Session | None = None, clock: Clock | None = None
) -> list[Path]:
    """Bring the dumps of some sites from a directory page into a folder.

    Raises:
        SourceError: the page does not offer a site's dump, or something cannot be fetched.
    """
    missing = [site for site in sites if not _here(folder, site)]
    offers = {offer.site: offer for offer in fetch_listing(url, session, clock)} if missing else {}
    for site in missing:
        if site not in offers:
            raise SourceError(f"{url}: offers no dump of {site}. `algstack crawl --list {url}` shows what it offers.")
    return [path for site in sites for path in _here(folder, site) or [download(offers[site], folder, session, clock)]]


def _here(folder: Path, site: str) -> list[Path]:
    return [path for path in (folder / f"{site}.7z", folder / f"{site}-Posts.7z") if path.exists()][:1]


Result = TypeVar("Result")


def _tried(attempt: Callable[[], Result], url: str, clock: Clock | None) -> Result:
    try:
        return retried(attempt, clock or Clock())
    except Fault as fault:
        raise SourceError(f"{url}: cannot be fetched ({fault}). Run the same command again: it goes on.") from fault


def _check_status(response: requests.Response) -> None:
    if response.status_code >= 500 or response.status_code == 429:
        raise Fault(f"HTTP {response.status_code}")
    if response.status_code >= 400:
        raise SourceError(f"{response.url}: the server answers HTTP {response.status_code}. Check the address.")


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _mark(target: Path) -> Path:
    """The file that says which version of the dump the part belongs to."""
    return target.with_name(f"{target.name}.part.etag")


def _continue(url: str, target: Path, session: requests.Session) -> None:
    """Fetch what is missing of a file, or all of it."""
    part, mark = _part(target), _mark(target)
    have = part.stat().st_size if part.exists() and mark.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark.read_text(encoding="utf-8")}
    try:
        with session.get(url, headers=headers, timeout=TIMEOUT, stream=True) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                mark.unlink()
                raise Fault("the part is longer than the file")
            _check_status(response)
            resumed = response.status_code == requests.codes.partial_content
            total = _total(response, have if resumed else 0)
            # A weak validator cannot say that bytes are the same.
            version = response.headers.get("ETag", "")
            version = response.headers.get("Last-Modified", "") if version.startswith("W/") or not version else version
            if not resumed:
                part.unlink(missing_ok=True)
                mark.unlink(missing_ok=True)
                if version:
                    write_text(mark, version)
            with part.open("ab") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
    except requests.RequestException as error:
        raise Fault(type(error).__name__) from None
    if total is not None and part.stat().st_size != total:
        raise Fault(f"{part.stat().st_size:,} of {total:,} bytes came")


def _total(response: requests.Response, have: int) -> int | None:
    """Return how long the whole file is, as the server says."""
    length = response.headers.get("Content-Length")
    return have + int(length) if length and length.isdigit() else None
