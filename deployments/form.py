"""The schema of a deployment's run form."""

from __future__ import annotations

from typing import Any, get_type_hints

from prefect.utilities.callables import parameter_schema
from pydantic.fields import FieldInfo


def form_schema(flow: Any) -> dict[str, Any]:
    """The schema of the run form, with each field's own title and help: Prefect has only the parameters' names."""
    schema = parameter_schema(flow).model_dump_for_openapi()
    for name, hint in get_type_hints(flow.fn, include_extras=True).items():
        said = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, FieldInfo)), None)
        if said is not None and name in schema["properties"]:
            schema["properties"][name] |= {"title": said.title, "description": said.description}
    return dict(schema)


def fields(schema: dict[str, Any] | None) -> dict[str, Any]:
    """A schema without its titles and helps: Prefect's own ``prefect deploy`` writes others, and takes the same values."""
    shape = {name: value for name, value in (schema or {}).items() if value}  # a server leaves out what is empty
    said = ("title", "description", "position")
    shape["properties"] = {
        name: {key: value for key, value in field.items() if key not in said}
        for name, field in shape.get("properties", {}).items()
    }
    return shape
