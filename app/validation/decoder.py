"""A quick decoder of requests that are right, made from the schema that judges the others.

Nearly all requests are right, and to say so a schema takes ten times as long as a decoder that msgspec makes from its
fields. The decoder may decline what the schema takes, never the other way round; what it declines, the schema judges
and words.
"""

from __future__ import annotations

from typing import Any

import msgspec
from marshmallow import Schema, missing


def decoder(schema: Schema) -> type[msgspec.Struct]:
    """A msgspec type for what the schema takes, made from its fields: types, lengths, choices, nulls and defaults.

    What a member's own form must be beyond that (UUIDs, times, addresses, categories) is left to the caller. A member
    that may be absent and has no default is msgspec.UNSET then.
    """
    required: list[tuple[str, Any]] = []
    optional: list[tuple[str, Any, Any]] = []
    for name, field in schema.fields.items():
        kind = field.wire  # type: ignore[attr-defined]
        if field.allow_none:
            kind = kind | None
        if field.required:
            required.append((name, kind))
        elif field.load_default is missing:
            optional.append((name, kind | msgspec.UnsetType, msgspec.UNSET))
        else:
            optional.append((name, kind, field.load_default))
    made = msgspec.defstruct("Decoded", [*required, *optional], gc=False)
    # msgspec (0.22.0) reads a type when it is first used, and a second thread that uses it meanwhile ends the process
    # with a segmentation fault. So it reads it now, before there are other threads.
    msgspec.json.Decoder(made)
    return made
