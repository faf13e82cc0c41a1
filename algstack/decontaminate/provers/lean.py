"""Declarations of Lean 3 and Lean 4.

Lean's grammar can be extended by any file, so a file is not parsed but cut at its commands: a command is a reserved
word that begins a line, not deeper than the declaration before it, or one of the few that can stand nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from algstack.decontaminate.provers.declaration import Declaration
from algstack.decontaminate.provers.masks import (
    Masked,
    line_end,
    line_start,
    mask,
    overlapping,
    without_comments,
    word_pattern,
)

_OPENER = re.compile(
    r"""[-/r"'](?:
        (?P<line>(?<=-)-[^\n]*)
      | (?P<comment_block>(?<=/)-)
      | (?P<string>(?<!\w.)(?<=r)"[^"]*" | (?<!\w.)(?<=r)(?P<fence>\#+)".*?"(?P=fence)
        | (?<=")(?:\\.|[^"\\])*" | (?<![\w'!?].)(?<=')(?:\\[^'\n]{1,8}|[^\\'\n])')
      | (?P<unclosed>(?<=")))""",
    re.VERBOSE | re.DOTALL,
)
_BLOCKS = {"comment_block": re.compile(r"(?P<open>/-)|-/")}

_THEOREMS = ("theorem", "lemma", "example", "problem")
_DECLARATIONS = (
    *_THEOREMS,
    "def",
    "abbrev",
    "instance",
    "axiom",
    "opaque",
    "constant",
    "structure",
    "inductive",
    "class",
)
_ANYWHERE = ("theorem", "lemma", "example", "def", "namespace")
"""Reserved words that begin a command wherever they stand outside brackets."""

_FIRST_IN_LINE = (*_ANYWHERE, "instance", "structure", "inductive", "abbrev", "opaque")
"""Reserved words that begin a command where they begin a line, however deep: no line of a proof begins with them."""

_MODIFIERS_TEXT = (
    "private protected noncomputable nonrec unsafe partial local scoped meta public mutual irreducible_def"
)
_MODIFIERS = _MODIFIERS_TEXT.split()
_SCOPED_PREFIXES = ("open", "set_option", "variable", "omit", "include", "attribute", "universe", "unseal", "seal")
"""Commands that, ending in `in`, belong to the declaration behind them."""
_WITH_IN = (*_SCOPED_PREFIXES, "#")  # `#guard_msgs in` too

_OTHERS_TEXT = (
    "add_decl_doc add_tactic_doc alias axioms builtin_initialize compile_inductive constants declare_syntax_cat "
    "declare_aesop_rule_sets deriving elab elab_rules end export extend_docs import infix infixl infixr initialize "
    "initialize_simps_projections library_note local_notation macro macro_rules mk_simp_attribute namespace "
    "notation notation3 parameter parameters postfix precedence prefix prelude proof_wanted register_builtin_option "
    "register_option register_simp_attr reserve restate_axiom run_cmd run_cmds run_elab run_meta section simproc "
    "simproc_decl suppress_compilation syntax tactic universes unsuppress_compilation variables"
)
_OTHERS = _OTHERS_TEXT.split()

_WORDS = {*_DECLARATIONS, *_MODIFIERS, *_SCOPED_PREFIXES, *_OTHERS}
_NOT_IN_NAME = r"(?<![\w.'«!?₀-₉@].)"  # before the character that is matched already
_TOKEN = re.compile(
    rf"""[a-z@\#\n](?:
         {_NOT_IN_NAME}(?P<word>{word_pattern(_WORDS)})(?![\w'!?₀-₉]|\.[^\s{{])
       | (?<=@)(?P<attribute>\[)
       | (?<=\n\#)(?P<hash>\w+)
       | (?<=\n)[ \t]*\n(?P<unknown>[a-z][\w'!?]*)
       | {_NOT_IN_NAME}(?P<nest>{word_pattern(["begin", "match", "calc"])})(?![\w'!?₀-₉.]))""",
    re.VERBOSE,
)
_GOES_ON = frozenset(
    ["by", "calc", "decreasing_by", "deriving", "from", "termination_by", "using_well_founded", "with"]
)
"""Words that go on with a declaration even at the beginning of a line behind an empty one."""

_NAME_PART = r"(?:«[^»]*»|[^\W\d](?:[\w'!?₀-₉]|[^\x00-\x7f\s«»⦃⦄⟨⟩∀∃λ])*)"
_NAME = re.compile(rf"\s*(?:\{{[^}}]*\}}\s*)?({_NAME_PART}(?:\.(?:{_NAME_PART}|\d+))*)")
_ADDED_NAME = re.compile(
    rf"\bto_additive\b\s*(?:\([^)]*\)\s*|\[[^\]]*\]\s*|existing\s+|\?\s*)*({_NAME_PART}(?:\.{_NAME_PART})*)"
)
_LEAN_3 = re.compile(r"^\s*import[ \t]+[a-z_.]|\bbegin\b(?![\s\S]*^import[ \t]+[A-Z])", re.MULTILINE)
_IN = re.compile(r"(?<![\w.'])in\s*\Z")
_BINDER = re.compile(r"\s*[:({\[⦃|]")
_BRACKETS = {"(": 1, "[": 1, "{": 1, "⦃": 1, "⟨": 1, ")": -1, "]": -1, "}": -1, "⦄": -1, "⟩": -1}
_STATEMENT_MARK = re.compile(r"[()\[\]{}⦃⦄⟨⟩]|:=|(?<![\w.'])(?:let|have|letI|haveI|where)(?![\w'.])|(?<=\n)[ \t]*\|")
_DOC = "/--"


@dataclass
class _Command:
    """One command: where its prefixes begin, its keyword, and the span of the keyword."""

    start: int
    word: str
    at: int
    after: int
    column: int
    depth_is_zero: bool = True
    attributes: list[str] = field(default_factory=list)


def declarations(text: str) -> list[Declaration]:
    """Return the declarations of a Lean file or fragment, in order."""
    masked = mask(text, _OPENER, _BLOCKS)
    found: list[Declaration] = []
    scopes: list[tuple[str, str]] = []
    commands = list(_commands(text, masked))
    for number, command in enumerate(commands):
        stop = commands[number + 1].start if number + 1 < len(commands) else len(text)
        _follow_scopes(command, masked.text, stop, scopes)
        if command.word in _DECLARATIONS:
            found.append(_declaration(text, masked, command, stop, scopes))
    return found


def _commands(text: str, masked: Masked) -> Iterator[_Command]:
    """Yield the commands of a file, prefixes joined to what they belong to."""
    prefix: list[_Command] = []
    for command in _starts(text, masked):
        if prefix and not _belongs(masked.text, prefix[-1], command):
            yield from prefix
            prefix = []
        if command.word in (*_MODIFIERS, *_WITH_IN, "@[", _DOC):
            prefix.append(command)
            continue
        if prefix:
            command.start, command.column = prefix[0].start, prefix[0].column
            command.attributes = [text[part.at : part.after] for part in prefix if part.word == "@["]
            prefix = []
        yield command
    yield from prefix


def _belongs(code: str, before: _Command, command: _Command) -> bool:
    """Whether `before` is a prefix of the command behind it."""
    between = code[before.after : command.start]
    if before.word in _WITH_IN:
        return _IN.search(between) is not None
    if before.word == "@[" or before.word == _DOC:
        return not between.strip()
    return not between.strip() and command.word != "end"


def _starts(text: str, masked: Masked) -> Iterator[_Command]:
    """Yield each word, attribute or doc-comment that begins a command or one of its prefixes."""
    code, is_lean_3 = masked.text, _LEAN_3.search(masked.text) is not None
    last: _Command | None = None  # the last one accepted
    column, depth = 0, 0  # of the declaration that is open; of Lean 3's begin … end in it
    tokens = list(_tokens(text, masked))
    for (at, after, word), leads_to in zip(tokens, _leads_to(tokens, code), strict=True):
        if word in ("begin", "match", "calc"):
            depth += is_lean_3 and word != "calc"
            continue
        if depth and word == "end":
            depth -= 1
            continue
        start = line_start(code, at)
        is_first = not code[start:at].strip()
        is_next = last is not None and not code[last.after : at].strip() and last.word in (*_MODIFIERS, "@[", _DOC)
        is_scoped = last is not None and last.word in _WITH_IN and _IN.search(code, last.after, at) is not None
        own_column = at - start
        opens = is_next or is_scoped
        if not opens and is_first:
            opens = last is None or own_column <= column or (leads_to in _FIRST_IN_LINE and not depth)
        elif not opens and word in _ANYWHERE and not depth:
            # `For example, …` is prose.
            says = word != "example" or _BINDER.match(code, after) is not None
            opens = code[at - 1] in " \t" and says and _is_balanced(code, last.after if last else 0, at)
        if not opens or (depth and word in _ANYWHERE and own_column > column):
            continue
        if not (is_next or is_scoped):
            column, depth = own_column, 0
        last = _Command(at, word, at, after, own_column)
        yield last


def _leads_to(tokens: list[tuple[int, int, str]], code: str) -> list[str]:
    """Return for each attribute, doc-comment or modifier the word that it stands before; for each other word itself."""
    words: list[str] = []
    for number in range(len(tokens) - 1, -1, -1):
        _, after, word = tokens[number]
        if words and word in (*_MODIFIERS, "@[", _DOC) and not code[after : tokens[number + 1][0]].strip():
            word = words[-1]
        words.append(word)
    return words[::-1]


def _tokens(text: str, masked: Masked) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, word) of keywords, attributes and doc-comments, by place."""
    docs = iter([span for span in masked.comments if text.startswith(_DOC, span[0])] + [(len(text) + 1, 0)])
    doc = next(docs)
    skip_to = 0
    for found in _TOKEN.finditer(masked.text):
        while doc[0] < found.end():
            if doc[0] >= skip_to:
                yield doc[0], doc[1], _DOC
            doc = next(docs)
        if found.start() < skip_to:
            continue
        if found.lastgroup == "attribute":
            skip_to = _closing(masked.text, found.end() - 1)
            yield found.start(), skip_to, "@["
        elif found.lastgroup == "hash":
            yield found.start(), found.end(), "#"
        elif found.lastgroup == "unknown":
            # A command that the file's own libraries define; all others are found by their words.
            word = found.group("unknown")
            if word not in _GOES_ON:
                yield found.start("unknown"), found.end(), word
        else:
            yield found.start(), found.end(), found.group()
    while doc[0] <= len(text):
        yield doc[0], doc[1], _DOC
        doc = next(docs)


def _closing(code: str, at: int) -> int:
    """Return where the bracket that opens at `at` is closed; the line's end if it never is."""
    depth = 0
    for place in range(at, len(code)):
        depth += _BRACKETS.get(code[place], 0)
        if depth == 0:
            return place + 1
    return line_end(code, at)


