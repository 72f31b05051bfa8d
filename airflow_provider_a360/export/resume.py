"""Check how many files of earlier attempts are still at the destination."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence

from airflow_provider_a360.api.masking import scrub
from airflow_provider_a360.export.ledger import PublishedFile
from airflow_provider_a360.export.publish import Destination

log = logging.getLogger(__name__)

_FileSizes = Callable[[str], Mapping[str, int]]


def find_intact(destination: Destination, earlier: Sequence[Mapping[str, PublishedFile]]) -> tuple[int, list[str]]:
    """Find the first batch that is not at the destination as it was published, and log where this attempt resumes.

    If the storage can't be listed, no batch counts as intact: this check never fails an export.

    :param destination: where the files were published.
    :param earlier: the batches of earlier attempts, in order. A batch maps paths below the destination to files.
    :return: the number of batches before the first one that is missing or changed, and notes for the manifest.
    """
    published = sum(map(len, earlier))
    if not published:
        return len(earlier), []
    files = "1 file" if published == 1 else f"{published} files"
    intact, problem = _count_intact(earlier, functools.cache(destination.file_sizes))
    kept = [file for batch in earlier[:intact] for file in batch.values()]
    if problem is None:
        note = (
            f"An earlier attempt published {files}, the last for {kept[-1]['last_day']}; this attempt resumes after it."
        )
        log.info(note)
        return intact, [note]
    consequence = f"keeps the first {len(kept)} and exports the others again" if kept else "exports all of them again"
    note = f"An earlier attempt published {files}, but {problem}. This attempt {consequence}."
    log.warning(note)
    return intact, [note]


def _count_intact(earlier: Sequence[Mapping[str, PublishedFile]], file_sizes: _FileSizes) -> tuple[int, str | None]:
    """Return the number of intact batches, and what is wrong with the next one, if there is one."""
    for number, batch in enumerate(earlier):
        for path, file in batch.items():
            if problem := _find_problem(path, file, file_sizes):
                return number, problem
    return len(earlier), None


def _find_problem(path: str, file: PublishedFile, file_sizes: _FileSizes) -> str | None:
    """Describe how a file differs from the one that was published; None if it has the same size."""
    folder, _, name = path.rpartition("/")
    try:
        size = file_sizes(folder).get(name)
    except Exception as error:  # noqa: BLE001  # each storage has its own exceptions
        return f"the destination could not be listed ({type(error).__name__}: {scrub(str(error))})"
    if size is None:
        return f"{file['uri']} is missing"
    return None if size == file["size"] else f"{file['uri']} has {size} bytes instead of {file['size']}"
