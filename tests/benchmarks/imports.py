"""Measure the import of a module on top of `airflow.sdk`: `imports.py MODULE` prints milliseconds and megabytes."""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path


def resident() -> float:
    """Return the resident memory of this process, in MB."""
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


importlib.import_module("airflow.sdk")
memory, began = resident(), time.perf_counter()
importlib.import_module(sys.argv[1])
print(json.dumps({"ms": (time.perf_counter() - began) * 1000, "mb": resident() - memory}))
