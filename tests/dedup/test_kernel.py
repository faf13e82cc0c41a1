import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from algstack.dedup.digest import permutations
from algstack.dedup.kernel import BLOCK, new_scratch, sign
from algstack.dedup.shingles import shingle_hashes, signature_hashes
from algstack.dedup.texts import as_texts

VALUES = 68

TEXTS = [
    "",
    " \t\r\n",
    "a b c d",
    "a b c d e",
    "∀ (n : ℕ) → n + 0 ≡ n ; λ x → x ∘ f",
    "x" * (BLOCK + 100) + " a b c d e",
    "a b c d " + "y" * (3 * BLOCK) + " e",
    "w " * BLOCK,
    " ".join(f"token{n}" for n in range(10_000)),
    "".join(chr(65 + n % 26) * (n % 40) + " " for n in range(2000)),
    "a b c d e" + " " * (BLOCK - 9) + "f g",
    " " * (BLOCK - 3) + "straddling the block's end a b c d e",
    "nul\0is\0no\0token\0byte",
    "tail bytes: one two three four five123456789",
]


def _signatures(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    texts, chosen = as_texts(array), permutations(VALUES)
    signatures = np.empty((len(texts), len(chosen.factors)), np.uint32)
    counts = np.empty(len(texts), np.int64)
    sign(texts.data, texts.offsets, chosen.factors, chosen.summands, new_scratch(), signatures, counts)
    return signatures[:, :VALUES], counts


def _expected(text: str) -> MinHash:
    expected = MinHash(VALUES, hashfunc=int)
    expected.update_batch(signature_hashes(shingle_hashes(text.encode())))
    return expected


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_signatures_are_datasketch_s_to_the_bit(text: str) -> None:
    # Alone in its buffer, so that the text's end is the buffer's end.
    (signature,), (count,) = _signatures(pa.array([text]))
    assert count == len(shingle_hashes(text.encode()))
    assert (signature == _expected(text).hashvalues).all()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(alphabet=" \n\tab_9∀λ\0.é", max_size=300), max_size=8), st.integers(0, 3))
def test_any_texts_in_any_slice(texts: list[str], skipped: int) -> None:
    array = pa.array(["before", *texts, None], pa.string()).slice(min(skipped, len(texts)))
    signatures, counts = _signatures(array)
    for signature, count, text in zip(signatures, counts, array.to_pylist(), strict=True):
        assert count == len(shingle_hashes((text or "").encode()))
        assert (signature == _expected(text or "").hashvalues).all()


@pytest.mark.parametrize(
    "type_",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_every_type_of_text(type_: pa.DataType) -> None:
    array = pa.array(TEXTS).cast(type_) if type_ != pa.string_view() else pa.array(TEXTS, type_)
    assert (_signatures(array)[0] == _signatures(pa.array(TEXTS))[0]).all()


def test_bytes_that_are_no_utf8_are_hashed_all_the_same() -> None:
    content = b"\xff\xfe bad \x80 bytes \xc3 in here"
    (signature,), (count,) = _signatures(pa.array([content]))
    assert count == len(shingle_hashes(content)) > 0
    expected = MinHash(VALUES, hashfunc=int)
    expected.update_batch(signature_hashes(shingle_hashes(content)))
    assert (signature == expected.hashvalues).all()


def test_minhash_lsh_takes_the_signatures() -> None:
    near = TEXTS[8].replace("token500 ", "other ")
    one, other, third = (
        MinHash(hashvalues=row, scheme="affine32") for row in _signatures(pa.array([TEXTS[8], near, TEXTS[9]]))[0]
    )
    lsh = MinHashLSH(threshold=0.7, num_perm=VALUES)
    lsh.insert("a", one)
    assert lsh.query(other) == ["a"]
    assert lsh.query(third) == []
    assert one.jaccard(other) > 0.9


PROGRAM = """
import json, sys
import numpy as np, pyarrow as pa
from tests.dedup.test_kernel import TEXTS, _signatures
print(json.dumps(_signatures(pa.array(TEXTS))[0].astype(int).sum(axis=1).tolist()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processor", "features"),
    [("haswell", "+avx2"), ("nehalem", "+sse4.2"), ("x86-64", "+sse2")],
    ids=["avx2", "sse4", "sse2"],
)
def test_older_processors_give_the_same(
    processor: str, features: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("these are x86 processors")
    cache = tmp_path_factory.mktemp("numba")
    environment = os.environ | {
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(cache),
    }
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == _signatures(pa.array(TEXTS))[0].astype(int).sum(axis=1).tolist()
