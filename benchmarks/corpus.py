"""The corpus of the deduplication benchmarks: source files of packages in several versions, from the registries.

    python benchmarks/corpus.py FOLDER

downloads Python wheels with pip and Debian packages with apt-get, unpacks nothing to disk, and writes
`FOLDER/corpus.parquet`: one row a file, columns id, text, lang, license, stars, created_at. What cannot be downloaded
is named and left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from algstack.dataset import PartWriter
from algstack.documents import DOCUMENTS

COLUMNS = ("id", "text", "lang", "license", "stars", "created_at")
SCHEMA = pa.schema([DOCUMENTS.field(name) for name in COLUMNS])

WHEELS = {
    "sympy": ("1.9", "1.10.1", "1.11.1", "1.12", "1.13.3", "1.14.0"),
    "numpy": ("1.24.4", "1.25.2", "1.26.4", "2.0.2", "2.1.3", "2.2.6"),
    "scipy": ("1.11.4", "1.12.0", "1.13.1", "1.14.1", "1.15.3"),
    "networkx": ("2.8.8", "3.0", "3.1", "3.2.1", "3.3", "3.4.2"),
    "statsmodels": ("0.14.0", "0.14.1", "0.14.4"),
    "scikit-learn": ("1.3.2", "1.4.2", "1.5.2", "1.6.1"),
    "pandas": ("2.0.3", "2.1.4", "2.2.3"),
    "astropy": ("6.0.1", "6.1.7"),
    "jax": ("0.4.30", "0.4.38", "0.5.3"),
    "mpmath": ("1.2.1", "1.3.0"),
}
DEBS = (
    "agda-stdlib",
    "gap-guava",
    "gap-libs",
    "libboost1.74-dev",
    "libboost1.81-dev",
    "libcgal-dev",
    "libcoq-mathcomp-algebra",
    "libcoq-mathcomp-character",
    "libcoq-mathcomp-field",
    "libcoq-mathcomp-fingroup",
    "libcoq-mathcomp-solvable",
    "libcoq-mathcomp-ssreflect",
    "libcoq-stdlib",
    "libcoq-unimath",
    "libdeal.ii-dev",
    "libdune-grid-dev",
    "libeigen3-dev",
    "libopencv-core-dev",
    "libpetsc-real3.18-dev",
    "libtrilinos-kokkos-dev",
    "libvtk9-dev",
    "macaulay2-common",
    "octave-common",
    "octave-statistics",
    "octave-symbolic",
)
EXTENSIONS = frozenset(
    re.findall(
        r"\w+",
        "agda c cc cpp cu cxx f f90 g gd gi h hh hpp hs hxx inc ipp jl lagda lean m m2 pxd py pyi pyx tcc tex thy v",
    )
)


def main(folder: Path) -> None:
    """Download what is missing and write the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    archives = [*_wheels(folder / "wheels"), *_debs(folder / "debs")]
    writer = PartWriter(folder / "corpus.parquet.tmp", SCHEMA)
    size = 0
    for archive in archives:
        rows = [row for row in map(_row, _members(archive)) if row]
        size += sum(len(row["text"].encode()) for row in rows)
        writer.write(pa.Table.from_pylist(rows, schema=SCHEMA))
    writer.close()
    (folder / "corpus.parquet.tmp").rename(folder / "corpus.parquet")
    print(f"{folder / 'corpus.parquet'}: {writer.rows} documents, {size / 1e6:.0f} MB, from {len(archives)} packages")


def _wheels(folder: Path) -> list[Path]:
    pip = [*_pip(), "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    for name, versions in WHEELS.items():
        for version in versions:
            if not list(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl")):
                _try([*pip, f"{name}=={version}"])
    return sorted(folder.glob("*.whl"))


def _pip() -> list[str]:
    """Return how to call pip: this Python's, or, where uv made an environment without one, that on the PATH."""
    return [sys.executable, "-m", "pip"] if find_spec("pip") else ["pip"]


def _debs(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in DEBS:
        if not list(folder.glob(f"{name}_*.deb")):
            _try(["apt-get", "download", "-qq", name], folder)
    return sorted(folder.glob("*.deb"))


def _try(command: list[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"left out: {command[-1]} ({done.stderr.strip().splitlines()[-1:]})")


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for member in sorted(wheel.namelist()):
                if _wanted(member):
                    yield f"{archive.name}:{member}", wheel.read(member)
        return
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as deb,
    ):
        for entry in deb:
            file = deb.extractfile(entry) if entry.isreg() and _wanted(entry.name) else None
            if file:
                yield f"{archive.name}:{entry.name}", file.read()


def _wanted(name: str) -> bool:
    return name.rpartition(".")[2].lower() in EXTENSIONS


def _row(member: tuple[str, bytes]) -> dict[str, str] | None:
    name, content = member
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return {"id": name, "text": text, "lang": name.rpartition(".")[2].lower()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
