"""The set of ids that have been seen is a set."""

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_a360.api.idset import IdSet

IDS = st.one_of(st.integers(0, 3_000), st.integers(-(2**63), 2**63), st.binary(max_size=8), st.none())


@given(st.lists(st.lists(IDS)))
def test_it_holds_what_was_added_once_and_nothing_else(pages):
    found, expected = IdSet(), set()
    for ids in pages:
        assert [identity in found for identity in ids] == [identity in expected for identity in ids]
        new = found.add(ids)
        for identity, is_new in zip(ids, new, strict=True):
            assert is_new == (identity not in expected)
            expected.add(identity)
        assert len(found) == len(expected)
    assert all(identity in found for identity in expected)


def test_ids_that_lie_close_together_take_little_memory():
    found = IdSet()
    found.add(range(1_000_000, 1_100_000))
    assert sum(len(block) for block in found._blocks.values()) < 100_000
