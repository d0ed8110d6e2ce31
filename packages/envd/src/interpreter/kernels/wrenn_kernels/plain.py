"""Values as JSON can hold them."""

import base64
import datetime
import math

MAX_DEPTH = 32


def plain(value: object, depth: int = MAX_DEPTH) -> object:
    """
    The value made of dict, list, str, int, float, bool and None. Numbers that JSON lacks become None, numpy's scalars
    Python's, times ISO 8601, bytes base64, and whatever else, or is nested deeper than 32 levels, its text.
    """
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, str) else str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if depth > 0 and isinstance(value, dict):
        return {str(key): plain(item, depth - 1) for key, item in value.items()}
    if depth > 0 and isinstance(value, (list, tuple)):
        return [plain(item, depth - 1) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return _foreign(value, depth)


def _foreign(value: object, depth: int) -> object:
    """numpy's and pandas's values know how to become Python's: `item`, `tolist`."""
    for method in ("item", "tolist"):
        try:
            converted = getattr(value, method)()
        except Exception:  # noqa: BLE001 - any object may be asked, and many refuse
            continue
        if type(converted) is not type(value) and depth > 0:
            return plain(converted, depth - 1)
    return str(value)
