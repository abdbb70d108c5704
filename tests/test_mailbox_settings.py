"""The settings of the ident mailbox and of EDI's mail carrier: passwords from elsewhere, and paths that are found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from kpr.errors import BadSettings
from kpr.feedback.ident_mail import Mailbox
from kpr.feedback.imap_mailbox import ImapMailbox
from kpr.feedback.mailboxes import open_mailbox
from kpr.settings import ImapMailboxSettings, MaildirSettings, Settings, load_settings
from kpr.simulator import NewPlace, make_place
from kpr.transports.edi.settings import (
    EdiSettings,
    FolderCarrierSettings,
    FtpsCarrierSettings,
    MailCarrierSettings,
    SftpCarrierSettings,
)

SECRET = "hemmelig-æøå"
IMAP: dict[str, Any] = {
    "kind": "imap",
    "host": "imap.example.invalid",
    "username": "us",
    "sender_domains": ["x.invalid"],
}
SERVERS: dict[str, Any] = {
    "smtp": {"host": "smtp.example.invalid", "username": "us"},
    "imap": {"host": "imap.example.invalid", "username": "us"},
}
MAIL: dict[str, Any] = {"kind": "edi", "carrier": {"kind": "mail", **SERVERS}}
ODD = [SECRET, "12345", "true", "null", '{"a": 1}', "[1]", '"quoted"', "a__b", "%41", "'", " "]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place made once; nobody may change it."""
    folder = tmp_path_factory.mktemp("made") / "place"
    make_place(folder, NewPlace())
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(made, tmp_path / "place")
    return tmp_path / "place"


def load(folder: Path, /, **parts: Any) -> Settings:
    """The settings with whole parts replaced; ``None`` leaves one out."""
    path = folder / "kpr.yaml"
    settings = yaml.safe_load(path.read_text("utf-8")) | parts
    path.write_text(yaml.safe_dump({k: v for k, v in settings.items() if v is not None}, allow_unicode=True), "utf-8")
    return load_settings(path)


def imap(folder: Path, /, **changes: Any) -> ImapMailboxSettings:
    """The settings of an IMAP mailbox."""
    mailbox = load(folder, mailbox=IMAP | changes).mailbox
    assert isinstance(mailbox, ImapMailboxSettings)
    return mailbox


def mail(folder: Path, carrier: dict[str, Any] | None = None, /, **changes: Any) -> MailCarrierSettings:
    """The settings of the mail carrier."""
    transport = load(folder, transport=MAIL | ({"carrier": carrier} if carrier else {}) | changes).transport
    assert isinstance(transport, EdiSettings)
    assert isinstance(transport.carrier, MailCarrierSettings)
    return transport.carrier


# -- which mailbox ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [None, {}, {"kind": "maildir"}, {"folder": "mail"}])
def test_the_maildir_is_still_the_default(folder: Path, said: dict[str, Any] | None) -> None:
    """Whatever little is said, mail lies in the folder beside the settings."""
    settings = load(folder, mailbox=said).mailbox
    assert settings == MaildirSettings(folder=folder / "mail")
    assert open_mailbox(settings) == Mailbox(folder / "mail", ("register.example.invalid",))


def test_an_imap_mailbox_is_opened_by_its_kind(folder: Path) -> None:
    """What is usual need not be said: TLS on port 993, INBOX, and an archive folder of ours."""
    settings = imap(folder)
    assert (settings.port, settings.security, settings.folder, settings.archive) == (993, "tls", "INBOX", "kpr-archive")
    assert isinstance(open_mailbox(settings), ImapMailbox)


def test_another_kind_of_mailbox_is_refused(folder: Path) -> None:
    """POP3 cannot leave mail unseen."""
    with pytest.raises(BadSettings) as told:
        load(folder, mailbox=IMAP | {"kind": "pop3"})
    assert told.value.place == "kpr.yaml: mailbox"


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("host", {"host": ""}),
        ("username", {"username": ""}),
        ("sender_domains", {"sender_domains": []}),
        ("security", {"security": "hemmelig"}),
        ("", {"security": "none"}),
        ("hemmelig", {"hemmelig": 1}),
    ],
)
def test_a_wrong_setting_is_named(folder: Path, field: str, changes: dict[str, Any]) -> None:
    """Empty, misspelt, or without TLS to another machine."""
    with pytest.raises(BadSettings) as told:
        imap(folder, **changes)
    assert told.value.place == f"kpr.yaml: mailbox.imap.{field}".rstrip(".")


