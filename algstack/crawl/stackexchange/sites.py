"""What the sites' own editors assume: the language of code blocks that do not name one."""

from __future__ import annotations

from collections.abc import Iterable

SITE_LANGUAGES = {
    "codegolf.stackexchange.com": None,
    "mathematica.stackexchange.com": "mathematica",
    "stats.stackexchange.com": "r",
    "tex.stackexchange.com": "tex",
}
"""Languages of sites that are about one. The tags of a question come first."""

TAG_LANGUAGES = {
    "agda": "agda",
    "c": "c",
    "c++": "cpp",
    "coq": "coq",
    "fortran": "fortran",
    "fortran90": "fortran",
    "gap": "gap",
    "haskell": "haskell",
    "idris": "idris",
    "isabelle": "isabelle",
    "julia": "julia",
    "latex": "tex",
    "lean": "lean",
    "lean4": "lean",
    "maple": "maple",
    "matlab": "matlab",
    "numpy": "python",
    "octave": "matlab",
    "python": "python",
    "python-3.x": "python",
    "r": "r",
    "rocq-prover": "coq",
    "sage": "python",
    "scipy": "python",
    "sympy": "python",
    "wolfram-mathematica": "mathematica",
}


def code_language(host: str, tags: Iterable[str]) -> str | None:
    """Return the language of a question's code blocks, by its first telling tag, else by its site."""
    for tag in tags:
        if tag in TAG_LANGUAGES:
            return TAG_LANGUAGES[tag]
    return SITE_LANGUAGES.get(host)
