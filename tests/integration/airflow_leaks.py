"""Search files and databases for secrets and personal data that must not be in them."""

import base64
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from cryptography.fernet import Fernet

_HEAD = 8
"""The search for all forms of all texts is one pass that looks up the next so many bytes at each position."""


class Canaries:
    """Texts to search for: plain, URL-encoded, or in Base64, alone or as a part of longer text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._by_head: dict[bytes, list[tuple[bytes, str]]] = defaultdict(list)
        for text in texts:
            for form in set(_forms(text)):
                assert len(form) >= _HEAD, "too short: other text could match by chance"
                self._by_head[form[:_HEAD]].append((form, text))

    def within(self, content: bytes) -> set[str]:
        """Return the texts that the content holds."""
        by_head = self._by_head
        return {
            text
            for at in range(len(content))
            if (head := content[at : at + _HEAD]) in by_head
            for form, text in by_head[head]
            if content.startswith(form, at)
        }

    def within_tables(self, tables: dict[str, list[bytes]]) -> dict[str, set[str]]:
        """Return the texts that the rows hold, by table."""
        return {table: found for table, rows in tables.items() if (found := self.within(b"\n".join(rows)))}


def rows_of(database: Path, fernet_key: str = "") -> dict[str, list[bytes]]:
    """Return the rows of each non-empty table; values that Airflow encrypted with the key are decrypted."""
    fernet = Fernet(fernet_key) if fernet_key else None
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connected:
        names = [name for (name,) in connected.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {name: connected.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
    return {
        name: [b"\n".join(_readable(value, fernet) for value in row) for row in rows]
        for name, rows in tables.items()
        if rows
    }


def _readable(value: object, fernet: Fernet | None) -> bytes:
    content = value if isinstance(value, bytes) else str(value).encode()
    return fernet.decrypt(content) if fernet and content.startswith(b"gAAAA") else content


def _forms(text: str) -> Iterator[bytes]:
    content = text.encode()
    yield content
    yield quote(text, safe="").encode()
    for before in range(3):
        # Keep only the characters that don't depend on the bytes before and after the text.
        whole = slice(-(-before * 8 // 6), (before + len(content)) * 8 // 6)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + content)[whole]
