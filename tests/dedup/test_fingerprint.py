import pyarrow as pa
import pytest

from algstack.dedup.fingerprint import fingerprints_of
from algstack.dedup.texts import as_texts


def _fingerprints(*texts: str | bytes | None) -> list[tuple[int, ...]]:
    return [tuple(row) for row in fingerprints_of(as_texts(pa.array(texts))).tolist()]


@pytest.mark.parametrize("text", ["x\r\ny", "x\ry", "x\n\r\n\ry", "\r", "\r\n" * 100, "no end\r"])
def test_line_ends_do_not_matter(text: str) -> None:
    one, other = _fingerprints(text, text.replace("\r\n", "\n").replace("\r", "\n"))
    assert one == other


def test_all_else_does() -> None:
    texts = [
        "",
        "\0",
        " ",
        "a",
        "b",
        *("a" * count for count in range(2, 100)),
        *("a" * 40 + chr(n) for n in range(98, 120)),
    ]
    texts += ["x" * at + "y" + "x" * (64 - at) for at in range(65)]
    assert len({*_fingerprints(*texts)}) == len({*texts})


def test_a_text_s_place_in_the_buffer_does_not_matter() -> None:
    texts = ["a" * count for count in range(40)]
    assert _fingerprints(*texts) == [_fingerprints(text)[0] for text in texts]
