"""The HTML of the document's page and of the pages of problem types. Everything they load is of this service."""

from __future__ import annotations

import html
import re

import orjson

from app.openapi.document import ProblemType

# Scripts and data of this origin only. Swagger UI sets style attributes, and has its icons as data: addresses.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Addresses are relative, so that the pages work behind a proxy that serves the service below a path of its own.
DOCS = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data Storage Service API</title>
<link rel="icon" type="image/png" sizes="32x32" href="docs/assets/favicon-32x32.png">
<link rel="icon" type="image/png" sizes="16x16" href="docs/assets/favicon-16x16.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
<link rel="stylesheet" href="docs/assets/docs.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript><p>Without JavaScript, read the document itself: <a href="openapi.yaml">openapi.yaml</a>.</p></noscript>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/assets/docs.js"></script>
</body>
</html>
"""

_PROBLEM = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} ({slug})</title>
<link rel="icon" type="image/png" sizes="32x32" href="../docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="../docs/assets/docs.css">
</head>
<body class="problem">
<h1>{title}</h1>
<p>Status {status}, <code>type</code> ends in <code>{slug}</code>.{retry_after}</p>
<h2>What it means</h2>
<p>{meaning}</p>
<h2>What to do</h2>
<p>{action}</p>
<h2>An example</h2>
<pre>{example}</pre>
<p><a href="../docs">All operations and their problems</a></p>
</body>
</html>
"""


def problem(kind: ProblemType) -> str:
    """The page of one kind of problem."""
    wait = f" <code>Retry-After</code> is {kind.retry_after} s." if kind.retry_after is not None else ""
    return _PROBLEM.format(
        title=html.escape(kind.title),
        slug=html.escape(kind.slug),
        status=kind.status,
        retry_after=wait,
        meaning=_prose(kind.meaning),
        action=_prose(kind.action),
        example=html.escape(orjson.dumps(kind.example, option=orjson.OPT_INDENT_2).decode()),
    )


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
