"""Redaction: what is a secret or somebody's goes, what only looks like one stays."""

from __future__ import annotations

import base64
import hashlib
import json
import string

import polars as pl
import pytest

from algstack.decontaminate.redact import marks, redact

AWS = "AKIA" + "IOSFODNN7ABCDEFG"
LETTERS = string.ascii_lowercase + string.digits
BODY = "\n".join(base64.b64encode(hashlib.sha512(bytes([n])).digest()).decode()[:64] for n in range(6))
RSA = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256"}', b'{"sub":"12345678"}')
)
TOKENS = {
    "aws": AWS,
    "github": "ghp_" + LETTERS,
    "gitlab": "glpat-" + LETTERS[:20],
    "slack": "xoxb-123456789012-" + LETTERS[:24],
    "stripe": "sk_live_" + LETTERS[:24],
    "sendgrid": "SG." + LETTERS[:22] + "." + (LETTERS + LETTERS)[:43],
    "jwt": JWT + "." + LETTERS[:20],
    "pypi": "pypi-AgEIcHlwaS5vcmc" + (LETTERS * 3)[:80],
}


def redacted(text: str, lang: str | None = "python") -> str:
    after, counts = redact(text, lang, kinds(text))
    assert (after == text) == (not counts)
    assert redact(text, lang, marks(pl.Series([""]), secrets=True, personal=True).columns) == (after, counts), (
        "the sieve let something through"
    )
    return after


def kinds(text: str, *, secrets: bool = True, personal: bool = True) -> list[str]:
    """What the sieve says is to be looked for."""
    row = marks(pl.Series([text]), secrets=secrets, personal=personal).row(0, named=True)
    return [kind for kind, is_marked in row.items() if is_marked]


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_tokens(kind: str) -> None:
    assert redacted(f'key = "{TOKENS[kind]}"\nnext') == 'key = "<KEY>"\nnext'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"a\n{RSA}\nb", "a\n<KEY>\nb", id="an RSA block"),
        pytest.param('x = """' + RSA.replace("\n", "\\n") + '"""', 'x = """<KEY>"""', id="an escaped block"),
        pytest.param("write to bob.smith@uni.edu.", "write to <EMAIL>.", id="e-mail"),
        pytest.param("(* Ann <ann@lab.fr> *)", "(* Ann <<EMAIL>> *)", id="e-mail in brackets"),
        pytest.param("password = 'hunter2Xy!'", "password = '<PASSWORD>'", id="password"),
        pytest.param("https://bob:s3cr3tpw@db.acme.io/", "https://bob:<PASSWORD>@db.acme.io/", id="in a URL"),
        pytest.param("host = '52.14.77.201'", "host = '<IP_ADDRESS>'", id="IP"),
        pytest.param("ping 2a00:1450:4001:0812:0000:0000:0000:200e", "ping <IP_ADDRESS>", id="IPv6"),
        pytest.param("ping 2a00:1450::200e", "ping <IP_ADDRESS>", id="IPv6 with its zeros left out"),
    ],
)
def test_what_goes(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        pytest.param(f"h = 'dead{AWS}beef'", "python", id="inside a hash"),
        pytest.param(f"lemma {AWS}_add : a@b.c = 1", "lean", id="an identifier"),
        pytest.param(hashlib.sha256(b"x").hexdigest(), "python", id="a hash"),
        pytest.param("0.1.2.3 4.5.6.7\n8.9.10.11 64.65.66.67\n", "python", id="a table"),
        pytest.param("Theorem 1.2.3.4 and version 10.200.3.40", "tex", id="sections and versions"),
        pytest.param("@[simp] X@Y.T x@y.at[0] @import", "python", id="at signs"),
        pytest.param("you@example.com git@github.com:a/b noreply@x.org", "python", id="nobody's"),
        pytest.param('"2.5.4.87": "url"', "python", id="an object identifier"),
        pytest.param("# an address such as 123.45.67.89, host 172.0.0.10", "python", id="made-up addresses"),
        pytest.param('ip: "M9.1 5.5.28.39 12.13l4.62.85.77-1 7.74.75.75 0 0"', "html", id="a path of SVG"),
        pytest.param(
            '["ssh-rsa-cert-v01@openssh.com", "curve25519-sha256@libssh.org"]', "python", id="algorithms of SSH"
        ),
        pytest.param("127.0.0.1 192.168.1.1 host 10.0.0.1:80 dns 8.8.8.8", "python", id="nobody's addresses"),
        pytest.param("password = 'your_password1' token='<TOKEN>' pwd=\"${PWD1}\"", "python", id="placeholders"),
        pytest.param('password = "incorrect"', "python", id="a plain word"),
        pytest.param('lemma secret = "Aa1!xyz9"', "isabelle", id="a proof"),
        pytest.param(
            'B = "-----BEGIN RSA PRIVATE KEY-----"\nE = "-----END RSA PRIVATE KEY-----"', "python", id="marks"
        ),
        pytest.param("", None, id="empty"),
    ],
)
def test_what_stays(text: str, lang: str | None) -> None:
    assert redacted(text, lang) == text


def test_switches() -> None:
    text = f"{AWS} bob.smith@uni.edu"
    assert redact(text, None, kinds(text, secrets=False))[0] == f"{AWS} <EMAIL>"
    assert redact(text, None, kinds(text, personal=False))[0] == "<KEY> bob.smith@uni.edu"


def test_the_sieve() -> None:
    texts = pl.Series(["nothing", f"x {AWS}", "bob.smith@uni.edu", None, ""])
    marked = marks(texts, secrets=True, personal=True)
    assert [any(row) for row in marked.iter_rows()] == [False, True, True, False, False]
    assert marked.row(1, named=True)["aws"]
    assert marked.row(2, named=True)["email"]


def test_twice_is_once() -> None:
    text = json.dumps({"a": AWS, "b": "bob.smith@uni.edu", "password": "hunter2Xy!"}) + RSA
    assert redacted(redacted(text)) == redacted(text)
