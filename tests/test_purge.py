"""Purge: after the season the keys are destroyed, the files go, a certificate stays; never too early, never by half."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import test_killed
import typer
from place import START, Place
from postgresql import find_binaries, running_postgresql
from test_killed import killed_at
from typer.testing import CliRunner

from kpr.calendar import OSLO, end_of_day
from kpr.cli import purge as command
from kpr.conversation import IdentLeg, ReceiptLeg, SubmissionState
from kpr.errors import BadSettings, KprError, Locked, StoreAway
from kpr.guard import Approval, Former
from kpr.plausibility.figures import read_figures
from kpr.purging import awaits, opens, outlived, refusal
from kpr.security import season_keys
from kpr.security.vault import MasterKey, Vault
from kpr.steps import purge as purging
from kpr.steps.collect import collect, reread
from kpr.steps.purge import certificate_file, outlook, purge
from kpr.steps.report import prepare
from kpr.store import KeptKind
from kpr.store.held import Holdings
from kpr.store.schema import open_engine, scrub
from kpr.store.store import Store
from kpr.store.tables import Cycle
from kpr.years import load_year

YEAR = load_year(2020)
#: 26 March 2021 and thirty days.
LAST_DAY = date(2021, 4, 25)
OPEN = datetime(2021, 4, 26, 8, tzinfo=OSLO)
TWO = Approval(frozenset({"rolle A", "rolle B"}), "avtalt med registeret")
ONE = Approval(frozenset({"rolle A"}), "en grunn")
ACCEPTED = Former(SubmissionState.ACCEPTED, IdentLeg.FEEDBACK_OK, ReceiptLeg.POSITIVE)


@pytest.fixture(autouse=True)
def _figures_go_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Next January's figures, which are kept longer, go with the rest, so that nothing is left to see."""
    monkeypatch.setenv("KPR_RETENTION__FIGURES", "0")


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A season that went well, and its end; played once for all."""
    place = Place(tmp_path_factory.mktemp("season"), persons=5)
    place.report()
    place.exchange()
    assert place.status().state == "ACCEPTED"
    place.at(OPEN)
    return place


@pytest.fixture
def made(season: Place, tmp_path: Path) -> Place:
    """That season in a folder of the test's own."""
    shutil.copytree(season.folder, tmp_path / "place")
    copied = copy.copy(season)
    copied.folder, copied.settings = tmp_path / "place", tmp_path / "place" / "kpr.yaml"
    return copied


def run(made: Place, approval: Approval | None = None) -> str:
    """Purge; the certificate's SHA-256."""
    with made.open() as place:
        return purge(place, by="rolle A", approval=approval)


def files(made: Place, pattern: str = "*.vault") -> list[str]:
    """What lies in the vault, but for the list of the ids that have left: purging does not make them unsent."""
    return sorted(path.name for path in (made.folder / "vault").glob(pattern) if path.suffix != ".sent")


def keys(made: Place) -> list[bytes]:
    """Every wrapped data key that the database holds."""
    with made.open() as place, place.store.transaction() as session:
        found = session.connection().exec_driver_sql(
            "SELECT wrapped_key FROM submission UNION ALL SELECT wrapped_key FROM inbox"
        )
        return [bytes(row[0]) for row in found]


def certificate(made: Place, number: int = 1) -> dict[str, Any]:
    """A certificate that was written."""
    with made.open() as place:
        return dict(json.loads(certificate_file(place, number).read_bytes()))


# -- when ----------------------------------------------------------------------------------------------------------------


def test_it_opens_when_the_last_day_is_over() -> None:
    """Thirty days after the absolute last date, at the end of that day in Norway, across the change of the clocks."""
    assert opens(YEAR, 30) == end_of_day(LAST_DAY)
    assert opens(YEAR, 0) == end_of_day(date(2021, 3, 26))


def test_a_year_without_dates_never_opens_by_itself() -> None:
    """Where the absolute last date is not known, nothing opens; two persons with a reason may."""
    year = load_year(2024)
    assert opens(year, 30) is None
    for approval in (Approval(), ONE):
        said = refusal(year, (ACCEPTED,), OPEN, approval, days_after=30)
        assert said is not None
        assert "ikke kjent" in said.nb
    assert refusal(year, (ACCEPTED,), OPEN, TWO, days_after=30) is None


