"""Each conversion in exactly one day's file."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar

from airflow_provider_a360.api import arguments, endpoints
from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.days import Days
from airflow_provider_a360.api.endpoints import ConversionKind
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.api.paging import Listing
from airflow_provider_a360.api.parallel import beside, in_order
from airflow_provider_a360.api.records import Conversion, Record
from airflow_provider_a360.export.datasets import Batch, Findings

log = logging.getLogger(__name__)

_Dated = tuple[date, list[Conversion]]


@dataclass
class Conversions:
    """Each conversion of the flows on the days of their `conversion_date`, exactly once.

    Neither how the service cuts a day, nor whether its filter includes the last one, nor by which of a row's dates it
    goes, is certain. So more is asked for than is wanted, a row is taken by its own date, and where rows show that the
    filter goes by another date, or the filter seems to hide some, the list without a filter is read instead.
    """

    name: ClassVar[str] = "conversions"
    row_type: ClassVar[type[Record]] = Conversion
    # What one reading of a list may cover: its days are staged side by side.
    _PART: ClassVar[int] = 31

    kind: ConversionKind = "all"
    goal_id: int | None = None
    _goes_by_conversion_date: bool | None = field(default=None, init=False)
    """None until a row shows it; the same for all lists of the service."""

    def __post_init__(self) -> None:
        if self.kind not in endpoints.CONVERSION_KINDS:
            raise A360ConfigError(f"kind is {self.kind!r}; it must be one of {', '.join(endpoints.CONVERSION_KINDS)}.")
        if self.goal_id is not None:
            if self.kind == "maintrigger":
                raise A360ConfigError('goal_id goes with kind="goal", not with kind="maintrigger".')
            self.goal_id = arguments.identifier(self.goal_id, "goal_id")
            self.kind = "goal"

    def folder(self, days: Days, *, by_flow: bool) -> str:
        """`conversions`, with the kind and the goal if not all are meant, and the day."""
        parts = [self.name, *([] if self.kind == "all" else [self.kind])]
        # A goal belongs to one flow: its table has no second form.
        parts += [str(self.goal_id)] if self.goal_id is not None else ["by_flow"] if by_flow else []
        return f"{'-'.join(parts)}/dt={days.first}"

    def sort_key(self, row: Conversion) -> tuple[Any, ...]:
        """By flow; within a flow the newest first, as the service has them."""
        return -row.flow_id, row.conversion_date, row.conversion_id

    def outlook(self, days: Days) -> tuple[int, str]:
        """A request or two for each 31 days, and the pages."""
        parts = len(list(days.parts(self._PART)))
        return parts, f"{parts} or {2 * parts} requests a flow, and one for each further page of conversions"

    def batches(
        self, client: A360Client, groups: Sequence[Sequence[int]], days: Days, findings: Findings, skip: int = 0
    ) -> Iterator[Batch]:
        """One reading of each flow's list for 31 days at a time; the first pages of coming lists run ahead."""
        plan = [(part, group) for part in days.parts(self._PART) for group in groups][skip:]
        lists = sum(len(group) for _, group in plan)
        findings.requests_expected += lists
        wanted = ((part, flow) for part, group in plan for flow in group)
        open_list = functools.partial(self._reading, client, findings, alone=lists == 1)
        readings = in_order(lambda one: open_list(*one), wanted, client.settings.max_in_flight)
        for part, group in plan:
            rows = itertools.chain.from_iterable(itertools.islice(readings, len(group)))
            yield Batch(group, list(part.parts(1)), rows)

    def _reading(
        self, client: A360Client, findings: Findings, days: Days, flow: int, *, alone: bool
    ) -> Iterator[_Dated]:
        """The flow's conversions of these days, the first page already read."""
        # The service may cut its days elsewhere and leave out the filter's last one: two days more on both sides reach
        # beyond these, and back to where the list of earlier days ends that `_hides_some` looks at.
        wide = days.widened(2)
        if self._goes_by_conversion_date is False:
            return self._whole(client, flow, days, findings)
        hides_some: Callable[[], bool] = functools.partial(self._hides_some, client, flow, days)
        if alone:
            # Nothing else fills the time until the first page is here, though that might answer the question.
            hides_some = beside(hides_some)
        listing = client.conversions(flow, self.kind, goal_id=self.goal_id, first_day=wide.first, last_day=wide.last)
        findings.requests_expected += listing.pages_ahead
        if self._goes_by_conversion_date is None:
            # A row that is let through though it started outside shows that the filter goes by conversion_date.
            outside = wide.widened().first
            if any(row.start_date and row.start_date.date() < outside for row in listing.first.rows):
                self._goes_by_conversion_date = True
        if self._goes_by_conversion_date is None and not alone:
            # Asked while the other pages are read: it is one answer less to wait for at the end.
            hides_some = beside(hides_some)
        return self._checked(client, flow, days, listing, hides_some, findings)

    def _whole(self, client: A360Client, flow: int, days: Days, findings: Findings) -> Iterator[_Dated]:
        """From the flow's list without a filter, the first page already read."""
        listing = client.conversions(flow, self.kind, goal_id=self.goal_id)
        findings.requests_expected += listing.pages_ahead
        return ((day, rows) for page in listing.pages() for day, rows in _by_day(page) if day in days)

    def _checked(
        self,
        client: A360Client,
        flow: int,
        days: Days,
        listing: Listing[Conversion],
        hides_some: Callable[[], bool],
        findings: Findings,
    ) -> Iterator[_Dated]:
        # Where the service cuts its days elsewhere, a row may lie up to a day outside of what was asked for.
        nearby = days.widened(3)
        # The list was opened ahead: by now, another flow may have shown that its filter hides rows.
        for page in () if self._goes_by_conversion_date is False else listing.pages():
            dated = _by_day(page)
            yield from ((day, rows) for day, rows in dated if day in days)
            if not all(day in nearby for day, _ in dated):
                self._say_unfiltered(flow, findings)
                break
        if self._goes_by_conversion_date is None and hides_some():
            self._say_unfiltered(flow, findings)
        if self._goes_by_conversion_date is False:
            for day, rows in self._whole(client, flow, days, findings):
                yield day, [row for row in rows if row.conversion_id not in listing.seen]

    def _hides_some(self, client: A360Client, flow: int, days: Days) -> bool:
        """Whether the filter, asked for the days before, gives rows that were converted on these days or later: by
        conversion_date, there can be none.
        """
        before = days.first - timedelta(days=2)
        # Whether there is such a flow, the list of the days themselves shows.
        earlier = client.conversions(flow, self.kind, goal_id=self.goal_id, last_day=before, known_flow=True)
        rows = earlier.first.rows
        if rows and rows[0].conversion_date <= rows[-1].conversion_date:
            # Not the newest first, as the service's page has them: the newest may be at the other end.
            rows = rows + earlier.last_page()
        return any(row.conversion_date.date() >= days.first for row in rows)

    def _say_unfiltered(self, flow: int, findings: Findings) -> None:
        self._goes_by_conversion_date = False
        note = (
            f"The service's filter does not go by conversion_date (seen in flow {flow}), so the lists were read whole, "
            "without it. The days are exact all the same; it takes more requests."
        )
        log.warning(note)
        findings.notes.append(note)


def _by_day(rows: list[Conversion]) -> list[_Dated]:
    """Those of a day together where they stand together."""
    return [(day, list(group)) for day, group in itertools.groupby(rows, key=_day)]


def _day(row: Conversion) -> date:
    return row.conversion_date.date()
