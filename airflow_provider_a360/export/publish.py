"""Publish finished files, each as a whole or not at all."""

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

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of control characters, unpaired surrogates and line breaks."""


class A360DestinationError(A360Error):
    """A file could not be staged or published. Existing files are unchanged; check the destination."""


class Destination:
    """A folder to publish files in, local or in object storage.

    :param folder: an absolute path, a path that begins with `~`, or a URI such as `s3://bucket/folder`. A URI may name
        an Airflow connection: `s3://aws_default@bucket/folder`.
    :raises A360ConfigError: if the folder is empty or not usable, or if its storage needs a package that is not
        installed.
    """

    def __init__(self, folder: str) -> None:
        from airflow.providers.common.compat.sdk import ObjectStoragePath  # noqa: PLC0415

        uri = _check_folder(str(folder).strip())
        try:
            self._folder = ObjectStoragePath(uri)
            self._is_local = self._folder.fs.protocol in ("file", ("file", "local"))
        except (ImportError, ValueError) as error:
            raise A360ConfigError(
                f"destination {uri} can't be used here ({scrub(str(error))}). Storage other than local needs "
                "its provider, such as apache-airflow-providers-amazon[s3fs] for s3://."
            ) from None

    def publish(self, file: Path, name: str) -> str:
        """Copy a file to the destination, and replace the file that is there.

        :param file: the local file to publish.
        :param name: the target, as a path below the folder.
        :return: the URI of the published file.
        :raises A360DestinationError: if the file can't be written. The existing file is unchanged then.
        """
        target = self._path(name)
        try:
            if self._is_local:
                _write_atomically(file, Path(target.path))
            else:
                # Upload with one call. A remote file object would publish half a file if an error closed it.
                target.fs.put_file(str(file), target.path)
        except Exception as error:  # noqa: BLE001  # each storage has its own exceptions
            raise A360DestinationError(
                f"Could not write {target}: {type(error).__name__}: {scrub(str(error))}. The existing file, if there "
                "is one, is unchanged. Check permissions and free space at the destination, then run the task again."
            ) from None
        self._report_lineage(str(target))
        return str(target)

    def uri(self, name: str) -> str:
        """Return the URI of a file.

        :param name: the file, as a path below the folder.
        """
        return str(self._path(name))

    def file_sizes(self, folder: str) -> dict[str, int]:
        """Return the files in a folder.

        :param folder: a path below the destination.
        :return: the size of each file in bytes, by name; empty if there is no such folder.
        :raises Exception: whatever the storage raises if it can't be listed.
        """
        target = self._path(folder)
        # Some storages cache their listings.
        target.fs.invalidate_cache(target.path)
        try:
            entries = target.fs.ls(target.path, detail=True)
        except FileNotFoundError:
            return {}
        return dict(sorted((entry["name"].rstrip("/").rpartition("/")[2], entry["size"]) for entry in entries))

    def _path(self, name: str) -> ObjectStoragePath:
        return self._folder.joinpath(*name.split("/"))

    def _report_lineage(self, uri: str) -> None:
        """Report the file to Airflow's hook lineage, which its OpenLineage provider reads."""
        from airflow.providers.common.compat.sdk import get_hook_lineage_collector  # noqa: PLC0415

        # Airflow refuses some URIs as assets, such as very long ones. Lineage must not fail the export.
        with contextlib.suppress(ValueError):
            get_hook_lineage_collector().add_output_asset(context=self._folder, uri=uri)


def _check_folder(text: str) -> str:
    """Check a destination and return its URI.

    :raises A360ConfigError: if it is not a folder, holds credentials, or depends on the machine it is read on.
    """
    scheme, _, rest = text.rpartition("://")
    if ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise A360ConfigError(
            "destination holds credentials in its URL, where everyone who can see the task can read them. Put them in "
            "an Airflow connection, and that connection's id before the @, as in s3://aws_default@bucket/a360."
        )
    problem = f"destination is {text!r}; give a folder, such as /data/a360 or s3://bucket/a360"
    if not text or text == "None":
        raise A360ConfigError(f"{problem}.")
    if "::" in text or any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in text):
        raise A360ConfigError(
            f"{problem}, without line breaks, control characters and :: (which fsspec uses to chain file systems)."
        )
    if ".." in rest.split("/"):
        raise A360ConfigError(f"{problem}, without .., so that the path shows where the files are.")
    if scheme not in ("", "file", "local"):
        return text
    # Path.as_uri() would percent-encode spaces, and ObjectStoragePath doesn't decode them.
    # Path.expanduser() raises for an unknown user.
    path = rest if scheme else os.path.expanduser(rest)  # noqa: PTH111
    if not path.startswith("/"):
        raise A360ConfigError(f"{problem}, as an absolute path: workers may run in different working directories.")
    return f"file://{Path(path)}"


def _write_atomically(file: Path, target: Path) -> None:
    """Copy a file to a temporary file in the target's folder, then rename it.

    A rename is atomic only within one file system. Only the owner can read the temporary file; then it gets the
    permissions that the umask gives to a new file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with file.open("rb") as source, temporary.open("xb") as out:
            default_mode = stat.S_IMODE(os.fstat(out.fileno()).st_mode)
            _set_mode(out, 0o600)
            shutil.copyfileobj(source, out)
            out.flush()
            os.fsync(out.fileno())
            _set_mode(out, default_mode)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _set_mode(file: IO[bytes], mode: int) -> None:
    # Some file systems have no POSIX permissions and refuse to set them.
    with contextlib.suppress(OSError):
        os.fchmod(file.fileno(), mode)
