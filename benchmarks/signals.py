"""Speed of the signals of quality on real files, one core.

    python -m benchmarks.signals FOLDER... [--most 2000]

Each folder is searched for source files; what is measured together is timed together.
"""

from __future__ import annotations

import argparse
import time

import polars as pl

from algstack import signals
from benchmarks.decontaminate import _documents, _frame


def main() -> None:
    """Print one line for each pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--most", type=int, default=2_000, help="files to take")
    arguments = parser.parse_args()
    documents = _frame(_documents(arguments.folders, arguments.most))
    size = documents["text"].str.len_bytes().sum() / 1e6
    print(f"{documents.height:,} real files, {size:,.1f} MB")
    for names, _ in signals.MEASURES:
        signals.measured(documents.head(1), names)  # compiled before it is timed
        taken = documents if "comment_ratio" not in names else documents.gather_every(10)
        start = time.thread_time()
        found = pl.DataFrame(signals.measured(taken, names))
        seconds = time.thread_time() - start
        speed = taken["text"].str.len_bytes().sum() / 1e6 / seconds
        means = ", ".join(f"{name} {found[name].mean():.3f}" for name in found.columns)
        print(f"{speed:8.1f} MB/s; on average {means}")


if __name__ == "__main__":
    main()
