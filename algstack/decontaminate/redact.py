"""Secrets and personal data in text, replaced by placeholders that are always the same.

What is a token is said by the rules of detect-secrets. A sieve in native code comes first, for each kind, so that only
documents that pass it are looked at closely, and only for that kind. E-mail and IP addresses follow the practice
of BigCode's redaction (StarCoder, arXiv 2305.06161): the placeholders are its, and addresses that are nobody's
(`example.com`, private networks, public name servers) stay.

Nothing is replaced inside a longer word: a key's pattern within a hash or a base64 table is no key.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from detect_secrets.plugins import (
    aws,
    azure_storage_key,
    discord,
    github_token,
    gitlab_token,
    jwt,
    mailchimp,
    npm,
    openai,
    pypi_token,
    sendgrid,
    slack,
    square_oauth,
    stripe,
    telegram_token,
)

from algstack.decontaminate import sieve
from algstack.texts import Texts, as_texts

KEY, PASSWORD, EMAIL, ADDRESS = "<KEY>", "<PASSWORD>", "<EMAIL>", "<IP_ADDRESS>"

_TOKENS = {
    "aws": aws.AWSKeyDetector,
    "azure": azure_storage_key.AzureStorageKeyDetector,
    "discord": discord.DiscordBotTokenDetector,
    "github": github_token.GitHubTokenDetector,
    "gitlab": gitlab_token.GitLabTokenDetector,
    "jwt": jwt.JwtTokenDetector,
    "mailchimp": mailchimp.MailchimpDetector,
    "npm": npm.NpmDetector,
    "openai": openai.OpenAIDetector,
    "pypi": pypi_token.PypiTokenDetector,
    "sendgrid": sendgrid.SendGridDetector,
    "slack": slack.SlackDetector,
    "square": square_oauth.SquareOAuthDetector,
    "stripe": stripe.StripeDetector,
    "telegram": telegram_token.TelegramBotTokenDetector,
}
"""Rules of detect-secrets that name what they find; `sieve.WORDS` are the words that a text must have for them.
Its rules by entropy are left out: a table of hashes or a test vector has the entropy of a key."""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----(?:(?!-----BEGIN).)*?-----END (?P=kind)-----"
    r"|-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[^\n]*\n\s*[A-Za-z0-9+/=]{40,})+",
    re.DOTALL,
)
_JWT_TAIL = re.compile(r"[\w.=-]*")  # the signature, which the rule leaves out
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=]{32}")
_KEY_CHARACTERS = 8  # different ones in a line of a key: `XXXX…` has one
# This one and the two of addresses begin with a set of characters, not with a look behind or in any case: Python goes
# through a text for such a pattern ten times as fast.
_ASSIGNED = re.compile(
    r"""[aApPsS](?i:(?<=p)assw(?:or)?d|(?<=p)asswd|(?<=p)wd|(?<=s)ecret(?:_?key)?
        |(?<=a)pi_?key|(?<=a)uth_?token|(?<=a)ccess_?token)
        ["']?\s*(?:=>|:=|=|:)\s*(?P<quote>["'])(?P<secret>[^"'\s\\]{6,100})(?P=quote)""",
    re.VERBOSE,
)
_IN_URL = re.compile(r"://[^\s:/@'\"<>{}$]{1,60}:(?P<secret>[^\s:/@'\"<>{}\[\]$%]{3,100})@(?P<host>[\w.-]+)")
_NO_HOST = re.compile(
    r"(?i)(?:[\w.-]*\.)?(?:example|test|invalid|localhost|domain|host|hostname|server|company|mycompany|foo|bar"
    r"|wherever|somewhere|proxy|myproxy)(?:\.\w+)*|127\.[\d.]+|192\.168\.[\d.]+"
)
_PLACEHOLDER = re.compile(
    r"(?i)x{3,}|\*{2,}|\.{3}|<|>|\$|\{|%|your|example|change|dummy|fake|test|sample|placeholder|none|null|^pass|password"
    r"|passwd|secret|insert|redacted|foo|bar|todo|username|token|key$"
)

_LOCAL_PART = re.compile(r"(?<![\w.%+@/:-])[A-Za-z0-9][A-Za-z0-9._%+-]{1,63}\Z")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?\.)+(?P<top>[A-Za-z]{2,12})(?![\w@(\[=-])(?!\.\w)"
)
_TOP_DOMAINS_TEXT = "com org net edu gov mil int info biz name dev app io ai cloud tech online site xyz"
_TOP_DOMAINS = frozenset(_TOP_DOMAINS_TEXT.split())
_NOBODY = re.compile(
    r"(?i)(?:^(?:git|svn|hg|noreply|no-reply|root|user|username|foo|bar|name|you|your\.?\w*|email|me|(?:your|my|some)[-_.]\w+)@)"
    r"|@(?:[\w.-]*\.)?(?:example|test|invalid|localhost|domain|host|server|company|mycompany|foo|bar|email|mail)\.\w+$"
    r"|@users\.noreply\.github\.com$|@(?:[\w.-]*\.)?example\.[\w.]+$"
    r"|@(?:openssh\.com|libssh\.org)$"  # names of SSH's algorithms: aes256-gcm@openssh.com (RFC 4251, 6)
)

_IPV4 = re.compile(r"\d(?<![\w.:+-]\d)\d{0,2}\.(?:\d{1,3}\.){2}\d{1,3}(?![\w-]|\.\d|\.(?i:in-addr))")
_IPV6 = re.compile(r"[23](?<![\w.:].)[0-9A-Fa-f]{3}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:.])")  # global ones: 2000::/3
_NETWORK = re.compile(
    r"(?i)(?<![a-z])(?:ip|ipv4|ipv6|addr|address|host|hosts|hostname|server|gateway|ssh|ping|http|https|ftp|dns|url|port|proxy"
    r"|socket|listen|connect|bind|remote|client|router|subnet|netmask|inet|ip_address|server_ip|scp|telnet|node)(?![a-z])|://"
)
_SECTIONS = 32  # numbers of sections, versions and examples are smaller than this
_NEAR = 80  # characters before and behind an address in which something says that it is one
_BEHIND_NUMBER, _BEFORE_NUMBER = re.compile(r"\d[ ,;]{1,2}\Z"), re.compile(r"[ ,;]{0,2}[-.\d]")
_COUNTED = "01234567890"
_NAME_SERVERS = frozenset(["8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"])

_FORMAL = frozenset(["coq", "isabelle", "lean", "agda", "idris", "metamath", "hollight"])
"""Languages of proofs: a quoted word behind `token :=` is a proof's, not a password."""


