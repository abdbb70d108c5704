"""Reads a data year from its file, the year that it is based on, and a file outside the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kpr.errors import BadSettings
from kpr.yaml_file import read_yaml
from kpr.years.model import Profile, Year

DATA = Path(__file__).parent / "data"

#: What an override may hold besides the values of a profile.
_CODE_LIST_PARTS = ("service_types", "lists", "elements", "score_lists", "districts", "municipalities")
_SHAPES: dict[str, type] = {part: list if part == "service_types" else dict for part in _CODE_LIST_PARTS}


def known_years() -> tuple[int, ...]:
    """The data years that the package knows."""
    return tuple(sorted(int(path.stem) for path in DATA.glob("20*.yaml")))


@cache
def load_year(data_year: int, override: Path | None = None) -> Year:
    """The data year, with whatever the override file says laid over it.

    An override may hold any value of a year's file, whole code lists by number, and may describe a year that the
    package does not know (``based_on``). BadSettings with the place and the remedy when a file does not fit.
    """
    extra = _read(override) if override else {}
    if extra.get("data_year", data_year) != data_year:
        raise BadSettings(
            f"The year file is for data year {extra['data_year']}, not {data_year}.",
            place=override.name if override else "",
            remedy="Name the file of the right year, or leave data_year out of it.",
        )
    values = _profile_values(data_year, extra) | _only(extra, Profile.model_fields) | {"data_year": data_year}
    unknown = set(extra) - set(Profile.model_fields) - set(_CODE_LIST_PARTS) - {"based_on"}
    if unknown:
        name = override.name if override else ""
        raise BadSettings(
            f"A year file has no value called {sorted(unknown)[0]!r}.", place=name, remedy="See docs/years.md."
        )
    profile = _validated(values, override)
    expected = f"http://www.npr.no/xmlstds/{profile.ident_version.value.replace('.', '_')}_ide"
    if profile.ident_namespace.value != expected and "ident_namespace" not in extra:
        raise BadSettings(
            "The year file changes ident_version and not ident_namespace.",
            place=f"{override.name if override else 'kpr/years'}: ident_namespace",
            remedy=f"Give ident_namespace too; by the pattern so far it would be {expected}.",
        )
    return Year(profile, _code_lists(extra))


def _profile_values(data_year: int, extra: dict[str, Any]) -> dict[str, Any]:
    base = extra.get("based_on", data_year) if data_year not in known_years() else data_year
    if base not in known_years():
        raise BadSettings(
            f"Data year {data_year} is not known.",
            place=f"known: {known_years()[0]}-{known_years()[-1]}",
            remedy="Give a year file that says 'based_on:' one of these (docs/years.md).",
        )
    values = _read(DATA / f"{base}.yaml")
    before = _profile_values(values.pop("based_on"), {}) if "based_on" in values else {}
    return before | values


def _only(values: dict[str, Any], names: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def _validated(values: dict[str, Any], override: Path | None) -> Profile:
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadSettings(
            f"A value of the data year is missing or wrong: {first['msg']}.",
            place=f"{override.name if override else 'kpr/years'}: {'.'.join(str(part) for part in first['loc'])}",
            remedy="Write it as {value: …, source: …, mark: confirmed|probable|assumed} (docs/years.md).",
        ) from None


def _code_lists(extra: dict[str, Any]) -> dict[str, Any]:
    for part, shape in _SHAPES.items():
        if not isinstance(extra.get(part, shape()), shape):
            raise BadSettings(
                f"The year file's {part!r} has the wrong form.",
                place=part,
                remedy="See the packaged file (docs/years.md).",
            )
    lists = _read(DATA / "code-lists.yaml") | {"municipalities": _read(DATA / "municipalities.yaml")}
    for part in _CODE_LIST_PARTS:
        if part == "service_types" and part in extra:
            changed = {row["code"]: row for row in extra[part]}
            kept = [row for row in lists[part] if row["code"] not in changed]
            lists[part] = kept + list(changed.values())
        elif part in extra:
            lists[part] = lists[part] | extra[part]
    return lists


@cache
def _read_packaged(path: Path) -> dict[str, Any]:
    return dict(read_yaml(path))


def _read(path: Path) -> dict[str, Any]:
    if path.parent == DATA:
        return dict(_read_packaged(path))
    try:
        values = read_yaml(path)
    except (OSError, ValueError, yaml.YAMLError):  # ValueError: bad UTF-8, and a date that does not exist
        raise BadSettings(
            "The year file cannot be read as YAML.", place=path.name, remedy="See docs/years.md."
        ) from None
    if not isinstance(values, dict):
        raise BadSettings("The year file holds no values.", place=path.name, remedy="See docs/years.md.")
    return values
