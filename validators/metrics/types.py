"""Names of types: numpy's, pandas', Python's and Polars' mean the same column."""

from __future__ import annotations

import polars as pl

from validators.findings import NotEvaluable

_NAMED: dict[str, tuple[str, ...]] = {
    **{f"int{bits}": (f"int{bits}", f"Int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (f"uint{bits}", f"UInt{bits}") for bits in (8, 16, 32, 64)},
    "float32": ("float32", "Float32", "single"),
    "float64": ("float64", "Float64", "float", "double"),
    "bool": ("bool", "bool_", "boolean", "Boolean", "BooleanDtype"),
    "str": ("str", "string", "String", "Utf8", "StringDtype", "object", "object_", "O"),
    "datetime64": ("datetime64", "datetime", "Datetime", "Timestamp"),
    "date": ("date", "Date"),
    "timedelta64": ("timedelta64", "timedelta", "Duration"),
}  # fmt: skip
_ALIASES = {"int": "int64", "long": "int64"}


def named(dtype: pl.DataType) -> str:
    """The name that numpy has, where it has one."""
    plain = str(dtype.base_type())
    fixed = {"String": "str", "Categorical": "str", "Enum": "str", "Datetime": "datetime64", "Duration": "timedelta64"}
    name = fixed.get(plain, plain.lower())
    return "bool" if name == "boolean" else name


def fits(dtype: pl.DataType, name: str) -> bool:
    """Whether a column of the type is called that. Raises `NotEvaluable` for a name that nobody has."""
    asked = _ALIASES.get(name, name.split("[", maxsplit=1)[0])
    meant = [kind for kind, names in _NAMED.items() if asked in names]
    if not meant:
        raise NotEvaluable(f"type {name!r} is known neither to numpy, pandas, Python nor Polars")
    return named(dtype) in meant
