"""What every carrier of files must do, whichever way the files travel. A test class for each carrier inherits this.

``place`` is the other side: ``carrier()`` is one of ours to it, ``root`` the folder that it sees, ``lay`` puts a file
there as somebody else would.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from parcels import BIG, Counted, content, files_in, in_order, label, put, taken, waiting

from kpr.errors import TransportError, TransportRefused
from kpr.transports.edi.file_carrier import FileCarrier

NAME = "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11"
FINAL, PART = f"outbox/{NAME}.mime", f"outbox/{NAME}.mime.part"


@dataclass
class Place:
    """The other side of a carrier."""

    root: Path
    carrier: Callable[[], FileCarrier]
    lay: Callable[[str, bytes], Path]
    sees_links: bool = True


class CarrierContract:
    """The tests; ``place`` comes from the module of the carrier."""

    @pytest.fixture
    def carrier(self, place: Place) -> Iterator[FileCarrier]:
        """One carrier, closed at the end."""
        with closing(place.carrier()) as carrier:
            yield carrier

    # -- handing over --------------------------------------------------------------------------------------------------

    def test_round_trip_of_a_large_parcel(self, place: Place, carrier: FileCarrier) -> None:
        """20 MB come out as they went in, under the final name alone, and are read as they were laid."""
        data = os.urandom(BIG)
        put(carrier, data, NAME)
        assert files_in(place.root) == {FINAL: BIG}
        assert (place.root / FINAL).read_bytes() == data
        place.lay("inbox/svar.mime", data)
        assert taken(carrier) == {"svar.mime": data}

    @pytest.mark.parametrize("folder", ["outbox", "archive", "failed"])
    def test_a_name_is_delivered_once(self, place: Place, carrier: FileCarrier, folder: str) -> None:
        """What lies in the outbox, or was taken from it by the other side, is not written again."""
        place.lay(f"{folder}/{NAME}.mime", b"the same number of bytes")
        put(carrier, b"THE SAME NUMBER OF BYTES", NAME)
        assert files_in(place.root) == {f"{folder}/{NAME}.mime": 24}
        assert (place.root / folder / f"{NAME}.mime").read_bytes() == b"the same number of bytes"

    def test_a_name_with_other_contents_is_refused(self, place: Place, carrier: FileCarrier) -> None:
        """A whole file of that name and another size is never overwritten; a person must look."""
        place.lay(FINAL, b"something else")
        with pytest.raises(TransportRefused, match="name-taken"):
            put(carrier, b"ours", NAME)
        assert (place.root / FINAL).read_bytes() == b"something else"

    @pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "-x", "æ", "a b", "a\nb", "a\0b", "x" * 100, "a.b"])
    def test_a_name_that_is_no_file_name_is_refused(self, place: Place, carrier: FileCarrier, name: str) -> None:
        """Nothing is written for a label whose name could be a path, or anything but a plain name."""
        with pytest.raises(TransportRefused, match="bad-name"):
            carrier.put(replace(label(), name=name), io.BytesIO(b"x"), 1)
        assert files_in(place.root) == {}

    def test_a_body_that_is_too_short_is_not_delivered(self, place: Place, carrier: FileCarrier) -> None:
        """When the body ends before its size nothing lies there under the final name, and the next parcel goes through."""
        with pytest.raises(TransportRefused, match="short"):
            carrier.put(label(NAME), io.BytesIO(b"short"), 6)
        assert FINAL not in files_in(place.root)
        put(carrier, b"other")

    def test_a_body_is_taken_from_where_it_stands(self, place: Place, carrier: FileCarrier) -> None:
        """A body that was read halfway is sent from there, also when a part of it is continued."""
        data = os.urandom(3_000_000)
        body = io.BytesIO(b"what was read before" + data)
        body.seek(20)
        place.lay(PART, data[:2_000_000])
        carrier.put(label(NAME), body, len(data))
        assert (place.root / FINAL).read_bytes() == data

    def test_a_part_is_continued(self, place: Place, carrier: FileCarrier) -> None:
        """What the other side has of a parcel is not written again: the file keeps what stood there."""
        data = os.urandom(3_000_000)
        left = place.lay(PART, data[:2_000_000])
        number = left.stat().st_ino
        put(carrier, data, NAME)
        assert files_in(place.root) == {FINAL: len(data)}
        assert (place.root / FINAL).read_bytes() == data
        assert (place.root / FINAL).stat().st_ino == number

    @pytest.mark.parametrize(
        "spoilt",
        [
            pytest.param(lambda data: os.urandom(2_000_000), id="all of it"),
            pytest.param(lambda data: data[:1_900_000] + os.urandom(100_000), id="its end"),
            pytest.param(lambda data: os.urandom(100_000) + data[100_000:2_000_000], id="its beginning"),
            pytest.param(lambda data: data[:1_000_000] + b"!" + data[1_000_001:2_000_000], id="one byte in the middle"),
            pytest.param(lambda data: data + b"more", id="too long"),
            pytest.param(lambda data: bytes(len(data)), id="as long as it shall be"),
            pytest.param(lambda data: b"short", id="short"),
        ],
    )
    def test_a_part_that_is_not_ours_is_written_anew(
        self, place: Place, carrier: FileCarrier, spoilt: Callable[[bytes], bytes]
    ) -> None:
        """Whatever a part holds, the final file holds our bytes."""
        data = os.urandom(3_000_000)
        place.lay(PART, spoilt(data))
        put(carrier, data, NAME)
        assert files_in(place.root) == {FINAL: len(data)}
        assert (place.root / FINAL).read_bytes() == data

    def test_a_body_that_cannot_seek_is_written_anew(self, place: Place, carrier: FileCarrier) -> None:
        """A stream that cannot go back is sent whole, over a part as well, and read once."""
        data = os.urandom(3_000_000)
        body = Counted(data)
        body.seekable = lambda: False  # type: ignore[method-assign]
        place.lay(PART, data[:2_000_000])
        carrier.put(label(NAME), body, len(data))
        assert (place.root / FINAL).read_bytes() == data
        assert body.n_read == len(data)

    # -- what is read, and what is left alone --------------------------------------------------------------------------

    def test_oldest_first(self, place: Place, carrier: FileCarrier) -> None:
        """Parcels come in the order in which they were written, not in that of their names."""
        in_order(*(place.lay(f"inbox/{name}.mime", b"x") for name in "cab"))
        assert list(taken(carrier)) == ["c.mime", "a.mime", "b.mime"]

    def test_half_written_files_are_left_alone(self, place: Place, carrier: FileCarrier) -> None:
        """Files that say that they are half written, hidden ones, empty ones and folders are not read, and stay."""
        for name in ("a.mime.part", "b.tmp", "C.PART", "d.xml.filepart", ".e.mime", ".part"):
            place.lay(f"inbox/{name}", b"half")
        place.lay("inbox/empty.mime", b"")
        place.lay("inbox/folder.mime/inner.mime", b"inner")
        place.lay("inbox/whole.mime", b"whole")
        before = files_in(place.root)
        assert taken(carrier) == {"whole.mime": b"whole"}
        assert files_in(place.root / "inbox") == {
            name.removeprefix("inbox/"): size for name, size in before.items() if name != "inbox/whole.mime"
        }

    def test_a_file_that_grows_is_left_alone(self, place: Place, carrier: FileCarrier) -> None:
        """A file without a suffix that grows while the round goes on is not read in this round, and whole in the next."""
        in_order(place.lay("inbox/a.mime", b"first"), growing := place.lay("inbox/b.mime", b"half"))
        round_ = carrier.waiting()
        first = next(round_)
        assert first.name == "a.mime"
        with growing.open("ab") as more:
            more.write(b" and whole")
        assert list(round_) == []
        first.accept()
        assert taken(carrier) == {"b.mime": b"half and whole"}

    @pytest.mark.parametrize("now", [b"grown and grown", b"less"])
    def test_a_file_that_changes_while_it_is_read(self, place: Place, carrier: FileCarrier, now: bytes) -> None:
        """A file that changes after it was listed ends in an error while it is read, is not taken away, and comes again."""
        file = place.lay("inbox/a.mime", b"as listed")
        (parcel,) = carrier.waiting()
        file.write_bytes(now)
        with pytest.raises(TransportError, match="not-whole") as told:
            content(parcel)
        assert told.value.exit_code == 5
        parcel.accept()
        parcel.set_aside("not readable")
        assert files_in(place.root) == {"inbox/a.mime": len(now)}
        assert taken(carrier) == {"a.mime": now}

    def test_nothing_goes_before_it_is_accepted(self, place: Place, carrier: FileCarrier) -> None:
        """What was listed, opened, read in part or read whole but not accepted comes again; accepted it is in the archive."""
        for name in "abcd":
            place.lay(f"inbox/{name}.mime", b"x" * 100_000)
        _, opened, begun, whole = carrier.waiting()
        opened.open().close()
        with begun.open() as stream:
            assert stream.read(10) == b"x" * 10
        assert len(content(whole)) == 100_000
        assert waiting(carrier) == ["a.mime", "b.mime", "c.mime", "d.mime"]
        whole.accept()
        assert waiting(carrier) == ["a.mime", "b.mime", "c.mime"]
        assert (place.root / "archive/d.mime").read_bytes() == b"x" * 100_000

    def test_a_link_is_left_alone(
        self, place: Place, carrier: FileCarrier, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """A link in the inbox, wherever it leads, is not read and not moved."""
        if not place.sees_links:
            pytest.skip("this server shows a link as the file that it leads to")
        outside = tmp_path_factory.mktemp("outside") / "secret"
        outside.write_bytes(b"secret")
        place.lay("inbox/whole.mime", b"whole")
        (place.root / "inbox/link.mime").symlink_to(outside)
        (place.root / "inbox/inner.mime").symlink_to(place.root / "inbox/whole.mime")
        (place.root / "inbox/dangling.mime").symlink_to(place.root / "nowhere")
        assert taken(carrier) == {"whole.mime": b"whole"}
        assert len(list((place.root / "inbox").iterdir())) == 3

    def test_strange_names(self, place: Place, carrier: FileCarrier) -> None:
        """Blanks and Norwegian letters are names; line breaks and bytes that are no UTF-8 are left, and hide nobody else."""
        good = ["a b c.mime", "æøå.xml", "UPPER", "-rf.mime", "a;b&c.mime", "noe.reason"]
        for name in good:
            place.lay(f"inbox/{name}", name.encode())
        bad = [
            b"a\nb.mime",
            b"a\r\nb.mime",
            "latin-ø.mime".encode("latin-1"),
            b"a\\b.mime",
            b" blank.mime",
            b"x\x1b[2J.mime",
        ]
        for name in bad:
            with open(os.fsencode(place.root / "inbox") + b"/" + name, "wb") as file:
                file.write(b"bad")
        assert taken(carrier) == {name: name.encode() for name in good}
        assert sorted(os.listdir(os.fsencode(place.root / "inbox"))) == sorted(bad)

    # -- taking away ---------------------------------------------------------------------------------------------------

    def test_a_name_that_comes_again_takes_nothing_from_the_archive(self, place: Place, carrier: FileCarrier) -> None:
        """Three parcels of one name lie in the archive under three names, each with its bytes."""
        for data in (b"one", b"two", b"three"):
            place.lay("inbox/svar.mime", data)
            assert taken(carrier) == {"svar.mime": data}
        kept = {name: (place.root / "archive" / name).read_bytes() for name in files_in(place.root / "archive")}
        assert kept == {"svar.mime": b"one", "svar-2.mime": b"two", "svar-3.mime": b"three"}

    def test_what_is_set_aside_has_its_reason_beside_it(self, place: Place, carrier: FileCarrier) -> None:
        """A parcel that nobody can use lies in ``failed`` with the reason, also when its name came before."""
        for reason in ("Ikke lesbar på linje 3", "Igjen"):
            place.lay("inbox/x.mime", b"odd")
            (parcel,) = carrier.waiting()
            parcel.set_aside(reason)
        failed = {path.name: path.read_text("utf-8") for path in (place.root / "failed").iterdir()}
        assert failed == {
            "x.mime": "odd",
            "x.mime.reason": "Ikke lesbar på linje 3\n",
            "x-2.mime": "odd",
            "x-2.mime.reason": "Igjen\n",
        }
        assert waiting(carrier) == []

    def test_what_somebody_else_took_is_no_fault(self, place: Place, carrier: FileCarrier) -> None:
        """A parcel that another carrier took meanwhile cannot be read any more, and accepting it changes nothing."""
        place.lay("inbox/a.mime", b"x")
        (ours,) = carrier.waiting()
        with closing(place.carrier()) as other:
            assert taken(other) == {"a.mime": b"x"}
        with pytest.raises(TransportError, match="gone") as told:
            content(ours)
        assert told.value.exit_code == 5
        ours.accept()
        ours.set_aside("x")
        assert files_in(place.root) == {"archive/a.mime": 1}

    def test_two_carriers_at_once(self, place: Place) -> None:
        """Two that empty the same inbox at once lose nothing, and keep everything exactly once."""
        names = {f"{number}.mime" for number in range(30)}
        for name in names:
            place.lay(f"inbox/{name}", name.encode())
        read: list[str] = []

        def empty(carrier: FileCarrier) -> None:
            while True:
                with suppress(TransportError):  # somebody else took one: the next round
                    read.extend(name for name, data in taken(carrier).items() if data == name.encode())
                    return

        with ExitStack() as ends:
            carriers = [ends.enter_context(closing(place.carrier())) for _ in range(2)]
            threads = [threading.Thread(target=empty, args=(carrier,)) for carrier in carriers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert set(files_in(place.root)) == {f"archive/{name}" for name in names}
        assert set(read) <= names

    def test_many_files(self, place: Place, carrier: FileCarrier) -> None:
        """Three hundred parcels come each once, with their own bytes."""
        expected = {f"{number:04}.mime": str(number).encode() for number in range(300)}
        (place.root / "inbox").mkdir(exist_ok=True)
        for name, data in list(expected.items())[1:]:
            (place.root / "inbox" / name).write_bytes(data)
        place.lay("inbox/0000.mime", b"0")
        assert taken(carrier) == expected
        assert files_in(place.root) == {f"archive/{name}": len(data) for name, data in expected.items()}

    # -- one connection, several things at once ------------------------------------------------------------------------

    def test_putting_in_the_middle_of_a_round(self, place: Place, carrier: FileCarrier) -> None:
        """A receipt may be put while parcels are being read, even with one left open: the round goes on."""
        for name in "abc":
            place.lay(f"inbox/{name}.mime", b"x" * 200_000)
        seen = []
        for parcel in carrier.waiting():
            stream = parcel.open()
            assert stream.read(5) == b"xxxxx"
            put(carrier, b"receipt")
            assert stream.raw.closed
            parcel.accept()
            seen.append(parcel.name)
        assert seen == ["a.mime", "b.mime", "c.mime"]
        assert len(files_in(place.root / "outbox")) == 3

    def test_a_closed_carrier_opens_again(self, place: Place, carrier: FileCarrier) -> None:
        """Closing twice, and using it after closing, is no fault."""
        put(carrier, b"one")
        carrier.close()
        carrier.close()
        put(carrier, b"two")
        assert len(files_in(place.root / "outbox")) == 2
