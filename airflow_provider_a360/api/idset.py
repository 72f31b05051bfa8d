"""Which rows have been seen, in little memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

_BITS = 10
"""Ids share a block by all but so many of their lowest bits: the service numbers its rows upwards."""
_BYTES = 1 << (_BITS - 3)
_LOW = (1 << _BITS) - 1


class IdSet:
    """A set of ids. Whole numbers take a bit each where they lie close together; anything else is kept as it is."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}
        self._others: set[Hashable] = set()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, identities: Iterable[Hashable]) -> list[bool]:
        """Take them in; whether each was new."""
        new = [self._is_new(identity) for identity in identities]
        self._size += sum(new)
        return new

    def _is_new(self, identity: Hashable) -> bool:
        if not isinstance(identity, int):
            new = identity not in self._others
            self._others.add(identity)
            return new
        block = self._blocks.get(identity >> _BITS)
        if block is None:
            block = self._blocks[identity >> _BITS] = bytearray(_BYTES)
        place, bit = (identity & _LOW) >> 3, 1 << (identity & 7)
        held = block[place]
        block[place] = held | bit
        return not held & bit

    def __contains__(self, identity: Hashable) -> bool:
        if not isinstance(identity, int):
            return identity in self._others
        block = self._blocks.get(identity >> _BITS)
        return block is not None and bool(block[(identity & _LOW) >> 3] & 1 << (identity & 7))