@pytest.mark.parametrize("approval", [Approval(), ONE, TWO], ids=["nobody", "one", "two"])
def test_before_the_date_nobody_may(approval: Approval) -> None:
    """Not even two persons with a reason; it says from when it may be done."""
    closes = end_of_day(LAST_DAY)
    for now in (closes - timedelta(days=40), closes):
        said = refusal(YEAR, (ACCEPTED,), now, approval, days_after=30)
        assert said is not None
        assert "fra 26.04.2021" in said.nb
    assert refusal(YEAR, (ACCEPTED,), closes + timedelta(seconds=1), Approval(), days_after=30) is None


@pytest.mark.parametrize("state", SubmissionState)
def test_what_is_under_way_is_awaited(state: SubmissionState) -> None:
    """What was approved or sent is awaited until the register has answered; what was never approved is not."""
    answered = Former(state, IdentLeg.FEEDBACK_OK, ReceiptLeg.NEGATIVE)
    assert awaits(answered) is (state in ("APPROVED", "SENDING", "AWAITING"))


def test_the_other_answer_to_a_rejected_version_is_awaited() -> None:
    """Rejected by one answer, it awaits the other until that has come or is overdue."""
    rejected = SubmissionState.REJECTED
    assert awaits(Former(rejected, IdentLeg.FEEDBACK_FAULTS, ReceiptLeg.NONE))
    assert awaits(Former(rejected, IdentLeg.SENT, ReceiptLeg.NEGATIVE))
    assert not awaits(Former(rejected, IdentLeg.OVERDUE, ReceiptLeg.NEGATIVE))


def test_one_version_that_awaits_holds_all_back() -> None:
    """It does not help that another version is accepted; two persons with a reason may."""
    waiting = Former(SubmissionState.AWAITING, IdentLeg.OVERDUE, ReceiptLeg.OVERDUE)
    for approval in (Approval(), ONE, Approval(frozenset({"rolle A", "rolle B"}))):
        said = refusal(YEAR, (waiting, ACCEPTED), OPEN, approval, days_after=30)
        assert said is not None
        assert "Svar ventes" in said.nb
    assert refusal(YEAR, (waiting, ACCEPTED), OPEN, TWO, days_after=30) is None


# -- what ----------------------------------------------------------------------------------------------------------------


def test_after_the_season_nothing_can_be_read(made: Place) -> None:
    """Keys and files are gone, rows and events stay, and the certificate's hash stands in an event of its own."""
    assert len(files(made)) >= 7
    digest = run(made)
    assert (files(made), files(made, "*.part")) == ([], [])
    assert set(keys(made)) == {b""}
    with made.open() as place:
        assert hashlib.sha256(certificate_file(place).read_bytes()).hexdigest() == digest
        event = place.store.events()[-1]
        assert (event.what, event.event, event.who, event.why) == ("cycle", "PURGED", "rolle A", digest)


def test_the_certificate_says_what_was_there(made: Place) -> None:
    """Which submissions, how many files, when, who, and the hash of each message as it stood and as it was sent."""
    count = len(files(made))
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        stood = {message.msg_id: message.content_sha256 for message in place.store.messages(latest.id)}
        sent = {m.msg_id: place.attempts.latest(m.id) for m in place.store.messages(latest.id)}
    run(made)
    said = certificate(made)
    assert (said["municipality"], said["data_year"], said["files"], said["by"]) == ("1103", 2020, count, ["rolle A"])
    assert datetime.fromisoformat(said["purged_at"]) == OPEN
    (submission,) = said["submissions"]
    assert (submission["id"], submission["state"]) == (latest.id, "ACCEPTED")
    assert {each["msg_id"]: each["sha256"] for each in submission["messages"]} == stood
    for each in submission["messages"]:
        attempt = sent[each["msg_id"]]
        assert attempt is not None
        assert each["sent_sha256"] == [attempt.protected_sha256]


def test_a_file_that_is_restored_stays_unreadable(made: Place) -> None:
    """A backup of the vault brings the files back, and no key that is left opens them."""
    shutil.copytree(made.folder / "vault", made.folder / "backup")
    run(made)
    shutil.copytree(made.folder / "backup", made.folder / "vault", dirs_exist_ok=True)
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        with pytest.raises(Locked, match="slettet for godt"):
            place.vault.get(latest.rows_name, latest.wrapped_key)
        with pytest.raises(KprError):
            place.vault.get(latest.rows_name, place.vault.new_wrapped_key())
        assert place.vault.holds(latest.rows_name)
        purge(place, by="rolle A")
        assert not place.vault.holds(latest.rows_name)


