"""What a formal statement says, spelled one way: the same theorem in another hand has the same words.

Normalised away are white space and comments; names of variables and hypotheses; how binders are grouped, bracketed and
quantified (`(x y : ℕ)`, `{x : ℕ} {y : ℕ}`, `∀ x y : ℕ,`); notation (`ℕ` and `nat`, `\\<and>` and `/\\`, `fun x =>` and
`λ x,`); namespaces and the spelling of names (`finset.sum_range`, `Finset.sum_range`, `sumRange`).
Parentheses stay where they group something.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

_SYMBOLS = {
    "ℕ": "nat",
    "ℤ": "int",
    "ℚ": "rat",
    "ℝ": "real",
    "ℂ": "complex",
    "num": "nat",
    "λ": "fun",
    "%": "%",
    "↦": "=>",
    "<=": "≤",
    "=<": "≤",
    ">=": "≥",
    "!=": "≠",
    "<>": "≠",
    "~=": "≠",
    "/\\": "∧",
    "&&": "∧",
    "&": "∧",
    "\\/": "∨",
    "||": "∨",
    "|": "∣",
    "~": "¬",
    "->": "→",
    "==>": "→",
    "-->": "→",
    "⟹": "→",
    "⟶": "→",
    "⇒": "→",
    "=>": "=>",
    "<->": "↔",
    "<=>": "↔",
    "⟷": "↔",
    "⟺": "↔",
    "iff": "↔",
    "==": "=",
    "≡": "=",
    "forall": "∀",
    "exists": "∃",
    "exists!": "∃!",
    "Π": "∀",
    "ALL": "∀",
    "EX": "∃",
    "⋀": "∀",
    "!!": "∀",
    "in": "∈",
    "×": "*",
    "⋅": "*",
    "·": "*",
    "√": "sqrt",
    "⁻¹": "inv",
    "∘": "∘",
    "\\": "fun",
    "dvd": "∣",
    "sum": "∑",
    "prod": "∏",
    "pi": "π",
    "type*": "type",
    "↑": "",
    "⇑": "",
}
"""Notation variants -> one of them; the empty one is left out."""

_ISABELLE = {
    "forall": "∀",
    "exists": "∃",
    "exists>!": "∃!",
    "and": "∧",
    "or": "∨",
    "not": "¬",
    "longrightarrow": "→",
    "Longrightarrow": "→",
    "rightarrow": "→",
    "Rightarrow": "⇒",
    "longleftrightarrow": "↔",
    "leftrightarrow": "↔",
    "equiv": "=",
    "lambda": "λ",
    "in": "∈",
    "notin": "∉",
    "le": "≤",
    "ge": "≥",
    "noteq": "≠",
    "times": "*",
    "subseteq": "⊆",
    "subset": "⊂",
    "union": "∪",
    "inter": "∩",
    "Union": "⋃",
    "Inter": "⋂",
    "Sum": "∑",
    "Prod": "∏",
    "And": "⋀",
    "lbrakk": "⟦",
    "rbrakk": "⟧",
    "pi": "π",
    "cdot": "*",
    "nat": "ℕ",
    "int": "ℤ",
    "real": "ℝ",
    "complex": "ℂ",
    "open": "",
    "close": "",
}

_ISABELLE_SYMBOL = re.compile(r"\\<\^?([A-Za-z]+)>")
_ISABELLE_TYPE = re.compile(r"(?<![\w'])'([a-z][\w']*)")  # a variable for a type is none of the term's
_ISABELLE_INFIX = re.compile(r"(?<=\w)!(?=[\w(])")  # `xs!i` is no name
_ISABELLE_LABEL = re.compile(
    r"""(?<![\w.])(?P<keyword>assumes|and|shows|defines|notes|obtains|if|for)\s+
        (?:[^\W\d][\w.']*\s*(?:\[[^\]"]*\])?|\[[^\]"]*\])\s*:(?!:)""",
    re.VERBOSE,
)
_ISABELLE_FIXES = re.compile(
    r"(?<![\w.])fixes\b(?P<fixed>.*?)(?=\b(?:assumes|shows|obtains|defines|notes|includes|fixes)\b|\Z)", re.DOTALL
)
_ISABELLE_WORD = re.compile(r"(?<![\w.])(?:assumes|shows|obtains|and|defines)(?![\w.])")
_COQ_SCOPE = re.compile(r"(?<=[\w)\]}])%[A-Za-z]\w*")

_TOKEN = re.compile(
    r"""(?:(?:Type|Sort)\*|[^\W\d][\w'!?₀-₉]*(?:\.[^\W\d][\w'!?₀-₉]*|\.\d+)*)
      | \d+(?:\.\d+)?
      | ∃!|exists!|<->|<=>|==>|-->|->|=>|<=|>=|!=|<>|~=|=<|/\\|\\/|&&|\|\||==|!!|::|:=|⁻¹|\.\.|\S""",
    re.VERBOSE,
)
_OPEN, _CLOSE = "([{⦃⟨⟦", ")]}⦄⟩⟧"
_BRACKETS = _OPEN + _CLOSE
_BINDERS = ("∀", "∃", "∃!", "fun", "LEAST", "GREATEST", "SOME", "THE")
_BIG = ("∑", "∏", "⋃", "⋂", "∫")
_SEPARATORS = frozenset([",", ":", "::", ".", "=>", ";"])
_METAMATH_VARIABLE = re.compile(r"[A-Za-z]|ph|ps|ch|th|ta|et|ze|si|rh|mu|la|ka")

TELLING_LENGTH = 12
TELLING_DIFFERENT = 6
"""A statement with fewer words than the first, or fewer different ones that are no variables than the second, says too
little to be recognised without its name: thousands of lemmas read `f (a * b) = f a * f b`."""

TELLING_NUMERAL_LENGTH = 5
"""With a number of three digits or more fewer words are enough: `91 ^ 2 = 8281`."""


def words(statement: str, lang: str) -> tuple[str, ...]:
    """Return a statement's normal form.

    Args:
        statement: the text between a declaration's name and its proof.
        lang: a formal language of `provers.PARSERS`.
    """
    if lang == "metamath":
        return _metamath(statement)
    if lang == "isabelle":
        statement = _isabelle(statement)
    elif lang == "coq":
        statement = _COQ_SCOPE.sub(" ", statement)
    elif lang == "hollight":
        statement = re.sub(r"(?<![\w!?])([!?\\])(?=\s*[A-Za-z(])", r" \1 ", statement)
    tokens: list[str] = _TOKEN.findall(statement)
    if lang == "hollight":
        tokens = [_HOL_QUANTIFIERS.get(token, token) for token in tokens]
    return _normal([symbol for token in tokens if (symbol := _SYMBOLS.get(token, token))])


def is_telling(statement: Sequence[str]) -> bool:
    """Whether a normal form says enough to be recognised without a name."""
    if len(statement) >= TELLING_NUMERAL_LENGTH and any(word.isdigit() and len(word) >= 3 for word in statement):
        return True
    if len(statement) < TELLING_LENGTH:
        return False
    different = {word for word in set(statement) if word not in _BRACKETS and not word.startswith("v#")}
    return len(different) >= TELLING_DIFFERENT


def digest(statement: Sequence[str]) -> int:
    """Return the 64-bit hash of a normal form."""
    return int.from_bytes(blake2b(" ".join(statement).encode(), digest_size=8).digest(), "little")


_HOL_QUANTIFIERS = {"!": "∀", "?": "∃"}


def _isabelle(statement: str) -> str:
    """Spell Isabelle's own notation in the common one: symbols, `fixes … assumes … shows …`, quoted terms."""
    statement = _ISABELLE_INFIX.sub(" ! ", _ISABELLE_TYPE.sub(r" type_\1 ", statement))
    statement = _ISABELLE_LABEL.sub(r" \g<keyword> ", statement)
    statement = _ISABELLE_FIXES.sub(_fixed, statement)
    statement = _ISABELLE_SYMBOL.sub(lambda found: f" {_ISABELLE.get(found.group(1), found.group(1))} ", statement)
    assumptions = re.split(r"(?<![\w.])(assumes|shows|obtains|defines)(?![\w.])", statement.replace('"', ' " '))
    pieces = [assumptions[0]]
    for keyword, body in zip(assumptions[1::2], assumptions[2::2], strict=True):
        parts = re.split(r'"\s*and\b', body)
        pieces += [part + (" → " if keyword == "assumes" else " ") for part in parts]
    text = " ".join(pieces)
    # ⟦A; B⟧ ⟹ C says A ⟹ B ⟹ C.
    text = re.sub(r"⟦([^⟦⟧]*)⟧", lambda found: found.group(1).replace(";", " → "), text)
    return re.sub(r'["`‹›]', " ", text)


def _fixed(found: re.Match[str]) -> str:
    """`fixes x y :: nat and z` as binders."""
    groups = re.split(r"(?<![\w.])and(?![\w.])", found.group("fixed"))
    binders = []
    for group in groups:
        names, _, kind = group.partition("::")
        kind = kind.replace('"', " ").strip()
        binders += [f"({name} : {kind})" if kind else f"∀ {name}," for name in names.split()]
    return " " + " ".join(binders) + " "


def _metamath(statement: str) -> tuple[str, ...]:
    names: dict[str, str] = {}
    return tuple(
        names.setdefault(word, f"v#{len(names)}") if _METAMATH_VARIABLE.fullmatch(word) else word
        for word in statement.split()
    )


def _normal(tokens: list[str]) -> tuple[str, ...]:
    """Rename variables in the order in which they are bound, write each binder alone, and respell names."""
    reader = _Reader(tokens)
    reader.read(0, len(tokens))
    return tuple(_without_idle_brackets(reader.named()))


class _Reader:
    """Reads tokens into words; bound variables are `v#<number>` from their binders on."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.out: list[str] = []
        self.bound: dict[str, str] = {}
        self.count = 0
        self.uses: dict[str, int] = {}

    def named(self) -> list[str]:
        """Return the words; a variable that is never used, as a hypothesis' name, is left out, and the others are
        numbered by first use."""
        numbers: dict[str, str] = {}
        words: list[str] = []
        for word in self.out:
            if not word.startswith("v#"):
                words.append(word)
            elif self.uses.get(word, 0):
                words.append(numbers.setdefault(word, f"v#{len(numbers)}"))
        return words

    def read(self, at: int, end: int) -> None:
        """Read `tokens[at:end]`."""
        while at < end:
            token = self.tokens[at]
            if token in _BINDERS:
                at = self._quantifier(at, end)
            elif token in _BIG:
                self.out.append(token)
                at = self._big(at + 1, end)
            elif token in _OPEN:
                at = self._bracket(at, end)
            else:
                self._word(token)
                at += 1

    def _word(self, token: str) -> None:
        if token in _SEPARATORS:
            return
        head, *rest = token.split(".") if "." in token and (token[0].isalpha() or token[0] == "_") else [token]
        if head in self.bound:  # `z.re`: a projection of a variable
            name = self.bound[head]
            self.uses[name] = self.uses.get(name, 0) + 1
            self.out += [name, *(_respelled(part) for part in rest)]
        else:
            self.out.append(_respelled(rest[-1] if rest else head))

    def _bind(self, name: str) -> str:
        self.bound[name] = f"v#{self.count}"
        self.count += 1
        return self.bound[name]

    def _quantifier(self, at: int, end: int) -> int:
        """`∀ x y : T,`, `∀ (x y : T) {z},`: the quantifier once for each variable. Returns where its body begins."""
        quantifier = self.tokens[at]
        at += 1
        while at < end:
            token = self.tokens[at]
            if token in _OPEN:
                close = self._closing(at, end)
                if not self._is_group(at, close):
                    break
                self._group(at, close, quantifier)
                at = close + 1
            elif _is_variable(token):
                names_end = at
                while names_end < end and _is_variable(self.tokens[names_end]):
                    names_end += 1
                names, at = self.tokens[at:names_end], names_end
                kind_end = at
                if at < end and self.tokens[at] not in (",", ".", "=>"):
                    kind_end = self._separator(at, end)
                self._bind_all(names, at, kind_end, quantifier)
                at = kind_end
            else:
                break
        return at

    def _bind_all(self, names: list[str], at: int, end: int, quantifier: str) -> None:
        """Write `quantifier name type` for each name; the type, or `∈ A`, or `> 0`, is `tokens[at:end]`."""
        for name in names:
            self.out += [quantifier, self._bind(name)]
            self.read(at, end)

    def _separator(self, at: int, end: int) -> int:
        """Return where the `,` or `.` or `=>` behind a binder stands, at the same depth."""
        depth = 0
        for place in range(at, end):
            token = self.tokens[place]
            depth += (token in _OPEN) - (token in _CLOSE)
            if depth == 0 and token in (",", ".", "=>"):
                return place
            # HOL Light: `!x:num y:num. …`
            if depth == 0 and place > at + 1 and _is_variable(token) and self.tokens[place + 1 : place + 2] == [":"]:
                return place
            if depth < 0:
                return place
        return end

    def _big(self, at: int, end: int) -> int:
        """`∑ i in A, f i`, `∑ i : T, …`, `∑ i ∈ A, …`: the index is bound."""
        if at < end and self.tokens[at] in "([{" and self._is_group(at, self._closing(at, end)):
            close = self._closing(at, end)
            self._group(at, close, "")
            return close + 1
        names_end = at
        while names_end < end and _is_variable(self.tokens[names_end]):
            names_end += 1
        if names_end < end and self.tokens[names_end] in ("∈", ":", ",", ".", "::"):
            for name in self.tokens[at:names_end]:
                self.out.append(self._bind(name))
            return names_end
        return at

    def _closing(self, at: int, end: int) -> int:
        depth = 0
        for place in range(at, end):
            depth += (self.tokens[place] in _OPEN) - (self.tokens[place] in _CLOSE)
            if depth == 0:
                return place
        return end - 1

    def _is_group(self, at: int, close: int) -> bool:
        """Whether brackets hold binders, `(x y : T)`; a variable bound before has its type said again in a term."""
        place = at + 1
        while place < close and _is_variable(self.tokens[place]):
            place += 1
        is_typed = place < close and self.tokens[place] in (":", "::") and place > at + 1
        return is_typed and not (place == at + 2 and self.tokens[at + 1] in self.bound)

    def _group(self, at: int, close: int, quantifier: str) -> None:
        place = at + 1
        while self.tokens[place] not in (":", "::"):
            place += 1
        self._bind_all(self.tokens[at + 1 : place], place + 1, close, quantifier)

    def _bracket(self, at: int, end: int) -> int:
        close = self._closing(at, end)
        if self._is_group(at, close):
            self._group(at, close, "∀")
        else:
            # `[ring R]` and `{x}` bracket differently from version to version; only that they group is kept.
            self.out.append("(")
            self.read(at + 1, close)
            self.out.append(")")
        return close + 1


def _is_variable(word: str) -> bool:
    return (word[0].isalpha() or word[0] == "_") and "." not in word and word not in _KEYWORDS


_KEYWORDS = frozenset(["∈", "if", "then", "else", "let", *_BINDERS, "∑", "∏", "∣"])


@lru_cache(maxsize=2**16)
def _respelled(name: str) -> str:
    """`is_open`, `IsOpen`, `isOpen` are one name; a name of one letter keeps its case."""
    if len(name) == 1:
        return name
    plain = name.replace("_", "").lower()
    return _SYMBOLS.get(plain, plain) or plain


def _without_idle_brackets(words: list[str]) -> list[str]:
    """Remove brackets around one word, around everything, and doubled ones."""
    partner: dict[int, int] = {}
    opened: list[int] = []
    for place, word in enumerate(words):
        if word == "(":
            opened.append(place)
        elif word == ")" and opened:
            partner[opened.pop()] = place
    idle: set[int] = set()
    for start, close in partner.items():
        doubled = partner.get(start + 1) == close - 1
        if close - start <= 2 or doubled or (start == 0 and close == len(words) - 1):
            idle |= {start, close}
    return [word for place, word in enumerate(words) if place not in idle]
