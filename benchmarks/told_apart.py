"""How well languages that share an extension are told apart, on files whose language is known; and what is kept.

    python benchmarks/told_apart.py [-v] [--linguist SAMPLES] [NAMES=FOLDER...]
    python benchmarks/told_apart.py --kept NAMES=FOLDER...

Every file below FOLDER whose extension a filter names is in the language NAMES: a filter file's name, `other` for a
language that has none, or several with commas where either is right (`matlab,octave` for what runs in both). A FOLDER
below another one is counted by its own NAMES alone. SAMPLES
is the folder `samples` of a checkout of github-linguist/linguist, one folder for each language by GitHub's name.
The filter is told each file's path below FOLDER, and FOLDER's name as its repository (`owner+name` as `owner/name`);
a folder of a repository is written `REPOSITORY/./FOLDER`. Of a sample it is told the file's name alone.
Prints for each language the files of it, the share found as it, and the share of what was found as it that is; below
that each confusion, and with -v each wrong file. `kept` are files of another language that the filter keeps.

A file of a language that nobody wants (`other`, and what `lookalikes/` holds) is right if it is taken for any such
language, or dropped: what it is not is all that matters.

With --kept it prints what the filter keeps of each folder instead: files that are not empty, and their bytes.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from algstack.filter import recognise
from algstack.filter.decide import decide
from algstack.filter.language import Languages, load_languages

OTHER = "other"
BATCH = 500


class Folder(NamedTuple):
    """A folder of files in one language, below the root of its repository."""

    truth: str
    root: Path
    place: Path
    repo: str | None


class File(NamedTuple):
    """A file and the languages that it may truly be in; its path and repository as a crawl says them."""

    file: Path
    truth: str
    folder: str
    path: str
    repo: str | None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=_labelled, metavar="NAMES=FOLDER")
    parser.add_argument("--linguist", type=Path, metavar="SAMPLES", help="linguist's labelled samples")
    parser.add_argument("-v", "--verbose", action="store_true", help="name each wrong file")
    parser.add_argument("--kept", action="store_true", help="print what is kept of each folder")
    options = parser.parse_args()
    languages = load_languages()
    others = {folder.place.resolve() for folder in options.folders}
    files = chain.from_iterable(_files(folder, languages, others) for folder in options.folders)
    samples = _samples(options.linguist, languages) if options.linguist else ()
    results = _results(chain(files, samples), languages)
    if options.kept:
        _print_kept(results)
    else:
        _print_languages(results)
        _print_confusions(results, options.verbose)


def _labelled(argument: str) -> Folder:
    truth, sign, written = argument.partition("=")
    root, _, below = written.partition("/./")
    if not sign or not Path(root, below).is_dir():
        raise argparse.ArgumentTypeError(f"`{argument}` is not NAMES=FOLDER")
    return Folder(truth, Path(root), Path(root, below), Path(root).resolve().name.replace("+", "/"))


def _files(folder: Folder, languages: Languages, others: Collection[Path] = ()) -> Iterator[File]:
    for root, names, files in os.walk(folder.place):
        names[:] = sorted(name for name in names if Path(root, name).resolve() not in others)
        for file in (Path(root) / name for name in sorted(files)):
            if languages.extension_of(file.name) and file.is_file() and not file.is_symlink():
                path = file.relative_to(folder.root).as_posix()
                yield File(file, folder.truth, folder.place.name, path, folder.repo)


def _samples(folder: Path, languages: Languages) -> Iterator[File]:
    for language in sorted(folder.iterdir()):
        for file in _files(Folder(OTHER, language, language, None), languages):
            extension = languages.extension_of(file.path)
            named = {
                name
                for name in (*languages, *languages.others)
                if extension in languages.any(name).extensions
                and (language.name in languages.any(name).linguist or name == languages.by_label(language.name))
            }
            # What a look-alike names is not the mathematics that shares its name: OCaml is not HOL Light.
            truth = ",".join(sorted(named.difference(languages) or named or {OTHER}))
            yield file._replace(truth=truth, path=file.file.name)


def _results(files: Iterable[File], languages: Languages) -> pl.DataFrame:
    """One row a file: `path`, `folder`, `bytes`, `truth`, `found`, `keep`, `rule`, `right`, `wanted`."""
    files = iter(files)
    batches = iter(lambda: tuple(islice(files, BATCH)), ())
    results = pl.concat([_decided(batch, languages) for batch in batches])
    truths = pl.col("truth").str.split(",")
    is_wanted = truths.list.eval(pl.element().is_in(list(languages))).list.any()
    found_unwanted = ~pl.col("found").is_in(list(languages))
    right = pl.when(is_wanted).then(pl.col("found").is_in(truths)).otherwise(found_unwanted | ~pl.col("keep"))
    # Where either language is right, the one that was found counts.
    either = pl.when(right & is_wanted).then("found").otherwise("truth")
    return results.with_columns(right=right, truth=either, wanted=is_wanted)


def _decided(files: Sequence[File], languages: Languages) -> pl.DataFrame:
    rows = [(str(file.file), _text(file.file.read_bytes()), *file[1:]) for file in files]
    names = ["id", "text", "truth", "folder", "path", "repo"]
    batch = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    batch = batch.with_columns(lang=pl.lit(None, pl.String))
    found = recognise.assign(batch, languages)["found"]
    decisions = decide(batch, languages).select("id", "keep", "rule")
    known = batch.select("id", "folder", "truth", found, bytes=pl.col("text").str.len_bytes())
    return known.join(decisions, on="id", how="left", maintain_order="left").rename({"id": "path"})


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _print_languages(results: pl.DataFrame) -> None:
    print(f"{'language':16}{'files':>8}{'right':>8}{'of true':>9}{'of found':>10}{'kept':>7}")
    for (truth,), rows in results.group_by("truth", maintain_order=True):
        found = results.filter(found=truth)
        alien = found.filter(pl.col("truth") != truth)
        of_found = f"{1 - alien.height / found.height:.2%}" if found.height else ""
        of_true = f"{rows['right'].mean():.2%}"
        kept = alien["keep"].sum()
        print(f"{truth:16}{rows.height:>8}{rows['right'].sum():>8}{of_true:>9}{of_found:>10}{kept:>7}")
    print(f"{'all':16}{results.height:>8}{results['right'].sum():>8}{results['right'].mean():>9.2%}")


def _print_confusions(results: pl.DataFrame, verbose: bool) -> None:
    wrong = results.filter(~pl.col("right")).sort("truth", "found", "path")
    for (truth, found), rows in wrong.group_by("truth", "found", maintain_order=True):
        print(f"\n{truth} taken for {found}: {rows.height}, of which kept {rows['keep'].sum()}")
        if verbose:
            for path, rule in rows.select("path", "rule").iter_rows():
                print(f"  {path}  ({rule or 'kept'})")
    lost = results.filter(pl.col("right") & pl.col("wanted") & pl.col("rule").str.starts_with("no-"))
    lost = lost.filter(pl.col("rule") != "no-mathematics").sort("truth", "path")
    print(f"\nof the right language, but dropped as nothing of it: {lost.height}")
    if verbose:
        for path, rule in lost.select("path", "rule").iter_rows():
            print(f"  {path}  ({rule})")


def _print_kept(results: pl.DataFrame) -> None:
    print(f"{'folder':24}{'files':>8}{'kept':>8}{'of files':>10}{'MB':>8}{'of bytes':>10}")
    for (folder,), rows in results.filter(pl.col("rule").ne_missing("empty")).group_by("folder", maintain_order=True):
        kept = rows.filter("keep")
        size = rows["bytes"].sum()
        print(
            f"{folder:24}{rows.height:>8}{kept.height:>8}{kept.height / rows.height:>10.2%}"
            f"{size / 1e6:>8.1f}{kept['bytes'].sum() / max(size, 1):>10.2%}"
        )


if __name__ == "__main__":
    main()
