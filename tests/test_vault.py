"""The vault: what goes in comes out, nothing plain touches the disk, and whatever was changed does not open."""

from __future__ import annotations

import base64
import errno
import gc
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kpr.errors import BadMessage, BadSettings, Locked
from kpr.security import vault as vault_module
from kpr.security.vault import CHUNK, MasterKey, Vault

KEY = bytes(range(32))
CANARY = b"canary-that-must-not-be-seen"
SMALL_CHUNK = 64
HEAD = 12
TAG = 16


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """An empty vault."""
    return Vault(tmp_path / "vault", MasterKey(KEY))


@contextmanager
def small_vault() -> Iterator[tuple[Vault, bytes]]:
    """A vault with chunks of 64 bytes, so that a few hundred bytes are several chunks; and a wrapped key."""
    with tempfile.TemporaryDirectory() as folder, patch.object(vault_module, "CHUNK", SMALL_CHUNK):
        small = Vault(Path(folder), MasterKey(KEY))
        yield small, small.new_wrapped_key()


def read_in_pieces(vault: Vault, name: str, key: bytes, piece: int = 50) -> bytes:
    """Read to the end, as the gate and the protection do."""
    with vault.open(name, key) as stream:
        return b"".join(iter(lambda: stream.read(piece), b""))


def on_disk(vault: Vault, name: str) -> Path:
    """The file under this name."""
    return vault.folder / f"{name}.vault"


# -- in and out ---------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=150), max_size=8), st.integers(1, 200))
def test_what_is_kept_comes_back(pieces: list[bytes], piece: int) -> None:
    """However it is cut up on the way in and on the way out, the content is the same."""
    content = b"".join(pieces)
    with small_vault() as (vault, key):
        with vault.create("a", key) as out:
            for part in pieces:
                assert out.write(part) == len(part)
        with vault.open("a", key) as stream:
            assert stream.size == len(content)
        assert read_in_pieces(vault, "a", key, piece) == content
        assert vault.get("a", key) == content


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7])
def test_sizes_around_the_chunks(vault: Vault, size: int) -> None:
    """Sizes at the edges of the real chunks come back, and ``size`` says them beforehand."""
    content = os.urandom(size)
    key = vault.new_wrapped_key()
    vault.put("a", key, content)
    with vault.open("a", key) as stream:
        assert stream.size == size
        assert stream.read() == content
        assert stream.read(1) == b""


def test_the_stream_goes_back_to_its_beginning(vault: Vault) -> None:
    """A reader tells where it is, starts over on ``seek(0)``, and goes nowhere else."""
    key = vault.new_wrapped_key()
    vault.put("a", key, b"0123456789")
    with vault.open("a", key) as stream:
        assert stream.read(4) == b"0123"
        assert stream.tell() == 4
        assert stream.seek(0) == 0
        assert stream.tell() == 0
        buffer = bytearray(6)
        assert stream.readinto(buffer) == 6
        assert bytes(buffer) == b"012345"
        assert stream.readinto(buffer) == 4
        with pytest.raises(OSError, match="beginning only"):
            stream.seek(3)


def test_xml_is_written_and_parsed_through_the_vault(vault: Vault) -> None:
    """lxml's streamed writer and its streamed parser both work on the vault's streams, over several chunks."""
    key = vault.new_wrapped_key()
    with vault.create("a", key) as out, etree.xmlfile(out, encoding="UTF-8") as xf, xf.element("rows"):
        for number in range(60_000):
            xf.write(etree.Element("row", number=str(number), text="some text"))
    with vault.open("a", key) as stream:
        assert stream.size > CHUNK
        numbers = []
        for _event, element in etree.iterparse(stream, tag="row"):
            numbers.append(int(element.get("number")))
            element.clear()
    assert numbers == list(range(60_000))


def test_keeping_again_replaces(vault: Vault) -> None:
    """The second file under one name takes the place of the first."""
    key = vault.new_wrapped_key()
    vault.put("a", key, b"first")
    vault.put("a", key, b"second")
    assert vault.get("a", key) == b"second"


