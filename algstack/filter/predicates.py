"""Named predicates: reasons to drop a document that no pattern can say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from algstack import natural
from algstack.filter import measure


@dataclass(frozen=True)
class Predicate:
    """`dropped` and `seen` take the name of the column to look at and return expressions over the batch."""

    doc: str
    dropped: Callable[[str], pl.Expr]
    seen: Callable[[str], pl.Expr]


JULIA_LARGE = 100_000
JULIA_TESTS = 0.1


def _julia_tests(column: str, least: int = 0) -> pl.Expr:
    """`@test` a line; null where there are fewer bytes, which need not be read."""
    text = pl.when(pl.col("bytes") >= least).then(column)
    return text.str.count_matches("@test", literal=True) / (text.str.count_matches("\n", literal=True) + 1)


def _is_large_julia(column: str) -> pl.Expr:
    few_tests = _julia_tests(column, JULIA_LARGE) < JULIA_TESTS
    digits = pl.col("digits") / pl.max_horizontal("characters", 1)
    return (pl.col("bytes") >= JULIA_LARGE) & (few_tests | (digits > 0.5))


LONG_LINE = 1_000
LONG_LINES_FROM = 5_000


def _line_length(column: str) -> pl.Expr:
    return pl.col("bytes") / (pl.col(column).str.count_matches("\n", literal=True) + 1)


def _has_long_lines(column: str) -> pl.Expr:
    return (pl.col("bytes") >= LONG_LINES_FROM) & pl.col(column).map_batches(
        lambda texts: measure.has_long_lines(texts, LONG_LINE), return_dtype=pl.Boolean
    )


def _language(column: str) -> pl.Expr:
    return pl.col(column).map_batches(natural.identify, return_dtype=pl.String)


FORMULAS_A_THOUSAND = 0.5

# A pair of dollars is a formula only if something between them is no plain word: "$5 or $6" is money.
_FORMULA = r"\$\$?[^$\n]{0,300}?[\\^_=+<>{}|][^$\n]{0,300}?\$|\$[A-Za-z]['()A-Za-z0-9]{0,7}\$|\\begin\{|\\\[|\\\("
_TAGS = r"(?m)^Tags: (.*)$"
_MATHEMATICAL_TAG = (
    "agda|algebra|analysis|calculus|combinatori|coq|equation|function|geometr|group|induction|inequalit|integra|"
    "isabelle|lean|linear|logic|math|matri|number|numeric|optimi|polynomial|probabilit|proof|regression|rocq|"
    "sequence|series|set-theory|simulation|statistic|symbolic|tensor|theorem|theory|topolog|vector"
)
_FORMAL_CODE = r"(?m)^```+(?:agda|coq|gap|isabelle|lean|maple|mathematica|matlab|sage|tex)"


def _formulas(column: str) -> pl.Expr:
    return pl.col(column).str.count_matches(_FORMULA)


def _has_little_mathematics(column: str) -> pl.Expr:
    characters = pl.max_horizontal(pl.col(column).str.len_chars(), 1)
    tags = pl.col(column).str.extract(_TAGS).fill_null("")
    few = _formulas(column) * 1000 / characters < FORMULAS_A_THOUSAND
    return few & ~tags.str.contains(_MATHEMATICAL_TAG) & ~pl.col(column).str.contains(_FORMAL_CODE)


MATHEMATICAL_WORDS = 4
MATHEMATICAL_CHARACTERS = 100_000

# Beginnings of words, and calls, that are seldom met outside mathematics; what web servers, databases and drawing
# programs share with it (vector, matrix, group, set, series, solve, log, expand) is left out.
MATHEMATICAL = (
    "abelian",
    "algebra",
    "arithmetic",
    "asymptot",
    "automorph",
    "axiom",
    "bessel",
    "biject",
    "binomial",
    "cauchy",
    "coefficient",
    "combinatori",
    "commutativ",
    "congruen",
    "convergen",
    "convex",
    "cos(",
    "cubic",
    "derivative",
    "determinant",
    "differential",
    "diophant",
    "divisor",
    "eigenv",
    "elliptic",
    "euler",
    "factorial",
    "fibonacci",
    "fourier",
    "galois",
    "gauss",
    "gcd(",
    "geometr",
    "hessian",
    "homolog",
    "homomorph",
    "hyperbol",
    "hypergeom",
    "inequalit",
    "infinity",
    "integral",
    "integrand",
    "isomorph",
    "isprime",
    "jacobi",
    "laplac",
    "lcm(",
    "lemma",
    "logarithm",
    "manifold",
    "markov",
    "mathemat",
    "matrices",
    "modulus",
    "numerator",
    "orthogonal",
    "permutation",
    "polynomial",
    "probabilit",
    "quadratic",
    "quadrature",
    "quantifier",
    "quaternion",
    "rational",
    "residue",
    "riemann",
    "sin(",
    "spline",
    "sqrt",
    "stochastic",
    "subgroup",
    "symbolic",
    "tan(",
    "tensor",
    "theorem",
    "transpos",
    "trigonom",
    "variance",
)


def _mathematical(column: str) -> pl.Expr:
    beginning = pl.col(column).str.head(MATHEMATICAL_CHARACTERS)
    found = beginning.str.extract_many(list(MATHEMATICAL), ascii_case_insensitive=True, overlapping=True)
    return found.list.eval(pl.element().str.to_lowercase()).list.n_unique()


PREDICATES = {
    "large-without-tests": Predicate(
        f"At least {JULIA_LARGE:,} bytes, and fewer than {JULIA_TESTS:g} `@test` a line or more than half digits.",
        _is_large_julia,
        lambda column: pl.format("{} bytes, {} @test a line", "bytes", _julia_tests(column).round(3)),
    ),
    "little-mathematics": Predicate(
        f"Fewer than {FORMULAS_A_THOUSAND:g} formulas in 1,000 characters, no tag with a mathematical word in it (in a "
        "line `Tags: …`), and no code block in a mathematical language.",
        _has_little_mathematics,
        lambda column: pl.format(
            "{} formulas in {} characters, tags: {}",
            _formulas(column),
            pl.col(column).str.len_chars(),
            pl.col(column).str.extract(_TAGS).fill_null("none"),
        ),
    ),
    "long-lines": Predicate(
        f"At least {LONG_LINES_FROM:,} bytes, in lines of more than {LONG_LINE:,} bytes on average.",
        _has_long_lines,
        lambda column: pl.format("{} bytes a line", _line_length(column).round(0).cast(pl.Int64)),
    ),
    "mathematical-words": Predicate(
        f"At least {MATHEMATICAL_WORDS} different words of mathematics in the first {MATHEMATICAL_CHARACTERS:,} "
        "characters.",
        lambda column: _mathematical(column) >= MATHEMATICAL_WORDS,
        lambda column: pl.format("{} different words of mathematics", _mathematical(column)),
    ),
    "not-english": Predicate(
        "langid.py identifies another natural language than English.",
        lambda column: _language(column) != "en",
        lambda column: pl.format("identified as `{}`", _language(column)),
    ),
}