def test_nothing_of_a_key_is_left_in_the_database_s_files(made: Place) -> None:
    """The wrapped keys stand neither in SQLite's file, in a page's free part either, nor in its log."""
    wrapped = keys(made)
    assert any(key in database_bytes(made) for key in wrapped)
    run(made)
    assert not [key for key in wrapped if key in database_bytes(made)]


def database_bytes(made: Place) -> bytes:
    """The database as it lies on the disk."""
    return b"".join(path.read_bytes() for path in sorted(made.folder.glob("kpr.sqlite*")))


def test_purging_twice_does_nothing(made: Place) -> None:
    """The second time gives the same certificate, and adds neither event nor file."""
    first = run(made)
    content = certificate(made)
    made.later(days=1)
    assert run(made) == first
    assert certificate(made) == content
    assert files(made, "*") == ["purged-1103-2020-1.json"]
    with made.open() as place:
        assert [event.event for event in place.store.events()].count("PURGED") == 1


def test_where_there_is_nothing_nothing_is_certified(tmp_path: Path) -> None:
    """A year that never began has nothing to purge, before the date as after it."""
    place = Place(tmp_path, persons=5)
    for moment in (place.now, OPEN):
        place.at(moment)
        assert run(place) == ""
    assert not (tmp_path / "vault").exists() or files(place, "*") == []


def test_too_early_nothing_happens(made: Place) -> None:
    """Locked, with the day from which it may be done, and everything is as it was."""
    made.at(datetime(2021, 4, 25, 23, 59, tzinfo=OSLO))
    before = (files(made, "*"), keys(made))
    with pytest.raises(Locked, match=r"fra 26\.04\.2021"):
        run(made, TWO)
    assert (files(made, "*"), keys(made)) == before


def test_while_an_answer_is_awaited_it_takes_two(tmp_path: Path) -> None:
    """A submission that was never answered is purged by two persons with a reason, who stand in the certificate."""
    made = Place(tmp_path, persons=5)
    made.report()
    made.at(OPEN)
    with pytest.raises(Locked, match="Svar ventes"):
        run(made)
    run(made, TWO)
    said = certificate(made)
    assert (said["by"], said["reason"]) == (["rolle A", "rolle B"], "avtalt med registeret")
    assert files(made) == []


def test_another_municipality_s_year_is_left_alone(made: Place) -> None:
    """A cycle in the same database and the same vault keeps its keys and its files."""
    with made.open() as place:
        other = Store(place.store.engine, "0301", 2020)
        key = place.vault.new_wrapped_key()
        opened = other.open_version(place.act("rolle C"), Approval(), key, ack_hours=96, too_late=False)
        place.vault.put(opened.rows_name, key, b"another's")
        purge(place, by="rolle A")
        kept = other.submission(opened.id)
        assert place.vault.get(kept.rows_name, kept.wrapped_key) == b"another's"


def arrives(made: Place, name: str) -> None:
    """Something comes by the transport that nobody can read."""
    inbox = made.folder / "exchange" / "8000002"
    envelope = next((inbox / "done").glob("*.json"))
    (inbox / f"{name}.p7m").write_bytes(b"what nobody can read: " + name.encode())
    (inbox / f"{name}.json").write_text(envelope.read_text().replace(envelope.stem, name))


# -- what follows --------------------------------------------------------------------------------------------------------


def test_status_and_timeline_still_work(made: Place) -> None:
    """What happened can still be told, and the purge is its last line."""
    run(made)
    now = made.status()
    assert now.state == "ACCEPTED"
    assert now.verdict.accepted
    assert now.timeline[-1].text.nb.startswith("Alt innhold er slettet for godt")


def test_a_late_answer_is_taken_in_and_purged_the_next_time(made: Place) -> None:
    """Something that comes after the purge has a key of its own; the next purge has a certificate of its own."""
    first = run(made)
    arrives(made, "late")
    with made.open() as place:
        collect(place)
        reread(place)
        assert (outlook(place).received, outlook(place).purged) == (1, 1)
    second = run(made)
    assert second != first
    assert (certificate(made, 2)["received"], certificate(made, 2)["submissions"]) == (1, [])
    assert files(made, "*") == ["purged-1103-2020-1.json", "purged-1103-2020-2.json"]


