"""What nobody can use, in our inbox over EDI: each thing is kept raw and set aside, and none stops the others."""

from __future__ import annotations

import gzip
import io
import os
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from edi_place import (
    OURS,
    REGISTER,
    acknowledgment,
    edi_place,
    entity_of,
    files,
    kept,
    line,
    newest,
    packed,
    put,
    receipt,
    register_packaging,
    sent,
    sent_of,
    set_aside,
)
from place import Place

from kpr.conversation import AttemptState
from kpr.log import configure_logs
from kpr.messages.ebxml.mime import write_entity
from kpr.messages.ebxml.model import ManifestItem
from kpr.messages.ebxml.signature import sign
from kpr.messages.ebxml.soap import payload_soap
from kpr.packaging.returned import returned_mail
from kpr.security.cms_write import envelop
from kpr.steps.incoming import RECEIPT_LIMIT
from kpr.transports.seam import Envelope

ID = "0b9c2f0a-0f3d-4a51-9d3c-5d7c5f0a1b2c"
SOAP_HEAD = b'Content-Type: text/xml; charset="UTF-8"\r\nMIME-Version: 1.0\r\nSOAPAction: "ebXML"\r\n\r\n'
BOMB = b"<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>"


def good(made: Place) -> bytes:
    """A receipt for the IPLOS message, as the register packs it."""
    return packed(made, receipt(made, newest(made).msg_id))


def with_content(made: Place, content: bytes) -> bytes:
    """A rightly signed message with these very bytes inside its encryption."""
    theirs, encrypted = register_packaging(made), io.BytesIO()
    envelop(io.BytesIO(content), len(content), encrypted, theirs.keys.their_encryption_certificate)
    of = Envelope(ID, "APPREC", REGISTER, OURS, made.now, conversation_id=ID)
    header = theirs._header(of, theirs.agreements("APPREC"))
    content_id = f"{ID}@kpr"
    digest = sha256(encrypted.getvalue()).digest()
    signer = theirs.keys.signing_identity
    signed = sign(payload_soap(header, (ManifestItem(content_id),)), signer, {content_id: digest})
    out = io.BytesIO()
    encrypted.seek(0)
    write_entity(out, signed, (content_id, encrypted))
    return out.getvalue()


def _never_closed(made: Place) -> bytes:
    return good(made).rpartition(b"\r\n--")[0]


def _other_part(made: Place) -> bytes:
    """Two good messages: the envelope of one with the payload of the other."""
    one, two = good(made), good(made)
    cut = [raw.rindex(b"Content-Type: application/pkcs7-mime") for raw in (one, two)]
    ours = entity_of(one).payload
    theirs = entity_of(two).payload
    assert ours is not None
    assert theirs is not None
    boundary = one.split(b'boundary="')[1].split(b'"')[0]
    other = two.split(b'boundary="')[1].split(b'"')[0]
    tail = two[cut[1] :].replace(other, boundary)
    return one[: cut[0]] + tail.replace(theirs.content_id.encode(), ours.content_id.encode())


def _lone_soap(text: bytes) -> Callable[[Place], bytes]:
    return lambda _made: SOAP_HEAD + text


def _header_of_nobody(made: Place) -> bytes:
    """A signed envelope from which the message header was taken out: the signature does not hold any more."""
    soap = entity_of(good(made)).soap.decode()
    start, end = soap.index("<eb:MessageHeader"), soap.index("</eb:MessageHeader>") + len("</eb:MessageHeader>")
    return SOAP_HEAD + (soap[:start] + soap[end:]).encode()


POISONS: dict[str, Callable[[Place], bytes]] = {
    "no mail at all": lambda _: b"\x00\x01\x02" * 100,
    "text": lambda _: b"Hei! Her kommer det ingenting.\n",
    "one byte": lambda _: b"\n",
    "never closed": _never_closed,
    "cut in a head": lambda made: good(made)[:60],
    "other part": _other_part,
    "broken base64": lambda made: good(made).replace(b"\r\nMII", b"\r\n!!!", 1),
    "wrong charset": lambda made: good(made).replace(b'charset="UTF-8"', b'charset="ISO-8859-1"'),
    "soap in latin-1": _lone_soap("<a>blåbær</a>".encode("latin-1")),
    "bomb in soap": _lone_soap(b'<?xml version="1.0"?>' + BOMB + b"<a>&b;</a>"),
    "deep soap": _lone_soap(b"<a>" * 20_000),
    "no envelope": _lone_soap(b"<a/>"),
    "no header": _header_of_nobody,
    "bomb in content": lambda made: with_content(made, BOMB + b"<AppRec>&b;</AppRec>"),
    "gzip bomb": lambda made: with_content(made, gzip.compress(bytes(50 << 20))),
    "gzip of gzip": lambda made: with_content(made, gzip.compress(gzip.compress(b"<AppRec/>"))),
    "content is nothing": lambda made: with_content(made, b" "),
    "content is garbage": lambda made: with_content(made, bytes(range(256)) * 12),
    "content is latin-1": lambda made: with_content(made, "<AppRec>ø</AppRec>".encode("latin-1")),
    "content is another message": lambda made: with_content(made, b"<MsgHead/>"),
    "thirty megabytes": lambda _: b"Content-Type: text/xml\r\n\r\n" + bytes(30 << 20),
    "thirty megabytes of parts": lambda _: (
        b'Content-Type: multipart/related; boundary="b"\r\n\r\n' + b"--b\r\n\r\n" * (3 << 20)
    ),
    "an acknowledgment of garbage": lambda made: acknowledgment(made, ref="../../etc/passwd"),
}
#: Their content could be opened, so they are acknowledged: a retry would bring nothing else.
OPENED = {"bomb in content", "content is latin-1", "content is another message"}


