"""Every trick that an archive can play, and the limits that end it."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from dlhub_build.archives import ArchiveLimits, Extracted, extract_archive
from proto_msgs.errors import DLHubError, Malformed, TooLarge

MIB = 2**20


def member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    return info


def tar_gz(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, members: Iterable[tuple[str, bytes]], mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def refused(path: Path, target: Path, limits: ArchiveLimits | None = None) -> DLHubError:
    """The error of an extraction that must leave nothing behind."""
    with pytest.raises((Malformed, TooLarge)) as caught:
        extract_archive(path, target / "out", limits)
    assert list(target.iterdir()) == []
    return caught.value


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_a_tar_gz_is_extracted_with_its_top_folder(tmp_path: Path, target: Path) -> None:
    content = [(member("./top/", tarfile.DIRTYPE), b""), (member("./top/model.bin"), b"abc")]
    archive = tar_gz(tmp_path / "a", content)
    assert extract_archive(archive, target / "out") == Extracted(files=1, size_bytes=3)
    assert files_below(target) == {"out/top/model.bin": b"abc"}


def test_a_zip_is_extracted_whatever_its_name(tmp_path: Path, target: Path) -> None:
    extract_archive(zipped(tmp_path / "a.tar.gz", [("x/y.txt", b"1"), ("x/", b"")]), target / "out")
    assert files_below(target) == {"out/x/y.txt": b"1"}


def test_a_plain_tar_is_extracted(tmp_path: Path, target: Path) -> None:
    plain = tmp_path / "a.zip"
    plain.write_bytes(gzip.decompress(tar_gz(tmp_path / "a", [(member("f"), b"1" * 700)]).read_bytes()))
    extract_archive(plain, target / "out")
    assert files_below(target) == {"out/f": b"1" * 700}


def test_modes_are_0644_and_0755_only(tmp_path: Path, target: Path) -> None:
    members = [
        (member("run.sh", mode=0o700), b"#!"),
        (member("secret", mode=0o600), b""),
        (member("open", mode=0o777), b""),
        (member("d", tarfile.DIRTYPE, mode=0o700), b""),
    ]
    extract_archive(tar_gz(tmp_path / "a", members), target / "out")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (target / "out").iterdir()}
    assert modes == {"run.sh": 0o755, "secret": 0o644, "open": 0o755, "d": 0o755}
    assert stat.S_IMODE((target / "out").stat().st_mode) == 0o755


def test_what_is_there_already_stays(tmp_path: Path, target: Path) -> None:
    (target / "out").mkdir()
    (target / "out" / "kept").write_text("1")
    extract_archive(tar_gz(tmp_path / "a", [(member("f"), b"")]), target / "out")
    assert files_below(target) == {"out/kept": b"1"}


def test_names_are_normalised(tmp_path: Path, target: Path) -> None:
    extract_archive(tar_gz(tmp_path / "a", [(member("a//./e\u0301.txt"), b"")]), target / "out")
    assert files_below(target) == {"out/a/\u00e9.txt": b""}


BAD_NAMES = [
    ("/etc/passwd", "absolute"),
    ("C:/windows", "absolute"),
    ("../up", "'..'"),
    ("a/../../up", "'..'"),
    ("a\\..\\up", "backslash"),
    ("a\nb", "U+000A"),
    ("a\u202egpj.exe", "U+202E"),
    ("bad\udcff", "not UTF-8"),
]


@pytest.mark.parametrize(("name", "rule"), BAD_NAMES)
def test_bad_names_in_a_tar_are_refused(name: str, rule: str, tmp_path: Path, target: Path) -> None:
    error = refused(tar_gz(tmp_path / "a", [(member("good"), b"1"), (member(name), b"1")]), target)
    assert isinstance(error, Malformed)
    assert rule in error.message


@pytest.mark.parametrize(("name", "rule"), [bad for bad in BAD_NAMES if "\udcff" not in bad[0]])
def test_bad_names_in_a_zip_are_refused(name: str, rule: str, tmp_path: Path, target: Path) -> None:
    error = refused(zipped(tmp_path / "a", [("good", b"1"), (name, b"1")]), target)
    assert rule in error.message


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "named pipe"),
        (tarfile.CONTTYPE, "unknown kind"),
    ],
)
def test_only_files_and_folders_are_taken(kind: bytes, what: str, tmp_path: Path, target: Path) -> None:
    error = refused(tar_gz(tmp_path / "a", [(member("evil", kind, link="good"), b"")]), target)
    assert "'evil'" in error.message
    assert what in error.message


def test_a_sparse_file_is_refused(tmp_path: Path, target: Path) -> None:
    info = member("sparse")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "sparse",
                        "GNU.sparse.size": "99999999999", "GNU.sparse.map": "0,1"}  # fmt: skip
    assert "sparse" in refused(tar_gz(tmp_path / "a", [(info, b"1")]), target).message


def test_a_link_in_a_zip_is_refused(tmp_path: Path, target: Path) -> None:
    error = refused(zipped(tmp_path / "a", [("evil", b"/etc/passwd")], mode=0o120777), target)
    assert "symbolic link" in error.message


def test_a_device_in_a_zip_is_refused(tmp_path: Path, target: Path) -> None:
    assert "neither" in refused(zipped(tmp_path / "a", [("evil", b"")], mode=0o020644), target).message


def test_set_user_id_is_refused(tmp_path: Path, target: Path) -> None:
    assert (
        "set-user-ID" in refused(tar_gz(tmp_path / "a", [(member("su", mode=0o4755), b"")]), target).message
    )


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["a", "a"], "twice"),
        (["a", "./a"], "twice"),
        (["Model.pkl", "model.pkl"], "upper and lower case"),
        (["data/x", "Data/y"], "upper and lower case"),
        (["a", "a/b"], "a file and a folder"),
        (["a/b", "a"], "a file and a folder"),
        (["e\u0301", "\u00e9"], "twice"),
    ],
)
def test_colliding_names_are_refused(names: list[str], rule: str, tmp_path: Path, target: Path) -> None:
    assert rule in refused(tar_gz(tmp_path / "a", [(member(n), b"") for n in names]), target).message


def test_a_duplicate_in_a_zip_is_refused(tmp_path: Path, target: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zipped(tmp_path / "a", [("a", b"1"), ("a", b"2")])
    assert "twice" in refused(archive, target).message


def test_an_encrypted_zip_is_refused(tmp_path: Path, target: Path) -> None:
    content = bytearray(zipped(tmp_path / "a", [("a", b"1")]).read_bytes())
    content[content.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a").write_bytes(content)
    assert "encrypted" in refused(tmp_path / "a", target).message


def test_a_zip_with_bzip2_is_refused(tmp_path: Path, target: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"0" * 10_000)
    assert "neither stored nor deflated" in refused(tmp_path / "a", target).message


@pytest.mark.parametrize("pack", [lambda p, m: tar_gz(p, [(member(n), c) for n, c in m]), zipped])
@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (ArchiveLimits(file_bytes=2 * MIB), "limit for one file"),
        (ArchiveLimits(total_bytes=5 * MIB), "together"),
        (ArchiveLimits(ratio=10, ratio_free_bytes=MIB), "times its own size"),
        (ArchiveLimits(members=1), "more than 1 members"),
    ],
)
def test_bombs_are_refused(
    pack: Callable[..., Path], limits: ArchiveLimits, says: str, tmp_path: Path, target: Path
) -> None:
    error = refused(pack(tmp_path / "a", [("a", bytes(3 * MIB)), ("b", bytes(3 * MIB))]), target, limits)
    assert isinstance(error, TooLarge)
    assert says in error.message


def test_a_size_that_is_only_claimed_is_refused_before_anything_is_written(
    tmp_path: Path, target: Path
) -> None:
    info = member("huge")
    info.size = 7 * 2**30
    (tmp_path / "a").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
    assert "limit for one file" in refused(tmp_path / "a", target).message


def test_a_huge_extended_header_is_refused(tmp_path: Path, target: Path) -> None:
    info = member("././@PaxHeader", tarfile.XHDTYPE)
    info.size = 500 * MIB
    with gzip.open(tmp_path / "a", "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(20 * MIB))
    assert "extended headers" in refused(tmp_path / "a", target).message


@pytest.mark.parametrize(
    ("name", "says"),
    [("/".join("abcdefghij"), "folders deep"), ("x" * 60, "more than 50"), ("y" * 300, "path")],
)
def test_long_and_deep_paths_are_refused(name: str, says: str, tmp_path: Path, target: Path) -> None:
    limits = ArchiveLimits(depth=9, path_bytes=50)
    error = refused(tar_gz(tmp_path / "a", [(member(name), b"")]), target, limits)
    assert isinstance(error, TooLarge)
    assert says in error.message


def test_a_name_longer_than_file_systems_take_is_refused(tmp_path: Path, target: Path) -> None:
    error = refused(tar_gz(tmp_path / "a", [(member("z" * 256), b"")]), target)
    assert "more than 255 bytes" in error.message


def test_a_hundred_thousand_members_are_refused_early(tmp_path: Path, target: Path) -> None:
    header, empty = member("x").tobuf(tarfile.USTAR_FORMAT), []
    for number in range(100_000):
        name = b"f%07d" % number
        block = bytearray(name + header[len(name) :])
        block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 8 * 32)
        empty.append(bytes(block))
    (tmp_path / "a").write_bytes(gzip.compress(b"".join(empty) + bytes(1024), 1))
    assert "more than 20,000 members" in refused(tmp_path / "a", target).message


def test_the_directory_of_a_zip_is_refused_by_its_own_count(tmp_path: Path, target: Path) -> None:
    archive = zipped(tmp_path / "a", [(f"f{number}", b"") for number in range(300)])
    assert "more than 200 members" in refused(archive, target, ArchiveLimits(members=200)).message


def test_the_directory_of_a_large_zip_is_found(tmp_path: Path, target: Path) -> None:
    content = zipped(tmp_path / "a", [("f", b"")]).read_bytes()
    end = content.rfind(b"PK\x05\x06")
    size, offset = struct.unpack_from("<2L", content, end + 12)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**9, 10**9, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    (tmp_path / "a").write_bytes(content[:end] + record + locator + content[end:])
    assert "members" in refused(tmp_path / "a", target).message


def test_implied_folders_count_as_members(tmp_path: Path, target: Path) -> None:
    archive = tar_gz(tmp_path / "a", [(member(f"{n}/a/b/c"), b"") for n in range(10)])
    assert "members" in refused(archive, target, ArchiveLimits(members=30)).message


@pytest.mark.parametrize("lost", [4, 600, 2000])
def test_a_cut_archive_is_refused(lost: int, tmp_path: Path, target: Path) -> None:
    archive = tar_gz(tmp_path / "a", [(member(str(n)), bytes(range(256)) * 8) for n in range(300)])
    archive.write_bytes(archive.read_bytes()[:-lost])
    assert "damaged" in refused(archive, target).message


def test_a_damaged_header_in_the_middle_is_no_end(tmp_path: Path, target: Path) -> None:
    archive = tar_gz(tmp_path / "a", [(member("a"), b"1"), (member("b"), b"2")])
    content = bytearray(gzip.decompress(archive.read_bytes()))
    content[1024] ^= 0xFF
    archive.write_bytes(gzip.compress(bytes(content)))
    assert "header in its middle" in refused(archive, target).message


def test_a_flipped_bit_in_the_content_is_noticed(tmp_path: Path, target: Path) -> None:
    content = bytearray(tar_gz(tmp_path / "a", [(member("a"), b"1" * 5000)]).read_bytes())
    content[-6] ^= 1  # within gzip's checksum
    (tmp_path / "a").write_bytes(content)
    assert "damaged" in refused(tmp_path / "a", target).message


def test_data_after_the_end_is_refused(tmp_path: Path, target: Path) -> None:
    plain = gzip.decompress(tar_gz(tmp_path / "a", [(member("a"), b"")]).read_bytes())
    (tmp_path / "a").write_bytes(gzip.compress(plain + bytes(3 * MIB)))
    assert "follows its end" in refused(tmp_path / "a", target).message


@pytest.mark.parametrize(
    ("start", "guess"), [(b"BZh91AY", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"%PDF", "reads;"), (b"", "reads;")]
)
def test_other_formats_are_named(start: bytes, guess: str, tmp_path: Path, target: Path) -> None:
    (tmp_path / "a").write_bytes(start)
    assert guess in refused(tmp_path / "a", target).message


def test_gzip_of_something_else_is_refused(tmp_path: Path, target: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"hello" * 1000))
    assert "damaged" in refused(tmp_path / "a", target).message


def test_a_zip_without_directory_is_refused(tmp_path: Path, target: Path) -> None:
    archive = zipped(tmp_path / "a", [("a", b"1")])
    archive.write_bytes(archive.read_bytes()[:-30])
    assert "damaged" in refused(archive, target).message


def test_a_checkpoint_ends_the_extraction(tmp_path: Path, target: Path) -> None:
    def stop(written_bytes: int, /) -> None:
        raise InterruptedError(written_bytes)

    archive = tar_gz(tmp_path / "a", [(member("a"), b"123")])
    with pytest.raises(InterruptedError):
        extract_archive(archive, target / "out", checkpoint=stop)
    assert list(target.iterdir()) == []


def test_a_negative_size_is_refused(tmp_path: Path, target: Path) -> None:
    block = bytearray(member("a").tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = b"\xff" * 10 + b"\xf0\x00"  # base 256: -4096
    block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 8 * 32)
    (tmp_path / "a").write_bytes(gzip.compress(bytes(block) + bytes(2048)))
    assert "damaged" in refused(tmp_path / "a", target).message


def test_an_entry_for_the_top_folder_itself_is_ignored(tmp_path: Path, target: Path) -> None:
    extract_archive(tar_gz(tmp_path / "a", [(member("./", tarfile.DIRTYPE), b"")]), target / "out")
    assert files_below(target) == {}


def test_a_file_without_a_name_is_refused(tmp_path: Path, target: Path) -> None:
    assert "no name" in refused(tar_gz(tmp_path / "a", [(member("./."), b"1")]), target).message
