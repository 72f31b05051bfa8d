"""Find files that make a reader of a whole folder count rows twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from airflow_provider_a360.api.masking import scrub
from airflow_provider_a360.export.options import FileFormat
from airflow_provider_a360.export.publish import Destination

_MAX_LISTED = 10
"""Number of file names that a note lists. It only counts the others."""


def describe(destination: Destination, written: Mapping[str, set[str]]) -> str | None:
    """Describe the files that hold the same rows as the files of this export.

    If the storage can't be listed, the note says so: this check never fails an export.

    :param destination: where the files were published.
    :param written: the names of the published files by folder; folders are paths below the destination.
    :return: a note for the manifest, or None if there are no such files.
    """
    duplicates: dict[str, list[str]] = {}
    for folder, names in sorted(written.items()):
        try:
            existing = destination.file_sizes(folder)
        except Exception as error:  # noqa: BLE001  # each storage has its own exceptions
            return (
                f"Could not list the files in {folder}: {type(error).__name__}: {scrub(str(error))}. "
                "Make sure that no other file there holds the same rows: a reader of the whole folder would count them "
                "twice."
            )
        stems = {name.partition(".")[0] for name in names}
        for name in existing:
            if name not in names and _is_duplicate(name, stems):
                duplicates.setdefault(name, []).append(folder)
    if not duplicates:
        return None
    listed = [f"{name} in {_format_folders(folders)}" for name, folders in list(duplicates.items())[:_MAX_LISTED]]
    more = f", and {len(duplicates) - _MAX_LISTED} more names" if len(duplicates) > _MAX_LISTED else ""
    return (
        "Other files hold the same rows as the files of this export, so a reader of a whole folder counts them twice: "
        f"{', '.join(listed)}{more}. Delete them or move them elsewhere."
    )


def _is_duplicate(name: str, stems: set[str]) -> bool:
    """Return whether a file holds rows of a published file: the same rows in another format, or the rows of one flow
    next to those of all flows, which version 0.1.0 wrote into the same folder.
    """
    stem, _, file_format = name.partition(".")
    is_of_one_flow = stem.startswith("flow-") and stem.removeprefix("flow-").isdigit()
    return file_format in get_args(FileFormat) and (stem in stems or ("all" in stems and is_of_one_flow))


def _format_folders(folders: list[str]) -> str:
    if len(folders) == 1:
        return folders[0]
    return f"{len(folders)} folders, {folders[0]} to {folders[-1]}"
