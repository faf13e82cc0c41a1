"""A plain-Python reading of filter files, with `re`, which the native plan is tested against."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from algstack.filter.language import Language, Rule
from algstack.filter.predicates import MATHEMATICAL as WORDS
from algstack.filter.syntax import Syntax

Document = dict[str, str | None]


def first_drop(document: Document, language: Language) -> str | None:
    """Return the first limit or rule that drops a document of a language without transforms, or None."""
    text = document["text"] or ""
    for rule in language.rules:
        if rule.where == "original" and drops(rule, document, language.syntax):
            return rule.id
    characters = "".join(text.split())
    digits = sum(text.count(digit) for digit in "0123456789")
    limit = language.limits
    if (limit.empty == "blank" and not characters) or (limit.empty == "no bytes" and not text):
        return "empty"
    if limit.max_bytes is not None and len(text.encode()) > limit.max_bytes:
        return "too-large"
    if limit.max_digits is not None and digits / max(len(characters), 1) > limit.max_digits:
        return "too-many-digits"
    for rule in language.rules:
        if rule.where != "original" and drops(rule, document, language.syntax):
            return rule.id
    return None


def drops(rule: Rule, document: Document, syntax: Syntax) -> bool:
    """Whether one rule drops a document."""
    spared = rule.unless is not None and PREDICATES[rule.unless](document["text"] or "")
    return not spared and fails(rule, document, syntax)


def fails(rule: Rule, document: Document, syntax: Syntax) -> bool:
    """Whether a document meets a rule's condition."""
    given = getattr(rule, rule.condition)
    if rule.condition == "predicate":
        return PREDICATES[given](document["text"] or "")
    subject = document.get({"path": "path", "repo": "repo"}.get(rule.condition.split("_")[1], "text"))
    if subject is None:
        return False
    if rule.condition.split("_")[1] in ("any", "match", "start"):
        if rule.where == "code":
            subject = code(subject, syntax)
        elif rule.where == "head":
            subject = subject[:2000]
    match rule.condition.split("_")[1]:
        case "any" | "start":
            fold = ascii_lower if rule.ignore_case else str
            test = str.startswith if rule.condition == "deny_start" else str.__contains__
            found = any(test(fold(subject), fold(word)) for word in given)
        case _:
            found = any(search(pattern, subject, rule.ignore_case) for pattern in given)
    if rule.where == "code":
        found = found and drops_text(rule, document["text"] or "")
    return not found if rule.condition.startswith("require") else found


def drops_text(rule: Rule, text: str) -> bool:
    """Whether what a rule on the code looks for stands in the text at all."""
    given = getattr(rule, rule.condition)
    if rule.condition.endswith("any"):
        fold = ascii_lower if rule.ignore_case else str
        return any(fold(word) in fold(text) for word in given)
    return any(search(pattern, text, rule.ignore_case) for pattern in given)


def search(pattern: str, text: str, ignore_case: bool = False) -> bool:
    flags = re.MULTILINE | re.ASCII | (re.IGNORECASE if ignore_case else 0)
    return re.search(pattern.replace(r"\z", r"\Z"), text, flags) is not None


def ascii_lower(text: str) -> str:
    return re.sub("[A-Z]+", lambda found: found.group().lower(), text)


def large_without_tests(text: str) -> bool:
    if len(text.encode()) < 100_000:
        return False
    squeezed = "".join(text.split())
    digits = sum(squeezed.count(digit) for digit in "0123456789")
    return text.count("@test") / (text.count("\n") + 1) < 0.1 or digits / max(len(squeezed), 1) > 0.5


def long_lines(text: str) -> bool:
    size = len(text.encode())
    return size >= 5_000 and size / (text.count("\n") + 1) > 1_000


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from langid.langid import LanguageIdentifier, model

    return LanguageIdentifier.from_modelstring(model, norm_probs=True)


def natural_language(text: str) -> str:
    return str(_identifier().classify(text)[0])


def little_mathematics(text: str) -> bool:
    formula = re.compile(
        r"\$\$?[^$\n]{0,300}?[\\^_=+<>{}|][^$\n]{0,300}?\$|\$[A-Za-z]['()A-Za-z0-9]{0,7}\$|\\begin\{|\\\[|\\\("
    )
    few = len(formula.findall(text)) * 1000 / max(len(text), 1) < 0.5
    tags = re.search(r"^Tags: (.*)$", text, re.MULTILINE)
    return (
        few
        and not re.search(MATHEMATICAL_TAG, tags[1] if tags else "")
        and not re.search(r"^```+(?:agda|coq|gap|isabelle|lean|maple|mathematica|matlab|sage|tex)", text, re.MULTILINE)
    )


