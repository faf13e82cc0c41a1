from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algstack.crawl.tar import Damage, GzipStream, TarStream

Members = list[tuple[str, bytes, str]]


def pack(members: Iterable[tuple[tarfile.TarInfo, bytes]], format_: int = tarfile.PAX_FORMAT) -> bytes:
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=format_) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return unpacked.getvalue()


def ours(tar: bytes) -> Members:
    stream = TarStream(io.BytesIO(tar))
    return [(member.name, stream.read(member.size), member.kind.decode()) for member in stream.members()]


def theirs(tar: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        found = []
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            found.append((member.name, file.read() if file else b"", member.type.decode()))
        return found


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@settings(deadline=None)
@given(
    members=st.lists(
        st.tuples(
            st.text("ab/é∀ \n'\\", min_size=1, max_size=140).filter(lambda name: name.strip("/")),
            st.binary(max_size=1500),
        ),
        max_size=6,
    )
)
def test_reads_what_tarfile_writes(format_: int, members: list[tuple[str, bytes]]) -> None:
    try:
        tar = pack(((tarfile.TarInfo(name), content) for name, content in members), format_)
    except ValueError:  # ustar has no room for the name
        return
    assert [(name.rstrip("/"), content, kind) for name, content, kind in ours(tar)] == [
        (name.rstrip("/"), content, kind) for name, content, kind in theirs(tar)
    ]


def test_links_folders_and_devices_have_no_content() -> None:
    infos = []
    for name, kind in (("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("f", tarfile.DIRTYPE), ("p", tarfile.FIFOTYPE)):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "to"
        infos.append((info, b""))
    members = [*TarStream(io.BytesIO(pack(infos))).members()]
    assert [(m.name, m.is_link, m.is_file, m.link) for m in members] == [
        ("l", True, False, "to"),
        ("h", True, False, "to"),
        ("f/", False, False, "to"),
        ("p", False, False, "to"),
    ]


def test_sizes_above_eight_gigabytes() -> None:
    """GNU writes them in base 256, pax in a header; both are only read here, not skipped."""
    for format_ in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("large")
        info.size = 10 * 2**30
        header = info.tobuf(format_)
        assert next(TarStream(io.BytesIO(header)).members()).size == 10 * 2**30


def test_content_that_was_not_read_is_skipped() -> None:
    tar = pack([(tarfile.TarInfo(str(number)), bytes([number]) * 300_000) for number in range(4)])
    stream = TarStream(io.BytesIO(tar))
    assert [stream.read(2) for _ in stream.members()] == [bytes([number]) * 2 for number in range(4)]


NOISE = random.Random(1).randbytes(200_000)
GOOD = pack([(tarfile.TarInfo("a"), NOISE), (tarfile.TarInfo("b"), b"b" * 10)])


def read_gzip(packed: bytes) -> bytes:
    stream = GzipStream(io.BytesIO(packed))
    return b"".join(iter(lambda: stream.read(10_000), b""))


@pytest.mark.parametrize("cut", [1, 100, 600, 100_000, 200_704, 201_000])
def test_a_tar_that_breaks_off(cut: int) -> None:
    with pytest.raises(Damage):
        ours(GOOD[:cut])


@pytest.mark.parametrize("at", [0, 100, 124, 150, 160, 257, 200_704 + 3])
def test_a_damaged_header(at: int) -> None:
    with pytest.raises(Damage):
        ours(GOOD[:at] + bytes([GOOD[at] ^ 0x41]) + GOOD[at + 1 :])


@pytest.mark.parametrize(
    "records", [b"x", b"9 path", b"999999 path=a\n", b"5 path=abc\n", b"-3 a=b\n", b"12 size=many\n"]
)
def test_a_broken_pax_header(records: bytes) -> None:
    header = tarfile.TarInfo("h")
    header.type = b"x"
    with pytest.raises(Damage):
        ours(pack([(header, records), (tarfile.TarInfo("a"), b"")]))


def test_gzip() -> None:
    packed = gzip.compress(GOOD)
    assert read_gzip(packed) == GOOD
    assert read_gzip(packed + packed) == GOOD + GOOD
    assert read_gzip(packed + bytes(1000)) == GOOD
    stream = GzipStream(io.BytesIO(packed))
    while stream.read(1 << 20):
        pass
    assert stream.packed == len(packed)


class Dripping(io.BytesIO):
    """Gives seven bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size or 0))


def test_how_packed_bytes_come_in_makes_no_difference() -> None:
    packed = gzip.compress(NOISE)
    seen = []
    for source in (io.BytesIO(packed), Dripping(packed)):
        stream = GzipStream(source)
        seen.append([(stream.read(1000), stream.packed) for _ in range(150)])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("cut", [0, 5, 1000, 100_000])
def test_a_gzip_that_breaks_off(cut: int) -> None:
    with pytest.raises(Damage):
        read_gzip(gzip.compress(GOOD)[:cut])


def test_a_gzip_that_breaks_off_in_its_checksum_is_damaged_though_all_data_are_there() -> None:
    with pytest.raises(Damage):
        read_gzip(gzip.compress(GOOD)[:-3])


@pytest.mark.parametrize("at", [0, 50, 100_000, -6, -2])
def test_every_damaged_byte_of_a_gzip_is_seen(at: int) -> None:
    packed = bytearray(gzip.compress(GOOD))
    packed[at] ^= 0x10
    with pytest.raises(Damage):
        read_gzip(bytes(packed))