def test_what_was_set_aside_and_purged_is_not_read_again(made: Place) -> None:
    """``--reread`` passes over what has no key, even where its file was restored."""
    arrives(made, "odd")
    made.collect()
    shutil.copytree(made.folder / "vault", made.folder / "backup")
    run(made)
    shutil.copytree(made.folder / "backup", made.folder / "vault", dirs_exist_ok=True)
    with made.open() as place:
        assert place.store.set_aside("") == []
        assert reread(place).counts() == {}


def test_a_purged_draft_is_not_gone_on_with(tmp_path: Path) -> None:
    """A version that was never approved is purged as well; going on with it says that its content is gone."""
    made = Place(tmp_path, persons=5)
    with made.open() as place:
        prepare(place, by="rolle A")
    made.at(OPEN)
    run(made)
    with made.open() as place, pytest.raises(Locked, match="slettet for godt"):
        prepare(place, by="rolle A", second="rolle B", reason="avtalt")


# -- killed, hindered, at the same time -----------------------------------------------------------------------------------


_STEPS = [
    (Path, "replace"),
    (Path, "rename"),
    (Path, "unlink"),
    (purging, "keep_entry"),
    (season_keys, "_write"),
    (season_keys, "keep_entry"),
]
#: More than a purge has durable steps.
_BEYOND = 48


@pytest.fixture
def _durable_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child dies after a transaction, or after a file was written, renamed or removed."""
    monkeypatch.setattr(test_killed, "CONTEXTS", [(Store, "transaction")])
    monkeypatch.setattr(test_killed, "CALLS", _STEPS)


@pytest.mark.usefixtures("_durable_steps")
@pytest.mark.parametrize("point", range(_BEYOND))
def test_a_purge_killed_anywhere_is_finished_by_the_next(made: Place, point: int) -> None:
    """Either nothing was destroyed, or all of it; the next run finishes, with one event and one certificate."""
    count = len(files(made))
    killed_at(point, lambda: run(made))
    alive = [key for key in keys(made) if key]
    assert len(alive) in (0, len(keys(made)))
    if alive:
        assert len(files(made)) == count
        assert files(made, "*.json") == []
    digest = run(made)
    assert files(made, "*") == ["purged-1103-2020-1.json"]
    assert certificate(made)["files"] == count
    assert living_seasons(made) == []
    with made.open() as place:
        assert hashlib.sha256(certificate_file(place).read_bytes()).hexdigest() == digest
        assert [event.event for event in place.store.events()].count("PURGED") == 1


@pytest.mark.usefixtures("_durable_steps")
def test_the_kill_points_cover_the_whole_purge(made: Place) -> None:
    """A purge has fewer durable steps than the kill points above reach."""
    assert not killed_at(_BEYOND, lambda: run(made))


def test_without_room_for_the_certificate_nothing_is_destroyed(made: Place) -> None:
    """The certificate cannot be written: every key is still there, and the next run does it all."""
    before = keys(made)
    folder = made.folder / "vault"
    folder.rename(made.folder / "elsewhere")
    folder.write_bytes(b"a file where the folder should be")
    with pytest.raises(KprError):
        run(made)
    assert keys(made) == before
    folder.unlink()
    (made.folder / "elsewhere").rename(folder)
    assert run(made)
    assert files(made) == []


def test_someone_who_works_on_the_submission_stops_the_purge(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process takes the submission between the look and the deed: Locked, and nothing is destroyed."""
    before = keys(made)
    original = Store.locked

    def meanwhile(self: Store, *words: Any) -> Any:
        monkeypatch.setattr(Store, "locked", original)
        with made.open() as other, other.store.transaction() as session:
            other.store.locked(session, words[1])
        return original(self, *words)

    monkeypatch.setattr(Store, "locked", meanwhile)
    with pytest.raises((Locked, StoreAway)):
        run(made)
    assert keys(made) == before
    assert run(made)


def test_a_reader_of_the_old_log_is_told_of(made: Place) -> None:
    """While another connection reads SQLite's log as it was, it is not cleaned; the next run does that."""
    address = f"sqlite:///{made.folder / 'kpr.sqlite'}"
    reader, cleaner = open_engine(address), open_engine(address)
    try:
        with cleaner.begin() as connection:
            connection.exec_driver_sql("UPDATE submission SET mended = 'x'")
            connection.exec_driver_sql("PRAGMA busy_timeout=50")
        with reader.connect() as old:
            old.exec_driver_sql("BEGIN")
            old.exec_driver_sql("SELECT * FROM submission").all()
            with pytest.raises(StoreAway, match="opptatt"):
                scrub(cleaner)
        scrub(cleaner)
    finally:
        reader.dispose()
        cleaner.dispose()


