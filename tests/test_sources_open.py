"""What a path or a setting means: which kind of source, and where the ident half is."""

from __future__ import annotations

from pathlib import Path

import pytest
from extract_rows import SHAPE, everything, small
from pydantic import ValidationError

from kpr.errors import BadExtract, BadSettings
from kpr.sources.open import SourceSpec, source_from, spec_of
from kpr.synth.write import write_csv, write_xml
from kpr.years import load_year


def touch(folder: Path, *names: str) -> list[Path]:
    """Empty files."""
    paths = [folder / name for name in names]
    for path in paths:
        path.touch()
    return paths


@pytest.mark.parametrize(
    ("iplos", "ident"),
    [
        ("IPLOS.xml", "IDENT.xml"),
        ("KPR_IPL_1103_00_2020_1.xml", "KPR_IDE_1103_00_2020_1.xml"),
        ("uttrekk.xml", "uttrekk-ident.xml"),
        ("fra-siden.xml", "ide.xml"),
    ],
)
def test_the_ident_file_is_found_beside_the_other(tmp_path: Path, iplos: str, ident: str) -> None:
    """By its name, given the IPLOS file or the folder of both."""
    first, second = touch(tmp_path, iplos, ident)
    wanted = SourceSpec(kind="xml", iplos=first, ident=second)
    assert spec_of(first) == wanted
    assert spec_of(tmp_path) == wanted


def test_an_ident_file_that_is_named_wins(tmp_path: Path) -> None:
    """What the officer says is not guessed over."""
    first, _, other = touch(tmp_path, "IPLOS.xml", "IDENT.xml", "annen.xml")
    assert spec_of(first, other).ident == other


def test_two_that_could_be_it_are_none(tmp_path: Path) -> None:
    """Where nobody can tell which ident file belongs, none is taken, and the checks miss it."""
    first, *_ = touch(tmp_path, "IPLOS.xml", "IDENT-1.xml", "IDENT-2.xml")
    assert spec_of(first).ident is None


def test_a_folder_with_tables_is_a_folder_of_tables(tmp_path: Path) -> None:
    """Also when XML lies beside them."""
    write_csv(small(), tmp_path)
    touch(tmp_path, "gammel.xml")
    assert spec_of(tmp_path) == SourceSpec(kind="tables", folder=tmp_path)


def test_a_path_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """One sentence with the name."""
    with pytest.raises(BadExtract, match="no such file or folder") as said:
        spec_of(tmp_path / "borte.xml")
    assert said.value.place == "borte.xml"


def test_without_an_ident_file_the_rest_is_still_read(tmp_path: Path) -> None:
    """A dry run can begin before the ident half is there; the pair rules say what is missing."""
    path, ident = write_xml(small(), load_year(2020), tmp_path)
    ident.unlink()
    found = everything(source_from(spec_of(path), SHAPE))
    assert found["person"]
    assert found["ident"] == []


@pytest.mark.parametrize(
    ("spec", "needs"),
    [
        (SourceSpec(kind="xml"), "iplos"),
        (SourceSpec(kind="tables"), "folder"),
        (SourceSpec(kind="sql"), "url and queries"),
        (SourceSpec(kind="sql", url="sqlite://"), "url and queries"),  # type: ignore[arg-type]
    ],
)
def test_a_setting_that_is_not_whole_says_what_it_needs(spec: SourceSpec, needs: str) -> None:
    """A kind without its place is BadSettings, not a guess."""
    with pytest.raises(BadSettings, match=needs):
        source_from(spec, SHAPE)


def test_the_address_of_a_database_is_never_shown() -> None:
    """Neither the setting nor a fault in it shows the password."""
    spec = SourceSpec(kind="sql", url="postgresql://epj:hemmelig@db/epj")  # type: ignore[arg-type]
    assert "hemmelig" not in repr(spec) + str(spec) + spec.model_dump_json()
    with pytest.raises(ValidationError) as said:
        SourceSpec(kind="sql", url=["hemmelig"])  # type: ignore[arg-type]
    assert "hemmelig" not in str(said.value)


def test_the_address_of_a_database_may_lie_in_a_file(tmp_path: Path) -> None:
    """Each municipality's own, readable by its owner alone; the file's text is shown in no error."""
    (tmp_path / "queries.yaml").write_text("{}", "utf-8")
    file = tmp_path / "address"
    file.write_text("sqlite:///hemmelig.db\n", "utf-8")
    file.chmod(0o644)
    spec = SourceSpec(kind="sql", url_file=file, queries=tmp_path / "queries.yaml")
    with pytest.raises(BadSettings, match=r"Others than its owner .*source\.url_file"):
        source_from(spec, SHAPE)
    file.chmod(0o600)
    file.write_text("", "utf-8")
    with pytest.raises(BadSettings, match=r"The source's address is missing.*KPR_SOURCE__URL"):
        source_from(spec, SHAPE)
    file.write_text("sqlite:///hemmelig.db\n", "utf-8")
    with pytest.raises((BadSettings, BadExtract)) as told:
        source_from(spec, SHAPE)
    assert "address" not in str(told.value)
    assert "hemmelig" not in str(told.value)
