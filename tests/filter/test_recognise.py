"""Languages that share an extension are told apart by what stands in the file."""

from __future__ import annotations

import polars as pl
import pytest

from algstack.filter import recognise
from algstack.filter.language import load_languages

LANGUAGES = load_languages()


def found(path: str, text: str, lang: str | None = None, repo: str | None = None) -> tuple[str | None, str | None]:
    row = {"text": text, "lang": lang, "path": path, "repo": repo}
    frame = pl.DataFrame([row], schema=dict.fromkeys(row, pl.String))
    owner, language = recognise.assign(frame, LANGUAGES).row(0)
    return owner, language


@pytest.mark.parametrize(
    ("path", "text", "language"),
    [
        ("a.v", "(* endmodule, posedge clk, wire *)\nLemma x : True.\nProof. auto. Qed.\n", "coq"),
        ("a.v", "module counter(input clk, output reg q);\nalways @(posedge clk) q <= ~q;\nendmodule\n", "verilog"),
        ("a.v", "module main\n\nfn main() {\n\tmut x := 1\n\tprintln(x)\n}\n", "vlang"),
        ("a.m", "% a comment\nfunction y = f(x)\ny = x.^2;\nend\n", "matlab"),
        ("a.m", "## a comment\nfunction y = f(x)\n  y = x.^2;\nendfunction\n%!assert (f(2), 4)\n", "octave"),
        (
            "a.m",
            "#import <Foundation/Foundation.h>\n\n@implementation A\n- (void)run { [self stop]; }\n@end\n",
            "objective-c",
        ),
        ("a.m", ":- module a.\n:- interface.\n:- import_module io.\n:- pred main(io::di, io::uo) is det.\n", "mercury"),
        ("a.m", '(* ::Package:: *)\nBeginPackage["A`"]\nf[x_] := x^2\nEndPackage[]\n', "mathematica"),
        (
            "a.m",
            "// a comment\nintrinsic F(n::RngIntElt) -> RngIntElt\n{ Square. }\n  return n^2;\nend intrinsic;\n",
            "magma",
        ),
        (
            "a.m",
            "F := Rationals();\nR<x> := PolynomialRing(F);\nf := x^3;\ntime T := Matrix(F, f);\nprint T;\n",
            "magma",
        ),
        ("a.m", "function y = f (x)\n  y = g (x);\nend\n", "octave"),
        ("a.m", "v = exist('OCTAVE_VERSION');\nif v\n  disp(v);\nend\nfunction y = f(x)\ny = x;\nend\n", "matlab"),
        ("a.m", ': greet ( -- )\n  me @ "Hi" notify\n;\n', "muf"),
        ("a.g", "f := function(n)\n  local x;\n  x := n^2;\n  return x;\nend;\n", "gap"),
        ("a.g", "G21\nG90\nG1 X10 Y20.5 F1500\nM104 S200\n", "gcode"),
        ("a.gd", "extends Node2D\n\nvar speed = 10\n\nfunc _ready():\n\tpass\n", "gdscript"),
        ("a.gd", 'DeclareOperation( "Norm", [ IsRing ] );\n', "gap"),
        ("a.R", "library(stats)\nf <- function(x) x^2\n", "r"),
        ("a.r", 'REBOL [Title: "x"]\nf: func [x] [x * x]\n', "rebol"),
        ("a.r", '#include "Types.r"\nresource \'STR \' (128) {\n\t"x"\n};\n', "rez"),
        ("a.f", "      SUBROUTINE F(X)\n      REAL X\n      CALL G(X)\n      END\n", "fortran"),
        ("a.f", ": square ( n -- n )\n  dup * ;\n\\ a comment\n", "forth"),
        ("a.ml", "let SQUARE = prove(`!x. x pow 2 = x * x`, REWRITE_TAC[REAL_POW_2]);;\n", "hol-light"),
        ("a.ml", "open Printf\nlet rec f x = match x with [] -> 0 | _ :: t -> 1 + f t\n", "ocaml"),
        ("a.sml", "open HolKernel boolLib bossLib\nTheorem two:\n  1 + 1 = 2\nProof\n  simp[]\nQED\n", "hol4"),
        ("a.sml", "structure A = struct\n  fun f x = x + 1\nend\n", "standard-ml"),
        ("a.mm", "$c wff |- $.\nax-1 $a |- ph $.\n", "metamath"),
        ("a.mm", "#import <UIKit/UIKit.h>\n#include <vector>\n@implementation A\n@end\n", "objective-cpp"),
        ("a.lean", "import Mathlib.Data.Nat.Basic\n\ntheorem a : 1 + 1 = 2 := by\n  norm_num\n", "lean"),
        ("a.lean", "import data.nat.basic\n\nlemma a : 1 + 1 = 2 :=\nbegin\n  norm_num,\nend\n", "lean3"),
        ("a.lisp", '(in-package "ACL2")\n(defthm x (equal (+ 1 1) 2))\n', "acl2"),
        ("a.lisp", "(defpackage :a (:use :cl))\n(in-package :a)\n(defun f (x) (* x x))\n", "common-lisp"),
        ("a.h", "#ifndef A_H\n#define A_H\nint f(int x);\n#endif\n", "c"),
        ("a.h", "#pragma once\nnamespace a {\ntemplate <typename T> class B {};\n}\n", "cpp"),
        ("a.h", "// words\n#include <a.h>\n" + "// more\n" * 700 + "template <class T> class B {};\n", "cpp"),
        ("a.p", "fof(a, axiom, ![X]: p(X)).\n", "tptp"),
        ("a.p", "unit A;\ninterface\nprocedure Run(x: integer);\nimplementation\nend.\n", "pascal"),
        ("a.p", "/* a */\n{ adecomm/y-const.i }\n&Scoped-define A 1\n", "openedge"),
        ("a.p", "set term png\nset output 'a.png'\nplot sin(x)\n", "gnuplot"),
        ("a.m", 'A = ss (1, 2, 3, 4);\ndisp ("done");\n', "octave"),
        ("a.m", "x := 1;\nrepeat\n  x := x + 1;\nuntil x gt 3;\n", "magma"),
        ("a.m", ': greet\n  me @ "_hi" getpropstr\n  begin dup until\n;\n', "muf"),
        ("a.m", "{(41*g1^3)/10,\n g1^3*(199*g1^2 - 15*g\\[Tau]^2)/50}\n", "mathematica"),
        ("a.h", '#ifndef A_H\n#define A_H\n#ifdef __cplusplus\nextern "C" {\n#endif\nint f(int x);\n#endif\n', "c"),
        ("a.h", '#include "b.h"\nextern "C" int f(int x);\n', "cpp"),
        ("a.h", "#include <unordered_set>\nvoid f(int x);\n", "cpp"),
        ("a.h", "void f(const A& a, int x);\n", "cpp"),
        ("a.h", "int f(int x) { return (x & y); }\n", "c"),
        ("a.h", "NSTRUCT(A, {\n  int x;\n});\n", "c"),
        ("a.h", "NS_ASSUME_NONNULL_BEGIN\nextern int x;\n", "objective-c"),
        ("a.ml", "let conv : thm -> thm = fun th -> itlist f (hyp th) th;;\n", "hol-light"),
        ("a.ml", "let f x = match x with `Closed -> `Open | `Open -> `Closed\nlet concl = g f\n", "ocaml"),
        ("a.mac", "/* words */\nf(x) := x^2$\n", "maxima"),
        ("a.mac", "# words\n/run/initialize\n/gun/particle e-\n", "geant4"),
        ("a.mag", "magic\ntech scmos\n<< metal1 >>\nrect 0 0 1 1\n", "magic"),
        ("a.mag", "F := GF(5);\n", "magma"),
        ("a.dem", 'load("simplex")$\nmaximize_lp(x + y, [3*x + y < 4]);\n', "maxima"),
        ("a.dem", "set title 'x'\nplot sin(x)\npause -1\n", "gnuplot"),
        (
            "a.tst",
            'LIB "tst.lib"; tst_init();\nring r = 0,(x,y),dp;\nideal i = x2,y;\nstd(i);\ntst_status(1);$\n',
            "singular",
        ),
        ("a.tst", "gap> G := SymmetricGroup(3);;\ngap> Size(G);\n6\n", "gap"),
        ("a.gp", "f(x) = my(y = x); y^2;\nprint(f(2));\n", "pari"),
        ("a.h", "#include <a.h>\nbool parse(node& n, int depth);\n", "cpp"),
        ("a.h", "#include <a.h>\nint parse(int depth = 0);\n", "cpp"),
        ("a.h", "#pragma once\nstruct Row {\n  Slice<int> cells;\n  int size() const;\n};\n", "cpp"),
        ("a.h", "#pragma once\nenum class Mode { OLD, NEW };\nvoid upgrade();\n", "cpp"),
        ("a.h", "/* `Row::size` says more. */\n#include <a.h>\n", "cpp"),
        ("a.h", "// A row.\n#include <base/net/row.h>\n", "cpp"),
        ("a.h", "// A row.\ntypedef struct row { struct row *next; } row;\nint size(row *r);\n", "c"),
        ("a.h", "// a & b\n#define BOTH(a, b) ((a) & (b))\nint f(void);\n", "c"),
        ("a.m", "function r = f (x)\n% words\n  r = g (x, 1);\nend\n", "octave"),
        ("a.m", "classdef a\n  properties\n    x\n  endproperties\nendclassdef\n", "octave"),
        ("a.m", "/*\nintrinsic F(n::RngIntElt) -> RngIntElt\n{ Old. }\nend intrinsic;\n*/\n", "magma"),
        ("a.m", "// words\ntable:=[\n<1,2>];\n", "magma"),
        (
            "a.sml",
            "structure A = struct\n  datatype t =\n    Type of int\n  fun prove (x) = conv x\nend\n",
            "standard-ml",
        ),
        ("a.sml", "open fooSyntax\nval x = 1\n", "hol4"),
        ("a.lean", "import foundation.Generated.All\n\ntheorem a : 1 = 1 := rfl\n", "lean"),
        ("a.lean", '#print "a"\nset_option pp.all true\n', "lean3"),
        ("a.lean", "lemma {u} a {α : Type u} (x : α) : x = x := rfl\n", "lean3"),
    ],
)
def test_told_apart(path: str, text: str, language: str) -> None:
    owner, seen = found(path, text)
    assert seen == language
    assert owner in LANGUAGES


