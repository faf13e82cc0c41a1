"""Count tokens with the tokenizer that the manifest names, without network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from algstack.dataset import sha256_file
from algstack.errors import AlgstackError, ManifestError

BUILT_IN = ("cl100k_base", "o200k_base")
"""Tokenizers that rs-bpe carries; their counts equal tiktoken's."""

Count = Callable[[Sequence[str]], list[int]]


def identity(tokenizer: str, folder: Path) -> dict[str, str]:
    """Return what decides the counts: the name, and for a file its sha256.

    Args:
        tokenizer: as the manifest writes it.
        folder: where relative paths of the manifest start.

    Raises:
        ManifestError: it is neither built in nor a file.
    """
    if tokenizer in BUILT_IN:
        return {"name": tokenizer}
    path = folder / Path(tokenizer).expanduser()
    if not path.is_file():
        raise ManifestError(
            f"release.tokenizer: `{tokenizer}` is not a file and not one of {', '.join(BUILT_IN)}. "
            "Name one of these or the path of a tokenizer.json."
        )
    return {"name": path.name, "sha256": sha256_file(path)}


@lru_cache(maxsize=4)
def counter(tokenizer: str, folder: Path) -> Count:
    """Return the function that counts the tokens of texts, special tokens excluded.

    Raises:
        AlgstackError: the extra for tokenizer files is not installed, or the file is not a tokenizer.
    """
    if tokenizer in BUILT_IN:
        return _built_in(tokenizer)
    return _from_file(folder / Path(tokenizer).expanduser())


def _built_in(name: str) -> Count:
    from rs_bpe.bpe import openai

    count = getattr(openai, name)().count
    return lambda texts: [count(text) for text in texts]


def _from_file(path: Path) -> Count:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise AlgstackError(
            f"release.tokenizer: reading {path.name} needs one more package: pip install 'algstack[hf-tokenizers]'."
        ) from None
    try:
        tokenizer: Any = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exceptions
        raise ManifestError(f"release.tokenizer: {path} is not a tokenizer.json ({error}).") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(one) for one in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