class Span(NamedTuple):
    """What is replaced: a span of characters, what it is, and by what."""

    start: int
    end: int
    kind: str
    placeholder: str


_PERSONAL_SIEVES = {
    "email": r"[A-Za-z0-9]@[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z]{2}",
    "ip-address": r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{0,4}:",
}
_OTHER_SIEVES = {
    "private-key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
    "password": r"""(?i)(?:passw|pwd|secret|api_?key|token)[a-z_]*["']?\s*(?:=>|:=|=|:)\s*["'][^"'\s\\]{6}""",
    "password-in-url": r"""://[^\s:/@'"<>{}$]{1,60}:[^\s:/@'"<>{}$%]{3,100}@""",
}
"""For each kind that no rule of detect-secrets names: what a text must have to be looked at, a pattern of Rust's."""


def marks(texts: pl.Series, *, secrets: bool, personal: bool, content: Texts | None = None) -> pl.DataFrame:
    """Mark, in native code, the texts that may hold something to redact: a column of booleans for each kind.

    Args:
        texts: documents.
        secrets: whether to look for keys, tokens and passwords.
        personal: whether to look for e-mail and IP addresses.
        content: their bytes, where they are at hand already.
    """
    flags = sieve.sift(*(content or as_texts(texts)))
    found = {}
    if secrets:
        for number, kind in enumerate(sieve.KINDS):
            found[kind] = _sifted(texts, flags & np.uint32(1 << number), *_secret_sieves()[kind])
    if personal:
        for flag, (kind, pattern) in zip((sieve.EMAIL, sieve.ADDRESS), _PERSONAL_SIEVES.items(), strict=True):
            found[kind] = _sifted(texts, flags & flag, pl.col("text").str.contains(pattern))
    return pl.DataFrame(found)


