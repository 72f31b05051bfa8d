"""A finished file appears at its destination whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import unicodedata
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING

from airflow_provider_a360.api.errors import A360ConfigError, A360Error
from airflow_provider_a360.api.masking import scrub

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, halves of surrogate pairs and line breaks."""


class A360DestinationError(A360Error):
    """A file could not be published: look at the destination. What was there before is untouched."""


class Destination:
    """A folder, local or in object storage (`s3://bucket/folder`, `gs://…`, with `scheme://connection@…` for Airflow's
    connection).

    Raises: A360ConfigError for an empty one, one that can't be a folder's name, or a scheme whose storage is not
        installed.
    """

    def __init__(self, folder: str) -> None:
        from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: PLC0415

        text = _checked(str(folder).strip())
        try:
            self._folder = ObjectStoragePath(text)
            self._local = self._folder.fs.protocol in ("file", ("file", "local"))
        except (ImportError, ValueError) as error:
            raise A360ConfigError(
                f"destination {text} can't be reached from here ({scrub(str(error))}). Storage other than local needs "
                "its provider, such as apache-airflow-providers-amazon[s3fs] for s3://."
            ) from None

    def publish(self, file: Path, name: str) -> str:
        """Put `file` at `name`, a path below the folder, in place of what is there; returns its URI.

        Raises: A360DestinationError.
        """
        target: ObjectStoragePath = self._folder.joinpath(*name.split("/"))
        try:
            if self._local:
                _replace(file, Path(target.path))
            else:
                # One call that uploads or fails; a remote file object would publish a half when closed by an error.
                target.fs.put_file(str(file), target.path)
        except Exception as error:  # noqa: BLE001  # each storage has errors of its own
            raise A360DestinationError(
                f"Could not write {target}: {type(error).__name__}: {scrub(str(error))}. "
                "What was there before is untouched. See that it may be written and has room, then run the task again."
            ) from None
        self._report(str(target))
        return str(target)

    def uri(self, name: str) -> str:
        """The URI of a file, from its path below the folder."""
        return str(self._folder.joinpath(*name.split("/")))

    def file_sizes(self, folder: str) -> dict[str, int]:
        """The name and the bytes of what lies in `folder`, a path below the destination; empty where there is none."""
        target: ObjectStoragePath = self._folder.joinpath(*folder.split("/"))
        # Some storages remember what they listed before.
        target.fs.invalidate_cache(target.path)
        try:
            found = target.fs.ls(target.path, detail=True)
        except FileNotFoundError:
            return {}
        return dict(sorted((one["name"].rstrip("/").rpartition("/")[2], one["size"]) for one in found))

    def _report(self, uri: str) -> None:
        """Name the file to those who follow lineage in Airflow, such as its OpenLineage provider."""
        from airflow.providers.common.compat.sdk import get_hook_lineage_collector  # noqa: PLC0415

        # Not every address makes an asset: one may be too long, and some schemes have rules of their own.
        with contextlib.suppress(ValueError):
            get_hook_lineage_collector().add_output_asset(context=self._folder, uri=uri)


def _checked(text: str) -> str:
    """The URI of a folder, as the author wrote it.

    Raises: A360ConfigError for what is no folder's, or would be another one elsewhere.
    """
    scheme, _, rest = text.rpartition("://")
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise A360ConfigError(
            "destination holds credentials in its URL, where everybody who sees the task could read them: put them in "
            "an Airflow connection, and that connection's id before the @, as in s3://aws_default@bucket/a360."
        )
    such = f"destination is {text!r}; give a folder, such as /data/a360 or s3://bucket/a360"
    if not text or text == "None":
        raise A360ConfigError(f"{such}.")
    if "::" in text or any(unicodedata.category(character) in _NEVER for character in text):
        raise A360ConfigError(
            f"{such}: without line breaks and control characters, and without ::, which chains file systems."
        )
    if ".." in rest.split("/"):
        raise A360ConfigError(f"{such}: without .., so that everybody sees where the files go.")
    if scheme not in ("", "file", "local"):
        return text
    # Not as_uri(): nothing decodes its %20 again, so a folder's blank would become part of its name.
    path = rest if scheme else os.path.expanduser(rest)  # noqa: PTH111  # Path's own fails for an unknown user
    if not path.startswith("/"):
        raise A360ConfigError(f"{such}, whole from / on: a worker's own folder may be any.")
    return f"file://{Path(path)}"


def _replace(file: Path, target: Path) -> None:
    """By one rename, from a file beside the target: a rename is whole only within a file system. Nobody else can read
    that file until it is whole; then it gets the permissions that any new file has here.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with file.open("rb") as source, beside.open("xb") as out:
            by_umask = stat.S_IMODE(os.fstat(out.fileno()).st_mode)
            _permit(out, 0o600)
            shutil.copyfileobj(source, out)
            out.flush()
            os.fsync(out.fileno())
            _permit(out, by_umask)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _permit(file: IO[bytes], mode: int) -> None:
    """Some file systems have permissions of their own and refuse others."""
    with contextlib.suppress(OSError):
        os.fchmod(file.fileno(), mode)