def reported(tmp_path: Path) -> Place:
    """A place that waits for its answers."""
    made = edi_place(tmp_path)
    made.report()
    return made


@pytest.mark.parametrize("name", POISONS)
def test_each_is_kept_raw_and_set_aside(tmp_path: Path, name: str) -> None:
    """Counted as unreadable, its bytes in the vault and in the folder for what nobody can use, and no state moved."""
    made = reported(tmp_path)
    body = POISONS[name](made)
    before = made.status()
    put(made, body)
    counts = made.collect()
    assert counts == ({"set aside": 1} if len(body) > RECEIPT_LIMIT else {"unreadable": 1})
    assert [raw for _, raw in kept(made)] == [body]
    assert list(set_aside(made).values()) == [body]
    after = made.status()
    assert (after.state, after.lines, after.timeline) == (before.state, before.lines, before.timeline)
    assert len(sent_of(made, "Acknowledgment")) == (1 if name in OPENED else 0)
    assert made.collect() == {}


def test_none_of_them_stops_the_others(tmp_path: Path) -> None:
    """All at once, with the register's own answers in the middle: those are taken in, in the same round."""
    made = reported(tmp_path)
    for number, make in enumerate(POISONS.values()):
        put(made, make(made), f"{number:02}.mime")
        os.utime(line(made) / "to-municipality" / f"{number:02}.mime", (number, number))
    made.register()
    for number, make in enumerate(POISONS.values()):
        put(made, make(made), f"9{number:02}.mime")
    counts = made.collect()
    assert counts["receipt: POSITIVE"] == 2
    assert counts["acknowledgment: acknowledged"] == 2
    assert made.status().state == "ACCEPTED"
    assert files(made, "to-municipality") == {}


def test_an_empty_file_is_left_until_it_is_written(tmp_path: Path) -> None:
    """Somebody is about to write it: it is neither taken nor does it stop the others."""
    made = reported(tmp_path)
    put(made, b"", "a.mime")
    made.register()
    assert made.collect()["receipt: POSITIVE"] == 2
    assert files(made, "to-municipality") == {"a.mime": b""}


@pytest.mark.parametrize("about", [ID, "", "ola.nordmann@example.no", "x" * 500])
def test_a_bounce_for_nobody_is_kept_and_told_of(tmp_path: Path, about: str) -> None:
    """A mail server writes of a mail that is none of ours: counted as such, and no attempt is touched."""
    made = reported(tmp_path)
    put(made, returned_mail(f"{about}.00000001", f"{about}.00000001@x", "x@example.invalid"))
    assert made.collect() == {"transport error: unknown message": 1}
    assert newest(made).state is AttemptState.HANDED_OVER
    assert len(set_aside(made)) == 1


def test_the_same_poison_again_is_kept_once(tmp_path: Path) -> None:
    """A sender that tries again fills the folder, and not the vault."""
    made = reported(tmp_path)
    for number in range(3):
        put(made, b"ingenting", f"{number}.mime")
        assert made.collect() == {"unreadable": 1}
    assert len(kept(made)) == 1
    assert len(set_aside(made)) == 3


def test_nothing_of_what_came_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither logs nor the database nor what we answer holds a word of a message that cannot be used."""
    made = reported(tmp_path)
    configure_logs(as_json=True)
    canary = "Ola Nordmann 01818012337"
    bodies = [
        f"X-Navn: {canary}\r\nContent-Type: text/plain\r\n\r\n{canary}".encode(),
        SOAP_HEAD + f"<a><b>{canary}</a>".encode(),
        with_content(made, f"<AppRec><Id>{canary}</Id>".encode()),
        with_content(made, canary.encode()),
        acknowledgment(made, ref=canary),
        packed(made, receipt(made, canary)),
        returned_mail(f"{canary}.00000001", canary, canary),
    ]
    before = sent(made)
    for number, body in enumerate(bodies):
        put(made, body, f"{number}.mime")
    made.collect()
    output = capsys.readouterr()
    answers = [raw for name, raw in sent(made).items() if name not in before]
    seen = [output.out, output.err, str(made.status()), *(str(entity_of(raw).soap) for raw in answers)]
    assert len(answers) == 3
    assert not [text for text in seen if "Nordmann" in text]
    assert b"Nordmann" not in (made.folder / "kpr.sqlite").read_bytes()
    assert not [path for path in made.folder.parent.rglob("*") if "Nordmann" in path.name]


def test_no_damage_of_a_good_message_stops_the_round(tmp_path: Path) -> None:
    """Two hundred messages, each damaged somewhere at random: all of them are taken away, and the good one counts."""
    made, chance = reported(tmp_path), random.Random(7)
    whole = good(made)
    for number in range(200):
        raw = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3, 20))):
            at = chance.randrange(len(raw))
            act: Any = chance.choice(("flip", "cut", "double", "drop"))
            if act == "flip":
                raw[at] = chance.randrange(256)
            elif act == "cut":
                del raw[at : at + chance.randrange(1, 400)]
            elif act == "double":
                raw[at:at] = raw[at : at + 100]
            else:
                del raw[at:]
            raw = raw or bytearray(b"x")
        put(made, bytes(raw), f"{number:03}.mime")
    put(made, whole, "999.mime")
    counts = made.collect()
    assert counts["receipt: POSITIVE"] == 1
    assert sum(counts.values()) == 201
    assert files(made, "to-municipality") == {}