def _sifted(texts: pl.Series, flags: sieve.Flags, *patterns: pl.Expr) -> pl.Series:
    """Mark, of the texts that have a flag, those that pass all patterns."""
    left = pl.DataFrame({"row": np.flatnonzero(flags)}).with_columns(text=texts.gather(np.flatnonzero(flags)))
    for pattern in patterns if left.height else ():
        left = left.filter(pattern)
    passed = np.zeros(flags.size, np.bool_)
    passed[left["row"].to_numpy()] = True
    return pl.Series(passed)


@cache
def _secret_sieves() -> dict[str, list[pl.Expr]]:
    sieves = {kind: [pl.col("text").str.contains(pattern)] for kind, pattern in _OTHER_SIEVES.items()}
    for kind, patterns in _rules():
        # Rust's patterns look neither ahead nor behind; what they let through is looked at closely.
        plain = "|".join(
            f"(?{'i' if one.flags & re.IGNORECASE else '-i'}:{one.pattern.replace(_NO_WORD_BEHIND, '')})"
            for one in patterns
        )
        named = [pl.col("text").str.contains_any(list(sieve.WORDS[kind]), ascii_case_insensitive=True)]
        sieves[kind] = [*(named if kind in _NAMED else ()), pl.col("text").str.contains(plain)]
    return sieves


_NO_WORD_BEHIND = r"(?!\w)"
_NAMED = frozenset(["discord", "telegram"])
"""Kinds whose pattern fits too much else: the service must be named in the text."""


def redact(text: str, lang: str | None, kinds: Collection[str]) -> tuple[str, Counter[str]]:
    """Replace what is secret or personal in one text.

    Args:
        text: the document.
        lang: its language, or None.
        kinds: what to look for: the columns of `marks` that are true.

    Returns:
        The new text, and how many of each kind were replaced.
    """
    spans = [*_secrets(text, lang, kinds)]
    if "email" in kinds:
        spans += _emails(text)
    if "ip-address" in kinds:
        spans += _addresses(text)
    if not spans:
        return text, Counter()
    pieces, at, counts = [], 0, Counter[str]()
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= at:
            pieces += [text[at : span.start], span.placeholder]
            at = span.end
            counts[span.kind] += 1
    return "".join([*pieces, text[at:]]), counts


@cache
def _rules() -> list[tuple[str, list[re.Pattern[str]]]]:
    return [(kind, list(_patterns(detector))) for kind, detector in _TOKENS.items()]


def _patterns(detector: Any) -> Iterable[re.Pattern[str]]:
    """The patterns of a rule: a class attribute in fact, a property by its type."""
    patterns: Iterable[re.Pattern[str]] = detector.denylist
    return patterns


def _secrets(text: str, lang: str | None, kinds: Collection[str]) -> Iterator[Span]:
    for found in _PRIVATE_KEY.finditer(text) if "private-key" in kinds else ():
        body = _KEY_BODY.search(found.group())
        if body is None or len(set(body.group())) < _KEY_CHARACTERS:
            continue  # the markers alone, in a program that reads keys, or an example
        yield Span(found.start(), found.end(), "private-key", KEY)
    for kind, patterns in _rules():
        for pattern in patterns if kind in kinds else ():
            for found in pattern.finditer(text):
                # A group is the secret, or only the token's prefix.
                group = found.lastindex if found.lastindex and len(found[found.lastindex]) >= 16 else 0
                start, end = found.span(group)
                end = _JWT_TAIL.match(text, end).end() if kind == "jwt" else end  # type: ignore[union-attr]
                if not _is_inside(text, start, end) and _is_token(kind, text[start:end]):
                    yield Span(start, end, kind, KEY)
    if lang not in _FORMAL:
        yield from _passwords(text, kinds)