def test_what_was_removed_is_gone(vault: Vault) -> None:
    """A removed file is not held any more, opening it is a clear error, and removing it twice is harmless."""
    key = vault.new_wrapped_key()
    vault.put("a", key, b"x")
    assert vault.holds("a")
    vault.remove("a")
    vault.remove("a")
    assert not vault.holds("a")
    with pytest.raises(BadMessage, match="not there"):
        vault.open("a", key)


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a.b", "a b", "a\0b"])
def test_a_name_is_an_opaque_id(vault: Vault, name: str) -> None:
    """A name that could lead out of the folder is refused."""
    with pytest.raises(ValueError, match="opaque"):
        vault.open(name, b"")


# -- whole or not at all ------------------------------------------------------------------------------------------


def write_and_fail(vault: Vault, key: bytes, error: BaseException) -> None:
    """Write several chunks to ``a``, then fail."""
    with vault.create("a", key) as out:
        out.write(bytes(3 * CHUNK))
        raise error


def test_a_body_that_fails_leaves_nothing(vault: Vault) -> None:
    """When the writing body fails its error comes through, and neither a file nor a part of one is left."""
    with pytest.raises(RuntimeError, match="the body"):
        write_and_fail(vault, vault.new_wrapped_key(), RuntimeError("the body failed"))
    assert list(vault.folder.iterdir()) == []


def test_a_body_that_fails_keeps_the_older_file(vault: Vault) -> None:
    """What was kept before stays as it was when its replacement fails."""
    key = vault.new_wrapped_key()
    vault.put("a", key, b"older")
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(vault, key, KeyboardInterrupt())
    assert vault.get("a", key) == b"older"
    assert list(vault.folder.iterdir()) == [on_disk(vault, "a")]


def test_nothing_is_visible_while_it_is_written(vault: Vault) -> None:
    """Nobody can open a file before it is whole."""
    key = vault.new_wrapped_key()
    with vault.create("a", key) as out:
        out.write(bytes(2 * CHUNK))
        assert not vault.holds("a")
    assert vault.holds("a")


