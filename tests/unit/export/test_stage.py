"""Staged files are sorted, in whatever chunks their rows are added."""

import json

import pytest

from airflow_provider_a360.api.records import Record
from airflow_provider_a360.export.stage import StagedFile


class Row(Record):
    number: int


def staged(path, *pieces):
    """Stage rows with these numbers; return the numbers in the finished file."""
    file = StagedFile(path / "rows.jsonl", Row, lambda row: (row.number,))
    for numbers in pieces:
        file.add([Row(number=number) for number in numbers])
    lines = file.finish().read_text().splitlines()
    assert file.rows == len(lines)
    return [json.loads(line)["number"] for line in lines]


@pytest.mark.parametrize(
    "pieces",
    [
        ([5], [9]),
        ([5], [], [9]),
        ([7, 5], [], [], [6]),
        ([], [5], [], [9, 8]),
        ([9], [], [5], [], [7]),
    ],
)
def test_rows_are_sorted_across_chunks(tmp_path, pieces):
    wanted = sorted((number for piece in pieces for number in piece), reverse=True)
    assert staged(tmp_path, *pieces) == wanted


def test_file_without_rows_is_empty(tmp_path):
    assert staged(tmp_path) == staged(tmp_path, [], []) == []
