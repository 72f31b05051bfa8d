"""How much of what earlier tries published still lies at the destination."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence

from airflow_provider_a360.api.masking import scrub
from airflow_provider_a360.export.ledger import PublishedFile
from airflow_provider_a360.export.publish import Destination

log = logging.getLogger(__name__)


def find_intact(destination: Destination, earlier: Sequence[Mapping[str, PublishedFile]]) -> tuple[int, list[str]]:
    """How many batches, from the first one on, lie there as they were published; and a note, also in the log, of what
    this try does with them. A batch is its files by their names, paths below the destination.

    A storage that can't be looked into keeps none of them, and fails no export.
    """
    published = sum(map(len, earlier))
    if not published:
        return len(earlier), []
    kept, wrong = _unbroken(earlier, functools.cache(destination.file_sizes))
    files = [file for batch in earlier[:kept] for file in batch.values()]
    if not wrong:
        note = f"An earlier try published {published} files, the last for {files[-1]['last_day']}; this one goes on."
        log.info(note)
        return kept, [note]
    goes_on = (
        f"goes on behind the first {len(files)} and exports the others anew" if files else "exports all of them anew"
    )
    note = f"An earlier try published {published} files, but {wrong}. This one {goes_on}."
    log.warning(note)
    return kept, [note]


def _unbroken(
    earlier: Sequence[Mapping[str, PublishedFile]], sizes: Callable[[str], Mapping[str, int]]
) -> tuple[int, str | None]:
    for number, batch in enumerate(earlier):
        for path, file in batch.items():
            if wrong := _wrong(path, file, sizes):
                return number, wrong
    return len(earlier), None


def _wrong(path: str, file: PublishedFile, sizes: Callable[[str], Mapping[str, int]]) -> str | None:
    folder, _, name = path.rpartition("/")
    try:
        size = sizes(folder).get(name)
    except Exception as error:  # noqa: BLE001  # each storage has errors of its own
        return f"whether they are still there can't be seen: {type(error).__name__}: {scrub(str(error))}"
    if size is None:
        return f"{file['uri']} is gone"
    return None if size == file["size"] else f"{file['uri']} has {size} bytes instead of {file['size']}"