def test_a_full_disk_is_a_clear_error(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk gives a sentence with a remedy, and leaves nothing behind."""

    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadSettings, match="No space left") as caught:
        vault.put("a", vault.new_wrapped_key(), b"x")
    assert "Make room" in caught.value.remedy
    assert list(vault.folder.iterdir()) == []


def test_a_failing_writer_is_not_swallowed_by_lxml(vault: Vault) -> None:
    """An error while lxml writes ends the file, too."""
    with (
        pytest.raises(RuntimeError, match="row"),
        vault.create("a", vault.new_wrapped_key()) as out,
        etree.xmlfile(out) as xf,
        xf.element("rows"),
    ):
        raise RuntimeError("a row failed")
    assert not vault.holds("a")


def test_two_writers_under_one_name_do_not_mix(vault: Vault) -> None:
    """Whoever ends last wins, whole; the other one's bytes never end up in its file."""
    key = vault.new_wrapped_key()
    with vault.create("a", key) as first:
        first.write(b"1" * (2 * CHUNK + 5))
        with vault.create("a", key) as second:
            second.write(b"2" * 10)
        assert vault.get("a", key) == b"2" * 10
        first.write(b"1" * 10)
    assert vault.get("a", key) == b"1" * (2 * CHUNK + 15)
    assert list(vault.folder.iterdir()) == [on_disk(vault, "a")]


def test_an_error_of_the_body_stays_what_it_was(vault: Vault) -> None:
    """A time-out of the source is not reported as a full disk, though both are an OSError in Python."""
    with pytest.raises(TimeoutError, match="the source"):
        write_and_fail(vault, vault.new_wrapped_key(), TimeoutError("the source did not answer"))
    assert list(vault.folder.iterdir()) == []


def test_the_folder_is_synced_after_the_rename(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, then the entry in its folder, are forced to disk: a power cut takes back neither."""
    synced = []

    def note(number: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(number).st_mode))

    monkeypatch.setattr(os, "fsync", note)
    vault.put("a", vault.new_wrapped_key(), b"x")
    assert synced == [False, True]


# -- what was changed does not open -------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 300), st.data())
def test_a_changed_byte_is_detected(size: int, data: st.DataObject) -> None:
    """Whichever byte of the file is changed, reading it to the end is an error."""
    with small_vault() as (vault, key):
        vault.put("a", key, os.urandom(size))
        kept = bytearray(on_disk(vault, "a").read_bytes())
        kept[data.draw(st.integers(0, len(kept) - 1))] ^= data.draw(st.integers(1, 255))
        on_disk(vault, "a").write_bytes(kept)
        with pytest.raises(BadMessage):
            vault.get("a", key)
        with pytest.raises(BadMessage):
            read_in_pieces(vault, "a", key)


def test_every_shorter_file_is_detected_at_its_end() -> None:
    """Cut off anywhere, at the edge of a chunk too, reading in pieces to the end is an error."""
    with small_vault() as (vault, key):
        vault.put("a", key, os.urandom(3 * SMALL_CHUNK))
        kept = on_disk(vault, "a").read_bytes()
        for size in range(len(kept)):
            on_disk(vault, "a").write_bytes(kept[:size])
            with pytest.raises(BadMessage):
                read_in_pieces(vault, "a", key)


@pytest.mark.parametrize("size", [3 * SMALL_CHUNK, 2 * SMALL_CHUNK + 5, 1, 0])
def test_every_shorter_file_is_detected_when_it_is_read_at_once(size: int) -> None:
    """Cut off anywhere, ``get`` and ``read(size)`` are errors too, though they never ask for what is behind."""
    with small_vault() as (vault, key):
        vault.put("a", key, os.urandom(size))
        kept = on_disk(vault, "a").read_bytes()
        for cut in range(len(kept)):
            on_disk(vault, "a").write_bytes(kept[:cut])
            with pytest.raises(BadMessage):
                vault.get("a", key)
            with pytest.raises(BadMessage):
                read_said_size(vault, "a", key)


def read_said_size(vault: Vault, name: str, key: bytes) -> bytes:
    """Read just as many bytes as the stream says it has, as the protection does."""
    with vault.open(name, key) as stream:
        return stream.read(stream.size)


def test_an_empty_file_cannot_be_forged() -> None:
    """A head and a tag that anybody can make are no empty file."""
    with small_vault() as (vault, key):
        vault.folder.joinpath("a.vault").write_bytes(b"KPR1" + bytes(24))
        with pytest.raises(BadMessage, match="changed"):
            vault.get("a", key)


@pytest.mark.parametrize("more", [1, TAG, SMALL_CHUNK + TAG, 3 * SMALL_CHUNK])
def test_a_longer_file_is_detected(more: int) -> None:
    """Bytes behind the last chunk are an error."""
    with small_vault() as (vault, key):
        vault.put("a", key, os.urandom(3 * SMALL_CHUNK))
        on_disk(vault, "a").write_bytes(on_disk(vault, "a").read_bytes() + bytes(more))
        with pytest.raises(BadMessage):
            read_in_pieces(vault, "a", key)


def chunks_of(kept: bytes) -> list[bytes]:
    """Head and sealed chunks of a file with small chunks."""
    step = SMALL_CHUNK + TAG
    return [kept[:HEAD], *(kept[at : at + step] for at in range(HEAD, len(kept), step))]


@pytest.mark.parametrize("order", [(2, 1, 3), (1, 1, 3), (1, 3), (2, 3), (1, 2, 2), (3,), (1, 2, 3, 3)])
def test_moved_lost_and_doubled_chunks_are_detected(order: tuple[int, ...]) -> None:
    """Chunks in another order, or not all of them, or one of them twice, do not open."""
    with small_vault() as (vault, key):
        vault.put("a", key, os.urandom(3 * SMALL_CHUNK))
        chunks = chunks_of(on_disk(vault, "a").read_bytes())
        assert len(chunks) == 4
        on_disk(vault, "a").write_bytes(chunks[0] + b"".join(chunks[number] for number in order))
        with pytest.raises(BadMessage):
            read_in_pieces(vault, "a", key)


def test_chunks_of_two_versions_do_not_mix() -> None:
    """A chunk of an older file under the same name and key does not open in the newer one."""
    with small_vault() as (vault, key):
        vault.put("a", key, os.urandom(2 * SMALL_CHUNK))
        older = chunks_of(on_disk(vault, "a").read_bytes())
        vault.put("a", key, os.urandom(2 * SMALL_CHUNK))
        newer = chunks_of(on_disk(vault, "a").read_bytes())
        on_disk(vault, "a").write_bytes(newer[0] + newer[1] + older[2])
        with pytest.raises(BadMessage):
            vault.get("a", key)


def test_a_file_under_another_name_does_not_open(vault: Vault) -> None:
    """A file cannot be passed off as another one, even under the same data key."""
    key = vault.new_wrapped_key()
    vault.put("a", key, b"content of a")
    on_disk(vault, "a").rename(on_disk(vault, "b"))
    with pytest.raises(BadMessage, match="changed"):
        vault.get("b", key)


def test_another_data_key_does_not_open(vault: Vault) -> None:
    """Each submission's data key opens its own files only."""
    vault.put("a", vault.new_wrapped_key(), b"content")
    with pytest.raises(BadMessage, match="changed"):
        vault.get("a", vault.new_wrapped_key())


@pytest.mark.parametrize("wrapped", [bytes(8), bytes(40), bytes(41)], ids=len)
def test_a_broken_wrapped_key_is_refused(vault: Vault, wrapped: bytes) -> None:
    """A wrapped key that is not one is an error with a remedy, before anything is kept."""
    with pytest.raises(BadSettings, match="does not open"):
        vault.put("a", wrapped, b"x")
    assert list(vault.folder.glob("*")) == []


def test_a_destroyed_key_is_told_apart_from_a_broken_one(vault: Vault) -> None:
    """Where the key was destroyed nothing is kept, and nothing is read: it says so instead of asking for the file."""
    vault.put("a", vault.new_wrapped_key(), b"content")
    for work in (lambda: vault.put("b", b"", b"x"), lambda: vault.get("a", b""), lambda: vault.get("gone", b"")):
        with pytest.raises(Locked, match="slettet for godt"):
            work()
    assert [path.name for path in vault.folder.iterdir()] == ["a.vault"]


def test_many_are_removed_at_once_with_what_killed_writers_left(vault: Vault) -> None:
    """Only the named files and their parts go, however many, and those that are gone already are passed over."""
    key = vault.new_wrapped_key()
    for name in ("a", "ab", "c"):
        vault.put(name, key, b"content")
    (vault.folder / "a.0123.part").write_bytes(b"x")
    (vault.folder / "ab.0123.part").write_bytes(b"x")
    vault.remove_all(["a", "c", "gone"])
    assert sorted(path.name for path in vault.folder.iterdir()) == ["ab.0123.part", "ab.vault"]


# -- nothing plain ------------------------------------------------------------------------------------------------


def test_no_plain_byte_is_on_disk_at_any_time(vault: Vault) -> None:
    """A planted word is never found in the folder, neither while it is written nor afterwards."""

    def seen() -> bool:
        return any(CANARY in path.read_bytes() for path in vault.folder.rglob("*"))

    key = vault.new_wrapped_key()
    with vault.create("a", key) as out:
        for _ in range(3 * CHUNK // len(CANARY)):
            out.write(CANARY)
        assert [path.stat().st_size > CHUNK for path in vault.folder.iterdir()] == [True]
        assert not seen()
    assert not seen()
    assert vault.get("a", key).startswith(CANARY)


def test_equal_content_looks_different(vault: Vault) -> None:
    """Keeping the same bytes twice gives files with no chunk in common."""
    key = vault.new_wrapped_key()
    vault.put("a", key, bytes(1000))
    first = on_disk(vault, "a").read_bytes()
    vault.put("a", key, bytes(1000))
    second = on_disk(vault, "a").read_bytes()
    assert first[HEAD:] != second[HEAD:]
    assert first[4:HEAD] != second[4:HEAD]


def test_only_the_owner_can_read_the_files(vault: Vault) -> None:
    """Folder and files give no rights to group or others."""
    vault.put("a", vault.new_wrapped_key(), b"x")
    assert stat.S_IMODE(vault.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(on_disk(vault, "a").stat().st_mode) == 0o600


def test_errors_hold_no_content(vault: Vault) -> None:
    """The error about a changed file shows neither its content nor its key."""
    key = vault.new_wrapped_key()
    vault.put("a", key, CANARY)
    kept = bytearray(on_disk(vault, "a").read_bytes())
    kept[-1] ^= 1
    on_disk(vault, "a").write_bytes(kept)
    with pytest.raises(BadMessage) as caught:
        vault.get("a", key)
    assert CANARY.decode() not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# -- the municipality's key ---------------------------------------------------------------------------------------


def test_a_new_key_can_be_loaded(tmp_path: Path) -> None:
    """A key that was made is loaded from its file, and opens what the first one wrapped."""
    made = MasterKey.make(tmp_path / "keys" / "municipality.key")
    assert stat.S_IMODE((tmp_path / "keys" / "municipality.key").stat().st_mode) == 0o600
    wrapped = made.wrap(KEY)
    assert MasterKey.load(tmp_path / "keys" / "municipality.key").unwrap(wrapped) == KEY


def test_two_new_keys_differ(tmp_path: Path) -> None:
    """Each key is random: one does not open what the other wrapped."""
    first, second = MasterKey.make(tmp_path / "a"), MasterKey.make(tmp_path / "b")
    with pytest.raises(BadSettings, match="does not open"):
        second.unwrap(first.wrap(KEY))


@pytest.mark.parametrize("content", [KEY, base64.b64encode(KEY), base64.b64encode(KEY) + b"\n", KEY.hex().encode()])
def test_raw_base64_and_hex_files_are_read(tmp_path: Path, content: bytes) -> None:
    """A key file holds 32 raw bytes, or their base64, or their hex digits."""
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    assert MasterKey.load(path).unwrap(MasterKey(KEY).wrap(bytes(32))) == bytes(32)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file with rights for group or others is refused, and the remedy is the command to run."""
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(mode)
    with pytest.raises(BadSettings, match="Others can read") as caught:
        MasterKey.load(path)
    assert caught.value.remedy == "chmod 600 key"


@pytest.mark.parametrize("content", [b"", b"short", b"*" * 44, base64.b64encode(bytes(31)), bytes(33)])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file of the wrong length or alphabet is refused with a remedy, without showing it."""
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(BadSettings) as caught:
        MasterKey.load(path)
    assert caught.value.remedy
    assert "*" * 44 not in str(caught.value)


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    """No file, or none named at all, is an error with a remedy."""
    with pytest.raises(BadSettings, match="cannot be read"):
        MasterKey.load(tmp_path / "nowhere")
    with pytest.raises(BadSettings, match="no key"):
        MasterKey.load(None)


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the named variable is taken; an unset variable falls back on the file."""
    path = tmp_path / "key"
    path.write_bytes(bytes(32))
    path.chmod(0o600)
    wrapped = MasterKey(KEY).wrap(bytes(16))
    monkeypatch.setenv("VAULT_KEY", base64.b64encode(KEY).decode())
    assert MasterKey.load(path, "VAULT_KEY").unwrap(wrapped) == bytes(16)
    monkeypatch.delenv("VAULT_KEY")
    with pytest.raises(BadSettings, match="does not open"):
        MasterKey.load(path, "VAULT_KEY").unwrap(wrapped)


def test_a_password_in_the_environment_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty-two typed characters are not taken for thirty-two random bytes."""
    monkeypatch.setenv("VAULT_KEY", "correct horse battery staple 123")
    with pytest.raises(BadSettings):
        MasterKey.load(None, "VAULT_KEY")


def test_a_key_is_never_made_over_an_older_one(tmp_path: Path) -> None:
    """A file that is there already stays as it is, with its rights: it may be all that opens what was kept."""
    path = tmp_path / "key"
    path.write_bytes(b"older")
    path.chmod(0o400)
    with pytest.raises(BadSettings, match="a key already") as refused:
        MasterKey.make(path)
    assert refused.value.remedy
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"older", 0o400)


def test_the_key_shows_itself_to_nobody() -> None:
    """Neither repr nor str nor a format string shows the key, and the vault shows none either."""
    key = MasterKey(KEY)
    for shown in (repr(key), str(key), f"{key}", repr(Vault(Path("x"), key))):
        assert KEY.hex() not in shown
        assert repr(KEY)[2:-1] not in shown


def test_streams_are_closed(vault: Vault) -> None:
    """A reader that is left by an error holds no open file (an unclosed one is a warning, hence an error, here)."""
    key = vault.new_wrapped_key()
    vault.put("a", key, b"x")
    on_disk(vault, "a").write_bytes(b"no vault file at all, but long enough")
    with pytest.raises(BadMessage, match="not whole"):
        vault.open("a", key)
    with pytest.raises(BadSettings, match="does not open"):
        vault.open("a", bytes(40))
    gc.collect()
