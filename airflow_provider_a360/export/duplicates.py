"""Other files in an export's folders that make whoever reads a folder whole count rows twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from airflow_provider_a360.api.masking import scrub
from airflow_provider_a360.export.options import FileFormat
from airflow_provider_a360.export.publish import Destination

_NAMED = 10
"""Names that a note holds; it counts the others."""


def describe(destination: Destination, written: Mapping[str, set[str]]) -> str | None:
    """Say which files lie beside those that were written, by folder; None where there are none.

    Looking improves the export and never fails it: a storage that refuses is what the note says then.
    """
    found: dict[str, list[str]] = {}
    for folder, names in sorted(written.items()):
        try:
            others = destination.file_sizes(folder)
        except Exception as error:  # noqa: BLE001  # each storage has errors of its own
            return (
                f"Whether other files lie in {folder} could not be seen: {type(error).__name__}: {scrub(str(error))}. "
                "If there are any, whoever reads the folder whole may count rows twice."
            )
        stems = {name.partition(".")[0] for name in names}
        for name in others:
            if name not in names and _is_double(name, stems):
                found.setdefault(name, []).append(folder)
    if not found:
        return None
    shown = [f"{name} in {_places(folders)}" for name, folders in list(found.items())[:_NAMED]]
    more = f", and {len(found) - _NAMED} more names" if len(found) > _NAMED else ""
    return (
        "Other files lie beside those of this export, and whoever reads a folder whole counts their rows as well: "
        f"{', '.join(shown)}{more}. Delete them or move them elsewhere."
    )


def _is_double(name: str, stems: set[str]) -> bool:
    """Whether it holds rows of a file that was written, too: the same ones in another format, or one flow's beside all
    flows', as version 0.1.0 had them.
    """
    stem, _, file_format = name.partition(".")
    of_a_flow = stem.startswith("flow-") and stem.removeprefix("flow-").isdigit()
    return file_format in get_args(FileFormat) and (stem in stems or ("all" in stems and of_a_flow))


def _places(folders: list[str]) -> str:
    if len(folders) == 1:
        return folders[0]
    return f"{len(folders)} folders, {folders[0]} to {folders[-1]}"
