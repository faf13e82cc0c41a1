import numpy as np
import pytest

from algstack.dedup.shingles import jaccard, shingle_hashes, shingle_set, signature_hashes, token_hash, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" \t\n", [], id="white-space"),
        pytest.param("a b_c 1.5", ["a", "b_c", "1", "5"], id="words"),
        pytest.param("∀ (n : ℕ) → n ≡ n", ["∀", "n", "ℕ", "→", "n", "≡", "n"], id="agda-operators"),
        pytest.param("fun x ↦ λx", ["fun", "x", "↦", "λx"], id="lean-operators"),
        pytest.param("a\0b", ["a", "b"], id="nul-separates"),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text.encode()) == [token.encode() for token in expected]


@pytest.mark.parametrize(("words", "count"), [(0, 0), (4, 0), (5, 1), (6, 2), (100, 96)])
def test_a_shingle_is_five_neighbouring_tokens(words: int, count: int) -> None:
    assert len(shingle_hashes(b" ".join(b"w%d" % n for n in range(words)))) == count


def test_a_shingle_knows_the_order_of_its_tokens() -> None:
    assert shingle_hashes(b"a b c d e")[0] != shingle_hashes(b"b a c d e")[0]
    assert shingle_hashes(b"a b c d e")[0] == shingle_hashes(b"a; b; (c) + d == e")[0]


def test_token_hash_tells_neighbouring_lengths_apart() -> None:
    seen = {token_hash(b"a" * length) for length in range(1, 100)}
    assert len(seen) == 99


def test_token_hash_is_pinned() -> None:
    # Indexes of releases hold these hashes: a change makes all of them useless.
    pinned = {
        b"a": 17521500348107062945,
        b"theorem": 69229080694433625,
        b"123456789": 17793187914990305693,
        b"a_token_longer_than_16_bytes": 5877806265479408783,
    }
    assert {token: token_hash(token) for token in pinned} == pinned
    assert shingle_hashes("∀ n ∈ ℕ , n".encode()).tolist() == [16577091218925260352]


def test_signature_hashes_are_the_upper_halves() -> None:
    hashes = np.array([0x0123456789ABCDEF], dtype=np.uint64)
    assert signature_hashes(hashes).tolist() == [0x01234567]


def test_jaccard() -> None:
    one, other = shingle_set(b"a b c d e f g h"), shingle_set(b"a b c d e f g x")
    assert jaccard(one, one) == 1
    assert jaccard(one, other) == 3 / 5
    assert jaccard(one, shingle_set(b"too short")) == 0
