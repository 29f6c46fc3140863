"""``metrics.csv`` and ``samples.csv``: one row at a time, never one twice."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from madata.errors import MadanceError
from madata.files import write_text

__all__ = ["CsvLog"]


class CsvLog:
    """A CSV file whose first column is ``step``, ascending.

    Rows after ``step`` are dropped when it is opened: they were written after the checkpoint that the run goes on
    from, and come again. A row is appended by one write, and a row cut short by a crash is dropped too.

    Attributes:
        last_step: of the last row, ``None`` without rows.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        self._columns: list[str] = []
        self.last_step: int | None = None
        if path.is_file():
            text = path.read_text("utf-8")
            rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))
            kept = [row for row in rows[1:] if row and row[0].isdigit() and int(row[0]) <= step]
            if kept:
                self._columns, self.last_step = rows[0], int(kept[-1][0])
                write_text(path, "".join(map(_line, [rows[0], *kept])))
            else:
                path.unlink()

    def append(self, step: int, values: Mapping[str, float | None]) -> None:
        """Add a row; ``None`` is an empty cell.

        Raises:
            MadanceError: the columns are not those of the rows before, or the disk is full.
        """
        columns = ["step", *values]
        text = _line([str(step), *("" if value is None else repr(float(value)) for value in values.values())])
        if not self._columns:
            text, self._columns = _line(columns) + text, columns
        elif columns != self._columns:
            raise MadanceError(f"{self._path}: has the columns {self._columns}, the new row {columns}")
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(handle, text.encode())
            finally:
                os.close(handle)
        except OSError as error:
            raise MadanceError(f"cannot write {self._path}: {error.strerror}") from error
        self.last_step = step


def _line(cells: list[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()
