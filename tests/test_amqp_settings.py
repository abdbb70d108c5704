"""The settings of the AMQP transport: passwords from elsewhere, TLS unless on this machine, and nothing shown."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from pydantic import ValidationError

from kpr.errors import BadCertificate, BadSettings
from kpr.registry.settings import load_register_settings
from kpr.security.certificates import load_identity
from kpr.settings import Settings, load_settings
from kpr.simulator import NewPlace, make_place
from kpr.simulator_bus import SimulatedBus
from kpr.steps.workplace import open_workplace
from kpr.transports.amqp.settings import AmqpSettings
from kpr.transports.open import DirectorySettings

PASSWORD, OTHER = "hemmelig-i-fil", "hemmelig-i-miljø"
BUS = SimulatedBus("127.0.0.1", 5671, "keys/bus-ca.pem", PASSWORD, "hemmelig-hos-registeret")
CPA = "6f1c2b8e-6d0a-4a35-9c3e-0d5a0f3f1a11"
USUAL: dict[str, Any] = {"kind": "amqp", "host": "tb.example.invalid", "exchange": "SIM", "username": "us"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place on a simulated bus, made once; nobody may change it."""
    folder = tmp_path_factory.mktemp("made") / "place"
    make_place(folder, NewPlace(bus=BUS))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(made, tmp_path / "place")
    return tmp_path / "place"


def load(folder: Path, part: str = "transport", /, **changes: Any) -> Settings:
    """The settings with some of one part's changed; ``None`` leaves one out."""
    path = folder / "kpr.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    settings[part] = {k: v for k, v in (settings.get(part, {}) | changes).items() if v is not None}
    path.write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
    return load_settings(path)


def amqp(folder: Path, /, **changes: Any) -> AmqpSettings:
    """The same, of the transport."""
    transport = load(folder, **changes).transport
    assert isinstance(transport, AmqpSettings)
    return transport


def bare(**changes: Any) -> AmqpSettings:
    """Settings that stand for themselves."""
    return AmqpSettings.model_validate(USUAL | changes)


# -- what is usual ---------------------------------------------------------------------------------------------------


def test_the_simulators_settings_are_read(folder: Path) -> None:
    """What kpr init writes is whole, and its paths count from the file's own folder."""
    settings = amqp(folder)
    assert (settings.host, settings.port, settings.tls, settings.exchange) == (
        "127.0.0.1",
        5671,
        True,
        "SIMULATORServiceBus",
    )
    assert (settings.ca_file, settings.password_file) == (folder / "keys/bus-ca.pem", folder / "keys/bus.password")
    assert load_settings(folder / "kpr.yaml").addresses == folder / "addresses.yaml"


def test_the_registers_settings_are_read(folder: Path) -> None:
    """The stand-in's end of the same bus has a login of its own."""
    settings = load_register_settings(folder / "register" / "register.yaml").transport_settings
    assert isinstance(settings, AmqpSettings)
    assert (settings.username, settings.secret()) == ("register", "hemmelig-hos-registeret")


def test_what_is_usual_need_not_be_said() -> None:
    """TLS on port 5671, AMQP 1.0, 20 MB, the library's minute, and no agreement."""
    settings = bare()
    assert (settings.dialect, settings.port, settings.tls, settings.virtual_host) == ("amqp10", 5671, True, "/")
    assert (settings.max_bytes, settings.timeout_seconds, settings.address_format) == (20_000_000, 60, "auto")
    assert (settings.cpa_id, settings.dead_letter_queue, settings.ca_file) == (None, None, None)


def test_the_directory_is_still_the_default(folder: Path) -> None:
    """Without a transport in the settings, messages go through a folder beside them."""
    path = folder / "kpr.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    for transport in ({}, {"transport": None}, {"transport": {}}, {"transport": {"folder": "exchange"}}):
        path.write_text(yaml.safe_dump({k: v for k, v in settings.items() if k != "transport"} | transport), "utf-8")
        assert load_settings(path).transport == DirectorySettings(folder=folder / "exchange")


# -- passwords -------------------------------------------------------------------------------------------------------


def test_the_password_stands_in_a_file(folder: Path) -> None:
    """A line end after it is no part of it."""
    settings = amqp(folder)
    assert settings.secret() == PASSWORD
    (folder / "keys/bus.password").write_text("æøå 1\n", encoding="utf-8")
    assert settings.secret() == "æøå 1"


