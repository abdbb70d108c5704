"""A backup of the database that is restored: what has left since is not sent once more under new ids."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from place import Place
from test_killed import killed_at, msg_ids, sent
from typer.testing import CliRunner

from kpr.cli.app import app
from kpr.errors import BadSettings, Locked
from kpr.guard import Approval
from kpr.steps.approve import fix_ids, record_approval, send_only_approved
from kpr.steps.build import build_messages
from kpr.steps.extract import open_submission
from kpr.steps.report import prepare
from kpr.steps.send import resend
from kpr.steps.timeline import timeline
from kpr.store import MessageKind
from kpr.store.outside import SentFile

TWO = Approval(frozenset({"rolle A", "rolle B"}), "sammenlignet med registeret")
ONE = "0" * 8 + "-0000-4000-8000-" + "0" * 12


def approved(place: Place) -> str:
    """A version that somebody has approved, and that has no ids yet."""
    with place.open() as work:
        submission, _ = prepare(work, by="rolle A")
        record_approval(work, submission, by="rolle A")
    return submission


def send(place: Place, approval: Approval | None = None) -> str:
    """As ``kpr fleet send`` does."""
    with place.open() as work:
        return send_only_approved(work, approval)


@pytest.fixture
def restored(tmp_path: Path) -> Place:
    """Approved, copied, sent, and the copy put back."""
    place = Place(tmp_path, persons=5)
    approved(place)
    shutil.copy(tmp_path / "kpr.sqlite", tmp_path / "copy")
    send(place)
    shutil.copy(tmp_path / "copy", tmp_path / "kpr.sqlite")
    return place


def events(place: Place) -> list[tuple[str, str, str]]:
    """Who unlocked what, and why."""
    with place.open() as work:
        return [(each.event, each.who, each.why) for each in work.store.events() if each.event.startswith("OLDER")]


def test_a_restored_database_sends_nothing_under_new_ids(restored: Place) -> None:
    """It knows of no ids, but they have left: locked, and no new ones are made."""
    before = sent(restored)
    with pytest.raises(Locked, match="Basen er eldre enn det som er sendt: 2 meldinger"):
        send(restored)
    assert sent(restored) == before
    assert msg_ids(restored) == []


@pytest.mark.parametrize("who", [None, Approval(frozenset({"rolle A"}), "haster"), Approval(TWO.persons, " ")])
def test_less_than_two_persons_with_a_reason_do_not_unlock_it(restored: Place, who: Approval | None) -> None:
    """One person, or two without a reason, have not compared anything."""
    with pytest.raises(Locked, match="Basen er eldre"):
        send(restored, who)


def test_two_persons_with_a_reason_unlock_it_and_it_is_noted(restored: Place) -> None:
    """Then it is sent, the event says who and why, and the next time nobody has to say it again."""
    send(restored, TWO)
    assert len(msg_ids(restored)) == 2
    assert len(set(sent(restored))) == 4
    assert events(restored) == [("OLDER_DATABASE_UNLOCKED", "rolle A, rolle B", TWO.reason)]
    with restored.open() as work:
        assert any("låst opp av to personer" in line.text.nb for line in timeline(work))
    restored.exchange()
    restored.persons += 1
    restored.extract()
    restored.report(mended="rettet")


def test_a_database_that_was_made_anew_opens_no_version(restored: Place) -> None:
    """Nothing restored at all: the first version is locked as well, until two persons have a reason."""
    (restored.folder / "kpr.sqlite").unlink()
    with restored.open() as work:
        with pytest.raises(Locked, match="Basen er eldre"):
            open_submission(work, by="rolle A")
        open_submission(work, by="rolle A", second="rolle B", reason="ny base")
    assert len(events(restored)) == 1


def test_the_same_message_is_not_sent_again_from_an_older_database(tmp_path: Path) -> None:
    """A later version has left since the copy: the former one must not come after it."""
    place = Place(tmp_path, persons=5, plays=[{"message_type": "KPR_IPL", "receipt": "none"}])
    first = place.report()
    SentFile(tmp_path / "keys" / "seasons" / "1103-2020.sent").add_sent([ONE])
    with place.open() as work, pytest.raises(Locked, match="Basen er eldre"):
        resend(work, first, MessageKind.IPLOS, Approval(frozenset({"rolle A"}), "spurt"), answered=True)


def test_a_copy_from_after_the_ids_were_fixed_goes_on_with_them(tmp_path: Path) -> None:
    """The copy knows the ids: the same messages under the same ids are no second sending (S1)."""
    place = Place(tmp_path, persons=5)
    submission = approved(place)
    with place.open() as work:
        fix_ids(work, submission)
        build_messages(work, submission)
    shutil.copy(tmp_path / "kpr.sqlite", tmp_path / "copy")
    send(place)
    first = msg_ids(place)
    shutil.copy(tmp_path / "copy", tmp_path / "kpr.sqlite")
    send(place)
    assert msg_ids(place) == first


def dies_at(where: str) -> Callable[[Place], None]:
    """Send in a process that dies right before, or right after, the ids are written down outside."""

    def work(place: Place) -> None:
        original = SentFile.add_sent

        def dying(self: SentFile, ids: object) -> None:
            if where == "after":
                original(self, ids)  # type: ignore[arg-type]
            os._exit(9)

        SentFile.add_sent = dying  # type: ignore[method-assign,assignment]
        send(place)

    return work


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_kill_around_the_writing_down_does_not_lock(tmp_path: Path, where: str) -> None:
    """The database has the ids before the file has: an undamaged one knows whatever stands there."""
    place = Place(tmp_path, persons=5)
    approved(place)
    assert killed_at(1000, lambda: dies_at(where)(place))
    send(place)
    assert len(msg_ids(place)) == len(sent(place)) == 2


def test_what_leaves_is_written_down_before_it_leaves(tmp_path: Path) -> None:
    """When the transport is asked for the first time, both ids stand in the file; those of each version do in the end."""
    place = Place(tmp_path, persons=5)
    place.report()
    place.exchange()
    place.persons += 1
    place.extract()
    place.report(mended="rettet")
    assert SentFile(tmp_path / "keys" / "seasons" / "1103-2020.sent").sent() == {
        each.lower() for each in msg_ids(place)
    }
    assert len(msg_ids(place)) == 4


def test_collecting_is_not_locked(restored: Place) -> None:
    """Collecting is what one does first after a restore: what came for messages that it does not know is set aside."""
    restored.register()
    assert restored.collect()
    with pytest.raises(Locked):
        send(restored)


def test_the_fleet_s_collecting_finishes_what_was_cut_off(tmp_path: Path) -> None:
    """As the flow does: a sending that was killed half way is finished under the same ids."""
    place = Place(tmp_path, persons=5)
    approved(place)
    assert killed_at(1000, lambda: dies_at("after")(place))
    assert place.status().state == "SENDING"
    ids = msg_ids(place)
    done = CliRunner().invoke(app, ["fleet", "collect", "--installation", str(place.settings)])
    assert done.exit_code == 0, done.output
    assert "fullført" in done.output
    assert place.status().state == "AWAITING"
    assert msg_ids(place) == ids
    assert len(sent(place)) == 2


# -- the file --------------------------------------------------------------------------------------------------------


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    """What a power cut leaves of a line tells of nothing that had left, and does not spoil the next line."""
    file = SentFile(tmp_path / "x.sent")
    file.path.write_text(f"sent {ONE[:20]}")
    file.add_sent([ONE])
    assert file.sent() == {ONE}


def test_an_explained_id_is_still_one_that_was_sent(tmp_path: Path) -> None:
    """Explaining takes nothing away; the same line is not written twice."""
    file = SentFile(tmp_path / "new" / "x.sent")
    assert file.sent() == frozenset()
    file.add_sent([ONE.upper()])
    size = file.path.stat().st_size
    file.add_sent([ONE])
    assert file.path.stat().st_size == size
    file.explain([ONE])
    assert (file.sent(), file.unexplained()) == ({ONE}, frozenset())


def test_a_list_that_cannot_be_read_or_written_stops_the_sending(tmp_path: Path) -> None:
    """Nobody knows what has left then: one sentence, and nothing is sent."""
    place = Place(tmp_path, persons=5)
    approved(place)
    (tmp_path / "keys" / "seasons" / "1103-2020.sent").mkdir()
    with pytest.raises(BadSettings, match=r"The list of what was sent cannot be read.*1103-2020\.sent"):
        send(place)
    assert sent(place) == []
