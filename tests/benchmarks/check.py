"""Check that an export has each row exactly once: `check.py FOLDER ROWS`."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path


def main() -> None:
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    times = bytearray(rows + 1)
    for path in sorted(folder.rglob("*.*")):
        if path.is_file() and "_dlt" not in str(path):
            for row in read(path):
                number = int(row.get("conversion_id") or row.get("id") or row["element_id"])
                if row.get("email") not in (None, f"person{number}@example.com"):
                    raise SystemExit(f"{path}: row {number} has the address of another row.")
                times[number] = min(2, times[number] + 1)
    missing, repeated = times.count(0) - 1, times.count(2)
    if missing or repeated:
        raise SystemExit(f"{folder}: {missing} rows are missing, {repeated} are repeated.")


def read(path: Path) -> Iterator[dict]:
    """Yield the rows of a file of any format."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
        return
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as lines:
        if ".csv" in path.suffixes:
            yield from csv.DictReader(lines)
        else:
            yield from (json.loads(line) for line in lines)


if __name__ == "__main__":
    main()
