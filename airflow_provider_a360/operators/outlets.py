"""Tell a task's outlets which files were exported."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_a360.api.days import Days
    from airflow_provider_a360.export.job import Manifest

log = logging.getLogger(__name__)


def add_events(context: Context, outlets: Iterable[Any], manifest: Manifest, days: Days) -> None:
    """Add the rows, days and URIs of an export to the events of the task's outlets.

    An asset's event gets them as its `extra`. An alias gets an event for the folder that is the exported table. Airflow
    adds the partition of a partitioned run by itself.

    :param context: the task's context.
    :param outlets: the operator's outlets.
    :param manifest: the export's manifest.
    :param days: the exported days.
    """
    uris = [file["uri"] for file in manifest["files"]]
    extra: dict[str, Any] = {"rows": manifest["rows"], "days": [str(day) for day in days], "uris": uris}
    # A file is in its day's folder, and that is in the table's folder.
    tables = sorted({uri.rsplit("/", 2)[0] for uri in uris})
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(extra)
        elif isinstance(outlet, AssetAlias):
            for table in tables:
                try:
                    context["outlet_events"][outlet].add(Asset(table), extra=extra)
                except ValueError as error:
                    log.warning("No event for %s: %s can't be the URI of an asset: %s", outlet.name, table, error)