@pytest.mark.parametrize(
    "password", [OTHER, "12345", "true", "null", '{"a": 1}', "[1]", '"quoted"', "a__b", "%41", "'"]
)
def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """KPR_TRANSPORT__PASSWORD is taken as it stands, whatever it looks like, beside all that the file says."""
    monkeypatch.setenv("KPR_TRANSPORT__PASSWORD", password)
    settings = amqp(folder)
    assert settings.secret() == password
    assert settings.username == "municipality"


def test_other_settings_of_the_bus_come_by_the_environment_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything may be overridden there."""
    monkeypatch.setenv("KPR_TRANSPORT__PORT", "5679")
    monkeypatch.setenv("KPR_TRANSPORT__DIALECT", "amqp091")
    settings = amqp(folder)
    assert (settings.port, settings.dialect) == (5679, "amqp091")


@pytest.mark.parametrize("file", [None, "keys/nothing-here", ".", "keys/not-utf-8"])
def test_without_a_password_nothing_is_opened(folder: Path, file: str | None) -> None:
    """Neither variable nor readable file: the sentence says what to set, and shows nothing."""
    (folder / "keys/not-utf-8").write_bytes(b"\xff\xfehemmelig")
    (folder / "keys/not-utf-8").chmod(0o600)
    with pytest.raises(BadSettings, match="A password is missing") as told:
        amqp(folder, password_file=file).secret()
    assert told.value.place == "transport.password_file"
    assert "KPR_TRANSPORT__PASSWORD" in told.value.remedy
    assert "hemmelig" not in str(told.value)


def test_a_password_that_others_can_read_is_not_used(folder: Path) -> None:
    """As with the vault's key: the sentence says what to do, and the bus is not asked with it."""
    (folder / "keys/bus.password").chmod(0o640)
    with pytest.raises(BadSettings, match="Others than its owner") as told:
        amqp(folder).secret()
    assert "chmod 600" in told.value.remedy


def test_a_password_in_the_settings_file_is_refused(folder: Path) -> None:
    """The file can be shown to anyone: it is told which variable to set instead, without showing the value."""
    path = folder / "kpr.yaml"
    path.write_text(path.read_text("utf-8").replace("  kind: amqp", "  kind: amqp\n  password: hemmelig"), "utf-8")
    with pytest.raises(BadSettings, match="KPR_TRANSPORT__PASSWORD") as told:
        load_settings(path)
    assert "hemmelig" not in str(told.value)


def test_an_empty_password_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable gives way to the file; an empty file is told, instead of asking the broker with nothing."""
    monkeypatch.setenv("KPR_TRANSPORT__PASSWORD", "")
    assert amqp(folder).secret() == PASSWORD
    (folder / "keys/bus.password").write_text("\n")
    with pytest.raises(BadSettings, match="A password is missing"):
        amqp(folder).secret()


def test_a_password_is_never_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the transport's settings nor all of them show it in any text form."""
    monkeypatch.setenv("KPR_TRANSPORT__PASSWORD", OTHER)
    whole = load_settings(folder / "kpr.yaml")
    shown = "".join(f"{part}{part!r}{part.model_dump()}{part.model_dump_json()}" for part in (whole, whole.transport))
    assert "hemmelig" not in shown


