"""Whose a finding is: the unit that registered the row, as far as the extract says.

The row's own organisation number where it has one (TJENESTE, DOGNTILBUD); otherwise that of the person's newest
service; otherwise the bydel. A number that is no organisation number is not carried on.
"""

from __future__ import annotations

from kpr.national_id import valid_organisation_number
from kpr.sources.work_rows import WorkRows

#: What stands where the extract names no unit.
NO_UNIT = ""

_UNIT_OF_PERSON = """
    CREATE TEMP TABLE unit_of_person AS
    SELECT p.row_no AS person_row, coalesce(
        (SELECT t.tjInstOrgnr FROM tjeneste t WHERE t.person_row = p.row_no AND is_unit(t.tjInstOrgnr)
         ORDER BY coalesce(t.tjFraDato, '') DESC, t.row_no DESC LIMIT 1),
        CASE WHEN p.peBydelsnr GLOB '[0-9][0-9]' AND p.peBydelsnr <> '00' THEN 'bydel ' || p.peBydelsnr END,
        '') AS unit
    FROM person p"""

#: The unit of a row of the table ``finding`` that a query calls ``f``; :func:`prepare_units` must have run.
UNIT_OF_FINDING = """coalesce(
    CASE WHEN f.tab = 'TJENESTE' THEN
        (SELECT t.tjInstOrgnr FROM tjeneste t WHERE t.row_no = f.row_no AND is_unit(t.tjInstOrgnr))
    WHEN f.tab = 'DOGNTILBUD' THEN
        (SELECT d.dgInstOrgnr FROM dogntilbud d WHERE d.row_no = f.row_no AND is_unit(d.dgInstOrgnr))
    END,
    (SELECT u.unit FROM temp.unit_of_person u WHERE u.person_row = f.person_row),
    '')"""


def prepare_units(work: WorkRows) -> None:
    """Lay the units of all persons beside the rows, in memory."""
    connection = work.connection
    connection.create_function("is_unit", 1, _is_unit, deterministic=True)
    connection.execute("DROP TABLE IF EXISTS temp.unit_of_person")
    connection.execute(_UNIT_OF_PERSON)
    connection.execute("CREATE UNIQUE INDEX temp.unit_of_person_row ON unit_of_person (person_row)")


def _is_unit(number: str | None) -> bool:
    return bool(number) and len(number or "") == 9 and valid_organisation_number(number or "")
