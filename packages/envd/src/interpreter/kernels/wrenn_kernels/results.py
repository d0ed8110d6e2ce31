"""Results as the clients of the code interpreter take them."""

from typing import Any

Line = dict[str, Any]

# Names of the fields by MIME type; all other types keep their names.
FIELDS = {
    "text/plain": "text",
    "text/html": "html",
    "text/markdown": "markdown",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpeg",
    "application/pdf": "pdf",
    "text/latex": "latex",
    "application/json": "json",
    "application/javascript": "javascript",
    "wrenn/data": "data",
    "wrenn/chart": "chart",
}
# Fields of the line itself, which a type must not take the place of.
RESERVED = {"type", "is_main_result", "extra"}


def result(bundle: dict[str, Any], is_main: bool) -> Line:
    """One line: a value, or something that was displayed, in all forms that it has."""
    line: Line = {"type": "result", "is_main_result": is_main}
    for mime, value in bundle.items():
        name = FIELDS.get(mime, mime)
        if value is not None and name not in RESERVED:
            line[name] = unquoted(value) if name == "text" else value
    return line


def unquoted(text: object) -> object:
    """A text that is the value of an expression is shown without the quotes that `repr` puts around it."""
    if isinstance(text, str) and len(text) > 1 and text.startswith("'") and text.endswith("'"):
        return text[1:-1]
    return text


def error(name: str, value: str, traceback: str) -> Line:
    """One line: how the code failed."""
    return {"type": "error", "name": name, "value": value, "traceback": traceback}
