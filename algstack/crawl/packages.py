"""Source files of Python packages installed beside algstack: real input that needs no network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

import pyarrow as pa

from algstack.crawl import licenses
from algstack.crawl.files import FileReader, Repository
from algstack.crawl.folder import SKIPPED_FOLDERS, Listed, license_files, read_file, read_licenses
from algstack.crawl.grants import Grant, with_licenses
from algstack.crawl.task import CrawlTask, exclusion
from algstack.errors import SourceError
from algstack.manifest import LoadedManifest, PythonPackagesSource

# Trove classifiers that name exactly one licence (https://pypi.org/classifiers/).
CLASSIFIED = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def plan(source: PythonPackagesSource, manifest: LoadedManifest) -> list[CrawlTask]:
    """Return one task for each package, in alphabetical order."""
    return [_plan_package(source, name) for name in sorted(set(source.packages))]


def _plan_package(source: PythonPackagesSource, name: str) -> CrawlTask:
    try:
        package = distribution(name)
    except PackageNotFoundError:
        raise SourceError(
            f"source `{source.name}`: the Python package `{name}` is not installed beside algstack. "
            "Install it, or remove it from `packages`."
        ) from None
    license_, license_source = _license(package)
    repository = Repository(
        scheme="pypi",
        source=source.name,
        repo=name,
        revision=package.version,
        url=f"https://pypi.org/project/{name}/{package.version}/",
        license=license_,
        license_source=license_source,
    )
    root, files = _list(package, source)
    inputs = [name, package.version, [(file.path, file.size) for file in files]]
    return CrawlTask(f"{name}-{package.version}", inputs, partial(_read, root, repository, files))


def _list(package: Distribution, source: PythonPackagesSource) -> tuple[Path, list[Listed]]:
    """Return the folder that a package is installed in, and its files by its own record."""
    if package.files is None:
        raise SourceError(
            f"source `{source.name}`: the package `{package.name}` keeps no record of its files. "
            "Install it with pip or uv."
        )
    root = Path(str(package.locate_file("")))
    excluded = exclusion(source.exclude)
    listed = []
    for path in map(PurePosixPath, package.files):
        # Scripts are installed outside the package (`../../bin/…`), and byte code is made on the spot.
        if ".." in path.parts or SKIPPED_FOLDERS & set(path.parts) or excluded(str(path)):
            continue
        full = root / path
        if full.is_file():
            status = full.lstat()
            listed.append(Listed(str(path), status.st_mode, status.st_size, 0))
    return root, sorted(listed)


def _license(package: Distribution) -> tuple[str | None, str | None]:
    """Return (SPDX expression, how it is known): core metadata (PEP 639), then classifiers, then its licence file."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"], "package metadata: License-Expression"
    known = {CLASSIFIED[value] for value in metadata.get_all("Classifier") or [] if value in CLASSIFIED}
    if len(known) == 1:
        return known.pop(), "package metadata: classifier"
    for path in sorted(package.files or [], key=lambda path: (len(path.name), str(path))):
        if ".dist-info" in path.parts[0] and licenses.is_license_file(path.name):
            found = licenses.recognise(path.read_text(encoding="utf-8"))
            if found is not None:
                return found, f"text of {path.name}"
    return None, None


def _read(root: Path, repository: Repository, files: list[Listed], reader: FileReader) -> Iterator[pa.RecordBatch]:
    batches = reader.batches(repository, (read_file(root, file, reader) for file in files))
    stated = Grant(repository.license, repository.license_source or "") if repository.license else None
    return with_licenses(batches, stated, read_licenses(root, license_files(files, files)))
