"""Opens an extract: the one place that knows all kinds of source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from kpr.errors import BadExtract, BadSettings
from kpr.messages.shape import PayloadShape
from kpr.sources.contract import Source
from kpr.sources.sql import SqlSource, read_queries
from kpr.sources.tables import TableSource
from kpr.sources.xml_files import XmlSource, opener
from kpr.transports.secret import secret


class SourceSpec(BaseModel):
    """Where the extract is: XML files, a folder of tables, or a database with its queries."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: Literal["xml", "tables", "sql"]
    iplos: Path | None = None
    ident: Path | None = None
    folder: Path | None = None
    url: SecretStr | None = None
    #: A file with nothing but the address, which holds a password: the environment is the same for all municipalities.
    url_file: Path | None = None
    queries: Path | None = None


def spec_of(path: Path, ident: Path | None = None) -> SourceSpec:
    """What a path must be: a folder of tables, a folder with the two XML files, or an IPLOS file."""
    if path.is_dir():
        found = sorted(path.glob("*.xml"))
        iplos = [file for file in found if not _is_ident_name(file)]
        if len(iplos) == 1 and not list(path.glob("*.csv")) and not list(path.glob("*.parquet")):
            return spec_of(iplos[0], ident)
        return SourceSpec(kind="tables", folder=path)
    if not path.is_file():
        raise BadExtract("There is no such file or folder.", place=path.name, remedy="Check the name.")
    return SourceSpec(kind="xml", iplos=path, ident=ident or _ident_beside(path))


def _is_ident_name(path: Path) -> bool:
    """``KPR_IDE_1103.xml``, ``ident.xml``, ``IDENT-2020.xml``; but not ``uttrekk-fra-siden.xml``."""
    return re.search(r"ident|(?<![a-z])ide(?![a-z])", path.stem.lower()) is not None


def _ident_beside(path: Path) -> Path | None:
    beside = [file for file in sorted(path.parent.glob("*.xml")) if file != path and _is_ident_name(file)]
    return beside[0] if len(beside) == 1 else None


def source_from(spec: SourceSpec, shape: PayloadShape) -> Source:
    """The source that a spec describes; BadSettings when it is not whole."""
    if spec.kind == "xml" and spec.iplos:
        names = (spec.iplos.name, spec.ident.name if spec.ident else "ident file")
        return XmlSource(shape, opener(spec.iplos), opener(spec.ident) if spec.ident else None, names)
    if spec.kind == "tables" and spec.folder:
        return TableSource(spec.folder, shape)
    if spec.kind == "sql" and (spec.url or spec.url_file) and spec.queries:
        url = SecretStr(secret(spec.url, spec.url_file, place="source.url_file", what="The source's address"))
        return SqlSource(url, read_queries(spec.queries), shape)
    needs = {"xml": "iplos", "tables": "folder", "sql": "url and queries"}[spec.kind]
    raise BadSettings(f"A source of kind {spec.kind} needs {needs}.", place="source", remedy="Add it to the settings.")