@pytest.mark.parametrize(
    ("path", "repo", "text", "language"),
    [
        ("inst/a.m", None, "function y = f(x)\ny = x;\nend\n", "octave"),
        ("src/a.m", None, "function y = f(x)\ny = x;\nend\n", "matlab"),
        ("src/a.m", "owner/octave-things", "function y = f(x)\ny = x;\nend\n", "octave"),
        ("src/a.m", "gnu-octave/things", "function y = f(x)\ny = x;\nend\n", "octave"),
        ("src/a.m", "OctaveMiller/things", "function y = f(x)\ny = x;\nend\n", "matlab"),
        ("inst/a.m", "a/b", "#import <A.h>\n@implementation A\n- (void)run { }\n@end\n", "objective-c"),
        ("src/detail/a.h", None, "#ifndef A_H\n#define A_H\n#endif\n", "cpp"),
        ("src/a-inl.h", None, "#ifndef A_H\n#define A_H\n#endif\n", "cpp"),
        ("src/detail/a.h", None, "#ifndef A_H\n#define A_H\nint f(void);\n#endif\n", "c"),
        ("src/a.h", None, "#ifndef A_H\n#define A_H\n#endif\n", "c"),
        ("lib.ml", "owner/hol-light", "let rec f x = match x with [] -> 0 | _ :: t -> 1 + f t\n", "hol-light"),
        ("lib.ml", "owner/parser", "let rec f x = match x with [] -> 0 | _ :: t -> 1 + f t\n", "ocaml"),
        ("twoScript.sml", None, "open HolKernel\nval x = 1\n", "hol4"),
        ("src/a.sml", "owner/HOL", "structure A = struct\n  fun f x = x + 1\nend\n", "hol4"),
        ("tools/a.sml", "owner/HOL", "structure A = struct\n  fun f x = x + 1\nend\n", "standard-ml"),
        ("src/a.sml", "owner/alcohol", "structure A = struct\n  fun f x = x + 1\nend\n", "standard-ml"),
        ("tests/lean/a.lean", None, "#eval 1\n", "lean3"),
        ("Tests/Basic.lean", None, "#eval 1\n", "lean"),
        ("a.lean", "owner/proofs-lean4", "#eval 1\n", "lean"),
        ("A.lean", "owner/proofs-lean3", "#eval 1\n", "lean3"),
    ],
)
def test_paths_and_repositories_tell_apart(path: str, repo: str | None, text: str, language: str) -> None:
    assert found(path, text, repo=repo)[1] == language