def test_reading_and_archive_must_be_two_folders(folder: Path) -> None:
    """Otherwise each mail would come again as a new one, for ever."""
    settings = imap(folder, archive="INBOX")
    with pytest.raises(BadSettings, match="moved to where it came from") as told:
        open_mailbox(settings)
    assert told.value.place == "mailbox.archive"


# -- paths -----------------------------------------------------------------------------------------------------------


def test_an_imap_folder_is_no_path(folder: Path) -> None:
    """The same word is a path for a maildir; for IMAP it is a name at the server, and files beside it are paths."""
    settings = imap(folder, folder="INBOX/kpr", ca_file="keys/ca.pem", password_file="/run/secrets/mail")
    assert settings.folder == "INBOX/kpr"
    assert (settings.ca_file, settings.password_file) == (folder / "keys/ca.pem", Path("/run/secrets/mail"))


def test_paths_of_the_mail_carrier_count_from_the_settings(folder: Path) -> None:
    """However deep they stand; names of mail folders stay names."""
    carrier = mail(
        folder,
        {
            "kind": "mail",
            "smtp": SERVERS["smtp"] | {"ca_file": "ca.pem", "password_file": "smtp.password"},
            "imap": SERVERS["imap"] | {"ca_file": "ca.pem", "password_file": "imap.password", "folder": "INBOX/edi"},
        },
        cpa_file="cpa.xml",
    )
    assert (carrier.smtp.ca_file, carrier.smtp.password_file) == (folder / "ca.pem", folder / "smtp.password")
    assert (carrier.imap.ca_file, carrier.imap.password_file) == (folder / "ca.pem", folder / "imap.password")
    assert carrier.imap.folder == "INBOX/edi"
    transport = load(folder).transport
    assert isinstance(transport, EdiSettings)
    assert transport.cpa_file == folder / "cpa.xml"


def test_paths_of_the_other_carriers_count_from_there_too(folder: Path) -> None:
    """Known hosts, key, authorities and the watched folder; the folders at the other machine are names."""
    server = {"host": "h.example.invalid", "username": "us"}
    sftp = {"kind": "sftp", "known_hosts": "hosts", "key_file": "keys/ssh", "folders": {"outbox": "ut"}, **server}
    ftps = {"kind": "ftps", "ca_file": "ca.pem", "password_file": "p", **server}
    watched = {"kind": "folder", "folder": "exchange", "folders": {"outbox": "ut"}}
    found = []
    for carrier in (sftp, ftps, watched):
        transport = load(folder, transport={"kind": "edi", "carrier": carrier}).transport
        assert isinstance(transport, EdiSettings)
        found.append(transport.carrier)
    first, second, third = found
    assert isinstance(first, SftpCarrierSettings)
    assert (first.known_hosts, first.key_file, first.folders.outbox) == (folder / "hosts", folder / "keys/ssh", "ut")
    assert isinstance(second, FtpsCarrierSettings)
    assert (second.ca_file, second.password_file) == (folder / "ca.pem", folder / "p")
    assert isinstance(third, FolderCarrierSettings)
    assert (third.folder, third.folders.outbox) == (folder / "exchange", "ut")


@pytest.mark.parametrize(
    "carrier", [None, "mail", ["mail"], {"kind": "mail", "smtp": "x"}, {"kind": "folder", "folder": 1}]
)
def test_what_is_no_part_is_told_and_does_not_fall_over(folder: Path, carrier: object) -> None:
    """A word where settings should be is a mistake in the file like any other."""
    with pytest.raises(BadSettings) as told:
        load(folder, transport={"kind": "edi", "carrier": carrier})
    assert told.value.place.startswith("kpr.yaml: transport.edi.carrier")


@pytest.mark.parametrize("part", ["mailbox", "transport", "keys", "vault", "source"])
def test_a_word_for_a_whole_part_is_told(folder: Path, part: str) -> None:
    """``mailbox: imap`` is a mistake that is named."""
    with pytest.raises(BadSettings) as told:
        load(folder, **{part: "imap"})
    assert told.value.place.startswith(f"kpr.yaml: {part}")


# -- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ODD)
def test_the_mailboxs_password_comes_by_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """It is taken as it stands, whatever it looks like, beside all that the file says."""
    monkeypatch.setenv("KPR_MAILBOX__PASSWORD", password)
    settings = imap(folder)
    assert settings.secret("mailbox") == password
    assert settings.username == "us"


