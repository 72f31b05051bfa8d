"""Looks in files and databases for texts that must be in none of them."""

import base64
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from cryptography.fernet import Fernet

_HEAD = 8
"""All forms of all texts are looked for at once, by so many bytes of their beginnings."""


class Canaries:
    """Texts that must be seen nowhere: plain, URL-encoded, or in Base64, alone or within something longer."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._by_head: dict[bytes, list[tuple[bytes, str]]] = defaultdict(list)
        for text in texts:
            for form in set(_forms(text)):
                assert len(form) >= _HEAD, "too short to be told from other text"
                self._by_head[form[:_HEAD]].append((form, text))

    def within(self, content: bytes) -> set[str]:
        """Those that are in there."""
        by_head = self._by_head
        return {
            text
            for at in range(len(content))
            if (head := content[at : at + _HEAD]) in by_head
            for form, text in by_head[head]
            if content.startswith(form, at)
        }

    def within_tables(self, tables: dict[str, list[bytes]]) -> dict[str, set[str]]:
        """Those that are in rows, by table."""
        return {table: found for table, rows in tables.items() if (found := self.within(b"\n".join(rows)))}


def rows_of(database: Path, fernet_key: str = "") -> dict[str, list[bytes]]:
    """Every row of each table that has any; what Airflow has encrypted with that key is decrypted."""
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
        # Only the characters that hold none of what comes before or after.
        whole = slice(-(-before * 8 // 6), (before + len(content)) * 8 // 6)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + content)[whole]