def test_paths_and_repositories_need_not_be_known() -> None:
    frame = pl.DataFrame({"text": ["x = 1;\n", "y = 1;\n"], "lang": [None, None], "path": ["inst/a.m", None]})
    assert recognise.assign(frame.cast(pl.String), LANGUAGES)["found"].to_list() == ["octave", None]


def test_evidence_names_the_path() -> None:
    frame = pl.DataFrame({"text": ["x = 1;\n"], "path": ["inst/a.m"], "repo": ["a/b"]})
    assert "inst/" in recognise.evidence(frame, LANGUAGES["octave"]).item()


def test_what_nothing_speaks_for_is_the_default_one() -> None:
    assert found("a.v", "") == ("coq", "coq")
    assert found("a.h", "x", lang="cpp") == ("cpp", "cpp")
    assert found("README", "x") == (None, None)
    assert found("", "x", lang="stackexchange") == ("stackexchange", "stackexchange")


def test_an_unwanted_language_is_recognised_all_the_same() -> None:
    only = load_languages(names=["matlab"])
    frame = pl.DataFrame({"text": ["## x\nfunction f()\nendfunction\n"], "lang": [None], "path": ["a.m"]})
    assert recognise.assign(frame.cast(pl.String), only).row(0) == ("matlab", "octave")


def test_what_cannot_be_recognised_takes_nothing_away() -> None:
    only = load_languages("llemma", names=["cpp"])
    frame = pl.DataFrame({"text": ["int f();\n"], "lang": ["cpp"], "path": ["a.h"]})
    assert recognise.assign(frame, only).row(0) == ("cpp", "cpp")


def test_signs_beyond_the_first_window_decide_where_it_leaves_it_open() -> None:
    header = "(* " + "a licence " * 1_000 + "*)\n"
    assert found("a.v", header + "Lemma x : True.\nProof. auto. Qed.\n") == ("coq", "coq")
    assert found("a.m", "% words\n" * 600 + "x = 1;\n" + "#import <A.h>\n@implementation A\n@end\n")[1] == "objective-c"


def test_one_gigantic_line() -> None:
    assert found("a.v", "x" * 3_000_000) == ("coq", "coq")
