from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from algstack.crawl.ledger import Found, Ledger, Part, Revision
from algstack.crawl.progress import in_words, progress_of

PINNED = Revision("a" * 40, datetime(2021, 1, 1, tzinfo=UTC))


def found(number: int) -> Found:
    return Found(str(number), f"o/r{number}", 0, None, {}, "pinned", None, PINNED)


def test_a_folder_without_a_ledger_has_none(tmp_path: Path) -> None:
    assert progress_of(tmp_path) is None


def test_what_is_said_while_a_crawl_runs(tmp_path: Path) -> None:
    reset = time.time() + 3600
    with Ledger(tmp_path / "gh") as ledger:
        ledger.begin("wanted", ["s"])
        ledger.finish("s", [found(number) for number in range(20)], 20)
        for number in range(6):
            ledger.fetched(str(number), Part("repositories/00/x.parquet", 1, 2, 3), "reading")
            time.sleep(0.002)
        for number in range(6, 13):
            ledger.fail(str(number), "HTTP 500", last=True)
        budget = {"token": 0, "resource": "core", "limit": 5000, "remaining": 4321, "reset": reset}
        ledger.set_notes(budgets=[budget])
        progress = progress_of(tmp_path / "gh")  # while the ledger is open
    assert progress is not None
    assert progress.states == {"failed": 7, "fetched": 6, "pinned": 7}
    assert (progress.documents, progress.drops, progress.discovered) == (12, 18, False)
    assert progress.minutes_left is not None
    lines = list(in_words(progress))
    assert lines[0] == "gh: 7 failed, 6 fetched, 7 pinned; still searching"
    assert lines[1] == "  about 1 minute left"
    assert lines[2].startswith("  4,321 of 5,000 core requests left until ")
    assert lines[3] == "  failed: o/r10 after 1 tries: HTTP 500"
    assert lines[-1] == "  2 more; `algstack crawl --retry failed` tries them again"
    assert progress.as_json()["failures"][0] == {"name": "o/r10", "tries": 1, "error": "HTTP 500"}  # type: ignore[index]