def _is_balanced(code: str, start: int, end: int) -> bool:
    return sum(_BRACKETS.get(character, 0) for character in code[start:end]) == 0


def _follow_scopes(command: _Command, code: str, stop: int, scopes: list[tuple[str, str]]) -> None:
    """Keep track of open namespaces and sections."""
    if command.word not in ("namespace", "section", "end", "mutual"):
        return
    line = code[command.after : min(stop, line_end(code, command.after))]
    named = _NAME.match(line)
    name = named.group(1) if named else ""
    if command.word != "end":
        scopes.append((command.word, name))
        return
    # `end a.b` closes `namespace a.b`, or the namespaces a and b.
    open_parts = len(name.split(".")) if name else 1
    while scopes and open_parts > 0:
        _, closed = scopes.pop()
        open_parts -= max(len(closed.split(".")) if closed else 1, 1)


def _declaration(text: str, masked: Masked, command: _Command, stop: int, scopes: list[tuple[str, str]]) -> Declaration:
    code = masked.text
    named = (
        None if command.word == "instance" and _is_unnamed(code, command.after) else _NAME.match(code, command.after)
    )
    if command.word == "example":
        named = None
    begin = named.end() if named else command.after
    end = _end_of_proof(masked, command, stop)
    statement_end, is_whole = _statement_end(code, begin, end)
    own = [named.group(1)] if named else []
    added = [match.group(1) for attribute in command.attributes for match in _ADDED_NAME.finditer(attribute)]
    return Declaration(
        kind=command.word,
        names=tuple(_resolve(name, scopes) for name in own + added),
        start=command.start,
        end=end,
        statement=without_comments(text, masked, begin, statement_end),
        is_theorem=command.word in _THEOREMS,
        is_whole=is_whole and masked.is_whole,
    )


