"""What the rules of both profiles say of a file on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from algstack.errors import SourceError
from algstack.filter import verdicts


def test_every_rule_of_both_profiles(tmp_path: Path) -> None:
    path = tmp_path / "a.v"
    path.write_text("(* a wireless network *)\nLemma a : True.\nProof. exact I. Qed.\n")
    lines = list(verdicts.in_words(path))
    assert "profile default, coq: kept: no rule speaks against it" in lines
    assert "profile llemma, coq: dropped by rule `verilog`" in lines
    assert any("seen: line 1: (* a wireless network *)" in line for line in lines)
    found = verdicts.as_json(path)
    assert {verdict["rule"] for verdict in found["llemma"]} >= {"empty", "too-large", "verilog", "no-keyword"}


def test_no_language_and_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    assert all("no filter names its extension" in line for line in verdicts.in_words(tmp_path / "a.txt"))
    (tmp_path / "a.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="not UTF-8"):
        list(verdicts.in_words(tmp_path / "a.py"))