@pytest.mark.parametrize("password", ODD)
@pytest.mark.parametrize("server", ["smtp", "imap"])
def test_the_carriers_passwords_come_by_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, server: str, password: str
) -> None:
    """However deep they stand, and each for its own server."""
    monkeypatch.setenv(f"KPR_TRANSPORT__CARRIER__{server.upper()}__PASSWORD", password)
    carrier = mail(folder)
    assert getattr(carrier, server).secret(f"transport.carrier.{server}") == password
    other = {"smtp": carrier.imap, "imap": carrier.smtp}[server]
    assert other.password is None
    assert other.username == "us"


def test_the_password_of_a_file_carrier_comes_by_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One level less deep, in the same way; the key's own password too."""
    monkeypatch.setenv("KPR_TRANSPORT__CARRIER__PASSWORD", SECRET)
    monkeypatch.setenv("KPR_TRANSPORT__CARRIER__KEY_PASSWORD", "12345")
    carrier = {"kind": "sftp", "known_hosts": "hosts", "host": "h.example.invalid", "username": "us"}
    transport = load(folder, transport={"kind": "edi", "carrier": carrier}).transport
    assert isinstance(transport, EdiSettings)
    assert isinstance(transport.carrier, SftpCarrierSettings)
    assert transport.carrier.secret("transport.carrier") == SECRET
    assert transport.carrier.key_password is not None
    assert transport.carrier.key_password.get_secret_value() == "12345"


def test_a_missing_password_names_the_right_variable(folder: Path) -> None:
    """The remedy can be copied into a shell, and it is the variable that the settings read."""
    carrier = mail(folder)
    missing = {
        "KPR_MAILBOX__PASSWORD": lambda: list(open_mailbox(imap(folder, host="127.0.0.1", port=1)).waiting([])),
        "KPR_TRANSPORT__CARRIER__SMTP__PASSWORD": lambda: carrier.smtp.secret("transport.carrier.smtp"),
        "KPR_TRANSPORT__CARRIER__IMAP__PASSWORD": lambda: carrier.imap.secret("transport.carrier.imap"),
    }
    for variable, ask in missing.items():
        with pytest.raises(BadSettings, match="password is missing") as told:
            ask()
        assert f"Set {variable}," in told.value.remedy


@pytest.mark.parametrize(
    ("part", "settings", "variable"),
    [
        ("mailbox", IMAP | {"password": SECRET}, "KPR_MAILBOX__PASSWORD"),
        ("transport", MAIL | {"password": SECRET}, "KPR_TRANSPORT__PASSWORD"),
        (
            "transport",
            {"kind": "edi", "carrier": {"kind": "mail", **SERVERS, "smtp": SERVERS["smtp"] | {"password": SECRET}}},
            "KPR_TRANSPORT__CARRIER__SMTP__PASSWORD",
        ),
        (
            "transport",
            {"kind": "edi", "carrier": {"kind": "sftp", "key_password": SECRET}},
            "KPR_TRANSPORT__CARRIER__KEY_PASSWORD",
        ),
        ("transport", {"kind": "edi", "carrier": {"servers": [{"Password": SECRET}]}}, "KPR_TRANSPORT__CARRIER"),
    ],
)
def test_a_password_in_the_file_is_refused_however_deep(
    folder: Path, part: str, settings: dict[str, Any], variable: str
) -> None:
    """The file can be shown to anyone: the variable to set instead is named, the value is not."""
    with pytest.raises(BadSettings, match="password stands in the settings file") as told:
        load(folder, **{part: settings})
    assert variable in told.value.remedy
    assert "hemmelig" not in str(told.value)


def test_a_password_that_others_can_read_is_not_used(folder: Path) -> None:
    """As for every other secret in a file; one that only we can read is."""
    file = folder / "keys" / "mail.password"
    file.write_text(f"{SECRET}\n", "utf-8")
    file.chmod(0o640)
    settings = imap(folder, password_file="keys/mail.password")
    with pytest.raises(BadSettings, match="Others than its owner") as told:
        settings.secret("mailbox")
    assert told.value.place == "mailbox.password_file"
    file.chmod(0o600)
    assert settings.secret("mailbox") == SECRET


def test_no_text_form_shows_a_password(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the part nor of the whole."""
    monkeypatch.setenv("KPR_MAILBOX__PASSWORD", SECRET)
    monkeypatch.setenv("KPR_TRANSPORT__CARRIER__IMAP__PASSWORD", SECRET)
    whole = load(folder, mailbox=IMAP, transport=MAIL)
    assert whole.mailbox.password  # type: ignore[union-attr]
    shown = "".join(f"{part}{part!r}{part.model_dump()}{part.model_dump_json()}" for part in (whole, whole.mailbox))
    assert "hemmelig" not in shown