def test_a_password_for_the_folder_is_a_mistake_that_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable left from the bus does not fit the directory transport: the field is named, the value is not."""
    monkeypatch.setenv("KPR_TRANSPORT__PASSWORD", OTHER)
    path = folder / "kpr.yaml"
    settings = yaml.safe_load(path.read_text("utf-8"))
    path.write_text(yaml.safe_dump(settings | {"transport": {"kind": "directory"}}), "utf-8")
    with pytest.raises(BadSettings) as told:
        load_settings(path)
    assert "password" in told.value.place
    assert "hemmelig" not in str(told.value)


# -- what is refused -------------------------------------------------------------------------------------------------

REFUSED: dict[str, dict[str, Any]] = {
    "port": {"port": 0},
    "port too": {"port": 65536},
    "port as well": {"port": "hemmelig"},
    "dialect": {"dialect": "hemmelig"},
    "host": {"host": None},
    "host too": {"host": ""},
    "username": {"username": None},
    "username too": {"username": ""},
    "exchange": {"exchange": ""},
    "exchange too": {"exchange": None},
    "address_format": {"address_format": "v3"},
    "max_bytes": {"max_bytes": 0},
    "cpa_id": {"cpa_id": CPA.upper()},
    "cpa_id too": {"cpa_id": "hemmelig"},
    "timeout_seconds": {"timeout_seconds": 0},
    "tls": {"tls": "hemmelig"},
    "passwd": {"passwd": "hemmelig"},
    "folder": {"folder": "hemmelig"},
}


@pytest.mark.parametrize(("field", "changes"), REFUSED.items())
def test_a_wrong_setting_is_named_and_not_shown(folder: Path, field: str, changes: dict[str, Any]) -> None:
    """Missing, out of range, misspelt or of the other transport: the field is named, its value never."""
    with pytest.raises(BadSettings) as told:
        load(folder, **changes)
    assert told.value.place == f"kpr.yaml: transport.amqp.{field.split()[0]}"
    assert "hemmelig" not in str(told.value)


@pytest.mark.parametrize("port", [1, 5671, 65535])
def test_a_port_is_any_port(port: int) -> None:
    """From the first to the last."""
    assert bare(port=port).port == port


def test_an_agreement_has_an_id() -> None:
    """A UUID in lower case with dashes, as it goes on the message."""
    assert bare(cpa_id=CPA).cpa_id == CPA


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_without_tls_on_this_machine(host: str) -> None:
    """A broker on this machine may be used in the clear."""
    assert bare(host=host, tls=False).tls is False


@pytest.mark.parametrize(
    "host", ["tb.example.invalid", "127.0.0.1.example.invalid", "localhost.example.invalid", "0.0.0.0", "10.0.0.1", ""]
)
def test_without_tls_nowhere_else(host: str) -> None:
    """Anywhere else the password would go in the clear, so the settings are refused."""
    with pytest.raises(ValidationError, match=r"without TLS|at least 1 character"):
        bare(host=host, tls=False)


def test_settings_do_not_change() -> None:
    """What was checked stands."""
    with pytest.raises(ValidationError, match="frozen"):
        bare().tls = False  # type: ignore[misc]


# -- keys and trust --------------------------------------------------------------------------------------------------


def _as_pkcs12(folder: Path, name: str, password: bytes) -> str:
    identity = load_identity(folder / f"keys/{name}.pem", folder / f"keys/{name}.key")
    bundle = serialize_key_and_certificates(
        b"kpr", identity.private_key, identity.certificate, None, BestAvailableEncryption(password)
    )
    (folder / f"keys/{name}.p12").write_bytes(bundle)
    return f"keys/{name}.p12"


def test_pkcs12_files_serve_as_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file for certificate and key, its password by the environment, and the same pair comes out of it."""
    expected = load_identity(folder / "keys/sign.pem", folder / "keys/sign.key").certificate
    files = {f"{role}_certificate": _as_pkcs12(folder, name, b"ett") for role, name in
             (("signing", "sign"), ("decryption", "decrypt"))}  # fmt: skip
    load(folder, "keys", **files, signing_key=None, decryption_key=None)
    monkeypatch.setenv("KPR_KEYS__PASSWORD", "ett")
    with open_workplace(folder / "kpr.yaml") as place:
        assert place.signing_identity.certificate == expected
        assert len(place.decryption_identities) == 1
        assert "ett" not in repr(place.settings.keys.password)


def test_a_wrong_pkcs12_password_is_told_without_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is named; neither the right nor the wrong password is."""
    load(folder, "keys", signing_certificate=_as_pkcs12(folder, "sign", b"riktig-hemmelig"), signing_key=None)
    monkeypatch.setenv("KPR_KEYS__PASSWORD", "feil-hemmelig")
    with open_workplace(folder / "kpr.yaml") as place, pytest.raises(BadCertificate, match=r"sign\.p12") as told:
        _ = place.signing_identity
    assert "hemmelig" not in str(told.value)


def test_the_registers_certificates_come_from_the_address_book(folder: Path) -> None:
    """On a bus the settings need not name them."""
    with open_workplace(folder / "kpr.yaml") as place:
        assert place.settings.keys.register_encryption_certificate is None
        encrypt, sign = place.register_encryption_certificate, place.register_signing_certificate
    assert "register decrypt" in encrypt.subject.rfc4514_string()
    assert "register sign" in sign.subject.rfc4514_string()


@pytest.mark.parametrize("environment", ["qa", "production"])
def test_no_real_environment_without_authorities_to_trust(folder: Path, environment: str) -> None:
    """In QA and production the roots of enterprise certificates must be named; then the settings are read."""
    path = folder / "kpr.yaml"
    settings = yaml.safe_load(path.read_text("utf-8")) | {"environment": environment}
    path.write_text(yaml.safe_dump(settings | {"trust": {"revocation": "required"}}), "utf-8")
    with pytest.raises(BadSettings, match=r"trust\.roots is needed"):
        load_settings(path)
    path.write_text(yaml.safe_dump(settings | {"trust": {"roots": "keys/roots.pem"}}), "utf-8")
    assert load_settings(path).trust.roots == folder / "keys/roots.pem"
