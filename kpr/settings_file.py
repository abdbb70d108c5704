"""What is done to a settings file before it is checked: passwords are refused, and its paths are found.

A settings file can be shown to anyone, so there is no place for a password in it. Relative paths count from its folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from kpr.errors import BadSettings
from kpr.yaml_file import read_yaml

_SERVER = ("ca_file", "password_file")

#: Settings that hold a path. By part, and by kind where the same word means something else: an IMAP server's folder is
#: no path. All of ``keys`` are paths.
_PATHS = {
    "trust": ("roots",),
    "vault": ("folder", "season_folder", "key_file"),
    "transport": ("folder", "cpa_file", *_SERVER),
    "transport.carrier": ("folder", "known_hosts", "key_file", *_SERVER),
    "transport.carrier.smtp": _SERVER,
    "transport.carrier.imap": _SERVER,
    "mailbox": ("folder", *_SERVER),
    "mailbox imap": _SERVER,
    "source": ("iplos", "ident", "folder", "queries", "url_file"),
    "pages": ("folder",),
    "letters": (),
    "letters.smtp": _SERVER,
}
_PATH_DEFAULTS: dict[str, dict[str, str]] = {
    "vault": {"folder": "vault", "season_folder": "keys/seasons", "key_file": "keys/municipality.key"},
    "transport": {"kind": "directory", "folder": "exchange"},
    "mailbox": {"kind": "maildir", "folder": "mail"},
}


def parsed(path: Path) -> Any:
    """What a YAML file says, parsed once for as long as it is not changed: it must not be changed by whoever gets it.

    OSError, UnicodeDecodeError or yaml.YAMLError when it cannot be read.
    """
    return _parsed(path, version_of(path))


def version_of(path: Path) -> tuple[int, int]:
    """Something that changes when the file does; OSError when it is not there."""
    said = path.stat()
    return said.st_mtime_ns, said.st_size


@lru_cache(maxsize=2048)
def _parsed(path: Path, _version: tuple[int, int]) -> Any:
    return read_yaml(path)


def refuse_passwords(raw: dict[str, Any], path: Path) -> None:
    """BadSettings names the variable that a password belongs in, and shows nothing of it."""
    for part in ("keys", "transport", "mailbox", "letters"):
        for place in _passwords(raw.get(part), part):
            variable = f"KPR_{place.replace('.', '__')}".upper()
            raise BadSettings(
                "A password stands in the settings file.",
                place=f"{path.name}: {place}",
                remedy=f"Take it out, change it, and set {variable} in the environment.",
            )


def _passwords(part: object, place: str) -> Iterator[str]:
    """Where passwords stand, however deep."""
    if isinstance(part, list):
        for value in part:
            yield from _passwords(value, place)
    if isinstance(part, dict):
        for name, value in part.items():
            if str(name).lower().endswith("password"):
                yield f"{place}.{name}"
            yield from _passwords(value, f"{place}.{name}")


def resolve_paths(raw: dict[str, Any], base: Path) -> dict[str, Any]:
    """The same settings with paths that count from ``base``, and with the defaults that have one."""
    settings = dict(raw)
    for part in ("keys", "trust", "vault", "transport", "mailbox", "source", "pages", "letters"):
        said = settings.get(part) or {}
        if isinstance(said, dict) and (part in settings or part in _PATH_DEFAULTS):
            settings[part] = _resolved(_with_defaults(_PATH_DEFAULTS.get(part, {}), said), part, base)
    for name in ("year_file", "clock_file", "addresses"):
        if settings.get(name):
            settings[name] = base / settings[name]
    url = (settings.get("store") or {}).get("url", "sqlite:///kpr.sqlite")
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        settings["store"] = {"url": f"sqlite:///{base / url.removeprefix('sqlite:///')}"}
    return settings


def _resolved(fields: dict[str, Any], place: str, base: Path) -> dict[str, Any]:
    """One part with its paths and those of the parts within it; what is not text is left for the check of its type."""
    names = tuple(fields) if place == "keys" else _PATHS.get(f"{place} {fields.get('kind')}", _PATHS[place])
    paths = {name: base / fields[name] for name in names if isinstance(fields.get(name), str) and fields[name]}
    within = {
        name: _resolved(value, f"{place}.{name}", base)
        for name, value in fields.items()
        if isinstance(value, dict) and f"{place}.{name}" in _PATHS
    }
    return fields | paths | within


def _with_defaults(defaults: dict[str, str], said: dict[str, Any]) -> dict[str, Any]:
    """The defaults of the kind that the settings name, or that is usual."""
    other = "kind" in defaults and said.get("kind", defaults["kind"]) != defaults["kind"]
    return said if other else defaults | said
