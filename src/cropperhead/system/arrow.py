"""PyArrow without pandas, which takes longer to import than many a library takes to be read."""

import importlib.abc
import sys
from collections.abc import Sequence
from functools import cache
from types import ModuleType


class _NoPandas(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        del path, target
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)


@cache
def leave_out_pandas() -> None:
    """Keep PyArrow from importing pandas, in a process that converts only lists and tables.

    With its first value PyArrow looks for pandas, whose objects it knows how to convert, and it
    looks once. So this holds for the whole process: a Series then is any sequence, whose NaN is no
    null. Only a program's start may call it, never a function that others call. Nothing is done if
    pandas is loaded already.
    """
    import pyarrow as pa  # noqa: PLC0415 - which suggesting crops does without

    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(finder)