# -- PostgreSQL ----------------------------------------------------------------------------------------------------------


def test_nothing_of_a_key_is_left_in_postgresql_s_tables(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overwritten rows do not stay in the tables' files as dead ones."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with running_postgresql(binaries) as server:
        monkeypatch.setenv("KPR_STORE__URL", server.new_database())
        (
            made.folder / "keys" / "seasons" / "1103-2020.sent"
        ).unlink()  # an empty database after a sending would be locked
        made.at(datetime(2021, 1, 7, 10, tzinfo=OSLO))
        made.report()
        made.exchange()
        made.at(OPEN)
        wrapped = keys(made)
        with made.open() as place:
            database = str(place.store.engine.url.database)
        with server.connect(database) as connection:
            tables = _folder_of(connection, database)
            connection.execute("CHECKPOINT")
            assert any(key in _bytes(tables) for key in wrapped)
            run(made)
            connection.execute("CHECKPOINT")
            assert set(keys(made)) == {b""}
            assert not [key for key in wrapped if key in _bytes(tables)]


def _folder_of(connection: Any, database: str) -> Path:
    row = connection.execute(
        "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = %s", [database]
    ).fetchone()
    return Path(row[0]) / "base" / str(row[1])


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


# -- the command -----------------------------------------------------------------------------------------------------------


Kpr = Callable[..., tuple[BaseException | None, int, str]]


@pytest.fixture
def kpr(made: Place) -> Kpr:
    """Runs ``kpr purge``: what it raised, its exit code, what it said."""

    def invoke(*words: str) -> tuple[BaseException | None, int, str]:
        app = typer.Typer()
        command.register(app)
        done = CliRunner().invoke(app, ["--by", "rolle A", "--settings", str(made.settings), *words])
        raised = done.exception if isinstance(done.exception, KprError) else None
        return raised, raised.exit_code if raised else done.exit_code, done.stdout

    return invoke


def test_the_dry_run_only_looks(made: Place, kpr: Kpr) -> None:
    """It says what would be purged, and changes nothing; too early it ends with the guard's code and the reason."""
    before = (files(made, "*"), keys(made))
    _, code, said = kpr("--dry-run")
    assert code == 0
    assert "1 innsendinger" in said
    assert "Kan slettes etter 25.04.2021" in said
    made.at(datetime(2021, 4, 1, tzinfo=OSLO))
    raised, code, _ = kpr("--dry-run")
    assert code == 4
    assert "fra 26.04.2021" in str(raised)
    _, code, said = kpr("--dry-run", "--json")
    assert code == 4
    assert json.loads(said)["submissions"] == 1
    assert (files(made, "*"), keys(made)) == before


def test_the_command_purges_and_says_what_it_cannot_reach(made: Place, kpr: Kpr) -> None:
    """It tells what is gone, where the certificate is, and what only people can delete."""
    raised, code, said = kpr()
    assert (raised, code) == (None, 0)
    assert "Slettet for godt: 1 innsendinger" in said
    assert "sesongnøklene" in said
    assert files(made) == []
    _, code, said = kpr()
    assert code == 0
    assert "Ingenting å slette." in said


def test_the_command_s_answer_as_json(kpr: Kpr) -> None:
    """``--json`` gives the certificate's hash, and what is left."""
    _, code, said = kpr("--json")
    answer = json.loads(said)
    assert code == 0
    assert len(answer["certificate_sha256"]) == 64
    assert (answer["before"]["submissions"], answer["now"]["submissions"], answer["now"]["purged"]) == (1, 0, 1)


def test_a_reason_that_names_somebody_is_refused(made: Place, kpr: Kpr) -> None:
    """The reason stands in the certificate for ever: what looks like a national id may not."""
    raised, code, said = kpr("--second", "rolle B", "--reason", "gjelder 01010112345")
    assert code == 2
    assert "01010112345" not in f"{raised}{said}"
    assert files(made) != []


def test_the_municipality_s_key_alone_opens_nothing_afterwards(made: Place) -> None:
    """Whoever has the master key and a backup of the vault lacks every data key all the same."""
    shutil.copytree(made.folder / "vault", made.folder / "backup")
    run(made)
    vault = Vault(made.folder / "backup", MasterKey.load(made.folder / "keys" / "municipality.key"))
    assert [key for key in keys(made) if key] == []
    for file in (made.folder / "backup").glob("*.vault"):
        with pytest.raises(KprError):
            vault.get(file.stem, vault.new_wrapped_key())


def living_seasons(made: Place) -> list[str]:
    """The season keys that could still open something."""
    found = (made.folder / "keys" / "seasons").iterdir()
    return sorted(path.name for path in found if path.suffix in (".key", ".leaving"))


def test_a_backup_of_store_and_vault_from_before_is_unreadable(made: Place) -> None:
    """Both brought back whole, with the municipality's key: no payload and no document opens; before the purge all do."""
    backup = made.folder.parent / "backup"
    shutil.copytree(made.folder, backup, ignore=shutil.ignore_patterns("seasons"))
    assert unreadable(made) == 0
    run(made)
    for path in made.folder.glob("kpr.sqlite*"):
        path.unlink()
    shutil.copytree(backup, made.folder, dirs_exist_ok=True)
    assert all(keys(made))
    assert unreadable(made) == len(files(made)) > 5


def unreadable(made: Place) -> int:
    """How many of the vault's files are destroyed for good, by what the database knows."""
    count = 0
    with made.open() as place:
        with place.store.transaction() as session:
            held = Holdings(place.store).living(session)
        of = [(submission.wrapped_key, [submission.rows_name]) for submission in held.submissions]
        of += [(s.wrapped_key, [m.content_name for m in held.messages]) for s in held.submissions]
        of += [(s.wrapped_key, [a.protected_name for a in held.attempts]) for s in held.submissions]
        of += [(entry.wrapped_key, [entry.raw_name]) for entry in held.inbox]
        of += [(kept.wrapped_key, [kept.content_name]) for kept in held.kept]
        for key, name in ((key, name) for key, names in of for name in names):
            try:
                place.vault.get(name, key)
            except Locked as told:
                assert "slettet for godt" in str(told)  # noqa: PT017
                count += 1
    return count


def test_a_restored_season_is_purged_again_and_keeps_both_certificates(made: Place) -> None:
    """The database forgot the purge: its rows are purged anew, and the first certificate stays under a name of its own."""
    backup = made.folder.parent / "backup"
    shutil.copytree(made.folder, backup, ignore=shutil.ignore_patterns("seasons"))
    first = run(made)
    for path in made.folder.glob("kpr.sqlite*"):
        path.unlink()
    shutil.copytree(backup, made.folder, dirs_exist_ok=True)
    second = run(made)
    assert first != second
    assert files(made, "*") == [f"purged-1103-2020-1.{first[:16]}.json", "purged-1103-2020-1.json"]


def test_the_certificate_names_the_season_keys_and_the_log_as_it_stood(made: Place) -> None:
    """Whoever restores a database can see that it is from before; backups are no longer among what is not covered."""
    with made.open() as place, place.store.transaction() as session:
        head = session.get_one(Cycle, place.store.cycle_id).head
    seasons = len(living_seasons(made))
    run(made)
    said = certificate(made)
    assert said["event_head"] == head
    assert len(said["season_keys"]) == seasons == 3
    assert "backups" not in said["not_covered"]


def test_what_was_kept_before_there_were_season_keys_is_read_and_purged(made: Place) -> None:
    """Its data keys need none; the certificate then says that backups are not covered."""
    with made.open() as place:
        place.vault.seasons = None
        old = place.kept.keep(KeptKind.KEYS, b"before", place.act("rolle A"))
    with made.open() as place:
        assert place.kept.read(old) == b"before"
    run(made)
    assert "backups" in certificate(made)["not_covered"]


def test_a_missing_season_key_is_told_apart_from_a_destroyed_one(made: Place) -> None:
    """Somebody forgot to put the folder back: that is a setting to mend, and nothing is lost."""
    (made.folder / "keys" / "seasons").rename(made.folder / "elsewhere")
    with made.open() as place, pytest.raises(BadSettings, match="season key that opens what was kept is missing"):
        place.vault.get(place.store.latest().rows_name, place.store.latest().wrapped_key)  # type: ignore[union-attr]
    (made.folder / "elsewhere").rename(made.folder / "keys" / "seasons")
    assert unreadable(made) == 0


def test_season_keys_inside_the_vault_are_refused(made: Place) -> None:
    """The vault's backups would have them."""
    made.settings.write_text(made.settings.read_text("utf-8").replace("keys/seasons", "vault/seasons"), "utf-8")
    with pytest.raises(BadSettings, match="season keys lie in the vault"), made.open():
        pass


def test_two_that_make_the_first_season_key_at_once_use_the_same(tmp_path: Path) -> None:
    """Whoever comes second reads what the first has written."""
    mine, theirs = (season_keys.SeasonKeys(tmp_path, "1103-2020") for _ in range(2))
    with mine.keeping("payload") as one, theirs.keeping("payload") as other:
        assert one == other
        assert mine.find(one.id) == one
    assert [path.name for path in tmp_path.glob("*.key")] == ["1103-2020-payload-1.key"]


def test_nobody_keeps_anything_while_season_keys_leave(tmp_path: Path) -> None:
    """Who comes in between waits, and is given the next key; the one that left can be read until it is destroyed."""
    keys_of = season_keys.SeasonKeys(tmp_path, "1103-2020")
    with keys_of.keeping("payload") as first:
        pass
    given: list[season_keys.SeasonKey] = []

    def keep() -> None:
        with keys_of.keeping("payload") as key:
            given.append(key)

    with keys_of.leaving(["payload"]) as ids:
        other = threading.Thread(target=keep)
        other.start()
        other.join(0.3)
        assert given == []
        assert keys_of.find(first.id) == first
    other.join()
    keys_of.destroy(ids)
    assert ids == (first.id,)
    assert given[0].id != first.id
    assert keys_of.find(given[0].id) == given[0]
    with pytest.raises(Locked, match="slettet for godt"):
        keys_of.find(first.id)


# -- found right, and what is kept beside the messages ---------------------------------------------------------------------


def test_found_right_it_opens_so_many_days_later() -> None:
    """A version that was found right on 20 January may go on 20 February; one found right late waits for no later day."""
    signed = datetime(2021, 1, 20, 9, tzinfo=OSLO)
    assert opens(YEAR, 30, signed) == end_of_day(date(2021, 2, 19))
    assert opens(YEAR, 30, datetime(2021, 6, 1, tzinfo=OSLO)) == end_of_day(LAST_DAY)
    assert opens(load_year(2024), 30, signed) == end_of_day(date(2021, 2, 19))


def test_each_kind_has_days_of_its_own() -> None:
    """Counted from the absolute last date; nothing is over in a year whose date is not known."""
    days = {"keys": 30, "figures": 800}
    assert outlived(YEAR, days, OPEN) == {"keys"}
    assert outlived(YEAR, days, end_of_day(LAST_DAY)) == frozenset()
    assert outlived(YEAR, days, OPEN + timedelta(days=771)) == {"keys", "figures"}
    assert outlived(load_year(2024), days, OPEN + timedelta(days=9000)) == frozenset()


def test_figures_outlive_what_they_were_counted_from(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the purge the list of keys cannot be read, next January's figures can, and the certificate names what went."""
    monkeypatch.delenv("KPR_RETENTION__FIGURES")
    with made.open() as place:
        figures, gone = place.kept.newest(KeptKind.FIGURES), place.kept.newest(KeptKind.KEYS)
        assert figures is not None
        assert gone is not None
    run(made)
    with made.open() as place:
        assert read_figures(place.kept.read(figures)).data_year == 2020
        assert place.kept.every(KeptKind.KEYS) == []
    assert files(made) == [f"{figures.content_name}.vault"]
    assert certificate(made)["documents"] == [
        {"kind": "KEYS", "made_at": gone.made_at.isoformat(), "sha256": gone.sha256}
    ]


def test_signed_as_right_the_data_may_go_before_the_last_date(made: Place) -> None:
    """Thirty days after the signature; the day before, nobody may."""
    made.at(START)
    with made.open() as place:
        latest = place.store.latest()
        assert latest is not None
        view = place.kept.keep(KeptKind.VIEW, b"{}", place.act("rolle A"), submission_id=latest.id)
        place.judgements.sign_off(latest.id, view.id, place.act("rolle A"))
    made.at(START + timedelta(days=30))
    with pytest.raises(Locked):
        run(made)
    made.at(START + timedelta(days=31))
    assert run(made)
    assert [key for key in keys(made) if key] == []