def _is_unnamed(code: str, at: int) -> bool:
    return re.match(r"\s*(?:\(priority[^)]*\)\s*)?[:\[({⦃]", code[at : at + 200]) is not None


def _resolve(name: str, scopes: list[tuple[str, str]]) -> str:
    if name.startswith("_root_."):
        return name.removeprefix("_root_.")
    spaces = [space for kind, space in scopes if kind == "namespace" and space]
    return ".".join([*spaces, name])


def _end_of_proof(masked: Masked, command: _Command, stop: int) -> int:
    """Return the end of the last code before the next command, and of the comments that are still the proof's."""
    code = masked.text
    end = command.at + len(code[command.at : stop].rstrip())
    for start, last in overlapping(masked.comments, end, stop):
        if start < end or last > stop:
            continue
        gap = code[end:start]
        beside = "\n" not in gap
        deeper = gap.count("\n") == 1 and start - line_start(code, start) > command.column
        if not (beside or deeper):
            break
        end = last
    return end


def _statement_end(code: str, start: int, end: int) -> tuple[int, bool]:
    """Return where a statement ends, and whether its brackets and its proof's `begin … end` balance."""
    depth, lets = 0, 0
    for found in _STATEMENT_MARK.finditer(code, start, end):
        mark = found.group().strip()
        if mark in _BRACKETS:
            depth += _BRACKETS[mark]
            if depth < 0:
                return found.start(), False
        elif depth:
            continue
        elif mark in ("let", "have", "letI", "haveI"):
            lets += 1
        elif mark == ":=" and lets:
            lets -= 1
        elif mark in (":=", "where") or _is_alternative(code, found.end(), end):
            return found.start(), _ends_balance(code, found.start(), end)
    return end, depth == 0


def _is_alternative(code: str, at: int, end: int) -> bool:
    """Whether `|` begins the first case of a proof by patterns, and is no absolute value."""
    line = code[at : min(end, line_end(code, at))]
    return "=>" in line or ":=" in line


def _ends_balance(code: str, start: int, end: int) -> bool:
    if code.find("begin", start, end) < 0:
        return True
    begins = len(re.findall(r"(?<![\w.'])begin(?![\w'.])", code[start:end]))
    ends = len(re.findall(r"(?<![\w.'])end(?![\w'])(?!\.\S)", code[start:end]))
    return begins <= ends
