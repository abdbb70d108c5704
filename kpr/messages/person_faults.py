"""Finds the person, class, element and row at fault in a group of persons that did not pass: slow, and rarely needed."""

from __future__ import annotations

from typing import NoReturn

from lxml import etree

from kpr.errors import BadMessage
from kpr.messages.faults import FaultPlace, fault_of, not_xml
from kpr.messages.schemas import default_namespace, person_schema
from kpr.messages.shape import CHILD_CLASSES, ClassShape, PayloadShape
from kpr.sources.work_rows import WorkRows


def raise_fault(work: WorkRows, shape: PayloadShape, rows: list[int]) -> NoReturn:
    """The first fault among these persons as a BadMessage with its place."""
    schema = person_schema(shape.version)
    for row_no in rows:
        person, places = _person(work, shape, row_no)
        if not schema.validate(person):
            raise fault_of(person, schema, places)
    raise BadMessage("A person does not follow the schema.", place=f"PERSON, rows {rows[0]}-{rows[-1]}")


def _person(work: WorkRows, shape: PayloadShape, row_no: int) -> tuple[etree._Element, FaultPlace]:
    values = _rows(work, shape["PERSON"], "row_no", row_no)[0]
    places = FaultPlace(values[1] or "", row_no)
    space = f"{{{shape.namespace}}}"
    person = etree.Element(f"{space}PERSON", nsmap=default_namespace(shape.namespace))
    _fill(person, shape["PERSON"], values, space, places)
    for name in CHILD_CLASSES:
        for row in _rows(work, shape[name], "person_row", row_no):
            _fill(etree.SubElement(person, space + name), shape[name], row, space, places)
    return person, places


def _rows(work: WorkRows, shape: ClassShape, column: str, row_no: int) -> list[tuple[str | None, ...]]:
    names = ", ".join(f'"{name}"' for name in ("row_no", *shape.columns))
    query = f"SELECT {names} FROM {shape.table} WHERE {column} = ? ORDER BY row_no"  # noqa: S608
    return work.connection.execute(query, (row_no,)).fetchall()


def _fill(node: etree._Element, shape: ClassShape, row: tuple[str | None, ...], space: str, places: FaultPlace) -> None:
    place = places.at(shape.name, int(row[0] or 0))
    split = len(shape.keys) + 1
    try:
        for key, value in zip(shape.keys, row[1:split], strict=True):
            if value:
                node.set(key, value)
        for name, value in zip(shape.elements, row[split:], strict=True):
            if value or (value is not None and name in shape.required):
                etree.SubElement(node, space + name).text = value
    except ValueError:
        raise not_xml(place) from None