MATHEMATICAL_TAG = (
    "agda|algebra|analysis|calculus|combinatori|coq|equation|function|geometr|group|induction|inequalit|integra|"
    "isabelle|lean|linear|logic|math|matri|number|numeric|optimi|polynomial|probabilit|proof|regression|rocq|"
    "sequence|series|set-theory|simulation|statistic|symbolic|tensor|theorem|theory|topolog|vector"
)


def mathematical_words(text: str) -> bool:
    beginning = ascii_lower(text[:100_000])
    return sum(word in beginning for word in WORDS) >= 4


PREDICATES = {
    "large-without-tests": large_without_tests,
    "little-mathematics": little_mathematics,
    "long-lines": long_lines,
    "mathematical-words": mathematical_words,
    "not-english": lambda text: natural_language(text) != "en",
}


def code(text: str, syntax: Syntax) -> str:
    """The text with comments and the insides of strings as spaces, a UTF-8 byte each."""
    out: list[str] = []
    i = 0
    while i < len(text):
        end, kept = _token(text, i, syntax)
        out.append(kept)
        i = end
    return "".join(out)


def _spaces(text: str) -> str:
    return "".join(char if char in "\r\n" else " " * len(char.encode()) for char in text)


def _token(text: str, i: int, syntax: Syntax) -> tuple[int, str]:
    tokens = [(opening, "line", "") for opening in syntax.line_comments]
    tokens += [(opening, "block", closing) for opening, closing in syntax.block_comments]
    tokens += [(quote, "string", quote) for quote in syntax.strings]
    tokens += [(opening, "column", "") for opening in syntax.column_comments]
    read = {"line": _line, "block": _block, "string": _string, "column": _line}
    for opening, kind, closing in sorted(tokens, key=lambda t: (-len(t[0]), list(read).index(t[1]), t[0])):
        if text.startswith(opening, i) and (kind != "column" or _in_first_column(text, i, opening)):
            return read[kind](text, i, opening, closing, syntax)
    if text[i] == "\\" and syntax.escape_everywhere:
        return min(i + 2, len(text)), text[i : i + 2]
    if text[i] == "'" and syntax.character_quotes:
        found = re.compile(r"'(?:\\[^'][^']{0,9}'|\\''|[^\n\\]')", re.DOTALL).match(text, i)
        if found and len(found.group().encode()) <= 14:
            return found.end(), found.group()
    return i + 1, text[i]


def _in_first_column(text: str, i: int, opening: str) -> bool:
    """Whether a comment of the first column begins there; one that ends with a letter wants white space after it."""
    is_apart = re.match(r"[\t-\r ]|\Z", text[i + len(opening) :]) is not None
    return text[i - 1 : i] in ("", "\n", "\r") and (is_apart or not re.match("[A-Za-z]", opening[-1]))


def _line(text: str, i: int, opening: str, closing: str, syntax: Syntax) -> tuple[int, str]:
    end = min(at for at in (text.find("\n", i), text.find("\r", i), len(text)) if at >= 0)
    return end, _spaces(text[i:end])


def _block(text: str, i: int, opening: str, closing: str, syntax: Syntax) -> tuple[int, str]:
    depth, at = 1, i + len(opening)
    while at < len(text) and depth:
        if text.startswith(closing, at):
            depth, at = depth - 1, at + len(closing)
        elif syntax.nested_comments and text.startswith(opening, at):
            depth, at = depth + 1, at + len(opening)
        else:
            at += 1
    return at, _spaces(text[i:at])


def _string(text: str, i: int, opening: str, closing: str, syntax: Syntax) -> tuple[int, str]:
    one_line = len(opening) == 1 and not syntax.multiline_strings
    at = i + len(opening)
    while at < len(text):
        if syntax.escape and text[at] == syntax.escape:
            at += 2
        elif (one_line and text[at] in "\r\n") or text.startswith(closing, at):
            break
        else:
            at += 1
    at = min(at, len(text))
    end = at + len(closing) if text.startswith(closing, at) else at
    inside = text[i + len(opening) : at]
    return end, opening + (inside if syntax.keep_strings else _spaces(inside)) + text[at:end]