def _is_inside(text: str, start: int, end: int) -> bool:
    """Whether a span is only a part of a longer word, such as a hash."""
    return (start > 0 and (text[start - 1].isalnum() or text[start - 1] in "+/_")) or (
        end < len(text) and (text[end].isalnum() or text[end] in "+/_")
    )


def _is_token(kind: str, token: str) -> bool:
    """Whether what matched can be a token: a JSON Web Token says its algorithm, and no key is the documentation's."""
    if kind == "jwt":
        head = token.split(".")[0]
        try:
            return "alg" in json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        except ValueError:
            return False
    return "EXAMPLE" not in token.upper()


def _passwords(text: str, kinds: Collection[str]) -> Iterator[Span]:
    assigned = _ASSIGNED.finditer(text) if "password" in kinds else ()
    in_urls = _IN_URL.finditer(text) if "password-in-url" in kinds else ()
    chosen = [found for found in assigned if _looks_chosen(found["secret"])]
    chosen += [found for found in in_urls if not _NO_HOST.fullmatch(found["host"])]
    for found in chosen:
        if not _PLACEHOLDER.search(found["secret"]):
            yield Span(found.start("secret"), found.end("secret"), "password", PASSWORD)


def _looks_chosen(secret: str) -> bool:
    """Whether a quoted word is a password rather than a name: it mixes kinds of characters."""
    kinds = sum(
        any(test(character) for character in secret)
        for test in (str.islower, str.isupper, str.isdigit, lambda character: not character.isalnum())
    )
    counts = Counter(secret).values()
    bits = -sum(count / len(secret) * math.log2(count / len(secret)) for count in counts)
    return kinds >= 2 and any(character.isdigit() for character in secret) and bits >= 2.5


def _emails(text: str) -> Iterator[Span]:
    at = text.find("@")
    while at >= 0:
        # From the sign outwards: every other word of the text would be tried as a name.
        domain = _DOMAIN.match(text, at + 1)
        local = _LOCAL_PART.search(text, max(at - 65, 0), at) if domain else None
        if domain and local:
            top, address = domain["top"].lower(), text[local.start() : domain.end()]
            if (top in _TOP_DOMAINS or len(top) == 2) and not _NOBODY.search(address):
                yield Span(local.start(), domain.end(), "email", EMAIL)
        at = text.find("@", at + 1)


def _addresses(text: str) -> Iterator[Span]:
    for pattern in (_IPV4, _IPV6):
        for found in pattern.finditer(text):
            if _is_somebodys(found.group()) and _is_network(text, found.start(), found.end()):
                yield Span(found.start(), found.end(), "ip-address", ADDRESS)


def _is_somebodys(address: str) -> bool:
    """Whether an address is one host's: not private, no network's, no made-up one such as 1.2.3.4 and 99.99.99.99."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        numbers = parsed.packed
        if max(numbers) < _SECTIONS or len(set(numbers)) == 1 or numbers[3] in (0, 255) or not any(numbers[1:3]):
            return False
        if address.replace(".", "") in _COUNTED or (numbers[0] <= 2 and numbers[1] < 40):
            return False  # 12.34.56.78, and an object identifier such as 2.5.4.87
    elif address.endswith("::"):
        return False
    return parsed.is_global and not parsed.is_multicast and address not in _NAME_SERVERS


def _is_network(text: str, start: int, end: int) -> bool:
    """Whether four numbers with points are an address: `Theorem 1.2.3.4`, a version, and a row of numbers are not."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end) if text.find("\n", end) >= 0 else len(text)
    before, behind = text[max(line_start, start - _NEAR) : start], text[end : min(line_end, end + _NEAR)]
    if re.match(r":\d{2,5}(?!\d)|/\d{1,2}(?!\d)", behind):
        return True
    if re.search(r"(?i)version|release|theorem|lemma|section|§|oid|\bv\.?\s*$", before[-30:]):
        return False
    if _BEHIND_NUMBER.search(before) and _BEFORE_NUMBER.match(behind):
        return False  # a table, or a path of SVG
    return _NETWORK.search(before) is not None or _NETWORK.search(behind) is not None
