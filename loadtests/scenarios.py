"""What each scenario does: how many users of which kind, for how long, in which stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

DEFAULT_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a scenario. ``rate``: requests a second of all users; None: each user sends as soon as it can."""

    seconds: float
    rate: float | None = None

    @property
    def label(self) -> str:
        """What the stage adds to the name of a request."""
        return "" if self.rate is None else f" at {self.rate:g}/s"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One scenario. ``users``: class of loadtests/locustfile.py → how many.

    ``bursts``: moments after the beginning, in seconds, at which so many requests go out at once. ``expected``: how
    many requests there have to be at the end, where that is known.
    """

    name: str
    about: str
    users: dict[str, int]
    stages: tuple[Stage, ...] = ()
    bursts: tuple[tuple[float, int], ...] = ()
    expected: int | None = None
    catalogue: bool = False
    rows: bool = False
    own_servers: bool = False

    @property
    def seconds(self) -> float:
        """From the first request to the last one sent."""
        return max([sum(stage.seconds for stage in self.stages), *(moment for moment, _ in self.bursts), 0.0])

    @property
    def due(self) -> int:
        """Requests of the stages that have a rate."""
        return ceil(sum(stage.seconds * stage.rate for stage in self.stages if stage.rate is not None))

    def scaled(self, seconds: float | None) -> Scenario:
        """The same in another time: the stages keep their shares of it. Bursts stay as they are."""
        if seconds is None or not self.stages:
            return self
        factor = seconds / sum(stage.seconds for stage in self.stages)
        stages = tuple(Stage(seconds=stage.seconds * factor, rate=stage.rate) for stage in self.stages)
        return replace(self, stages=stages)


_ALL = (
    Scenario(
        name="write_storm",
        about="150 events at once, then 3 × 100 at once, two seconds apart",
        users={"StormWriter": 150},
        bursts=((0.0, 150), (3.0, 100), (5.0, 100), (7.0, 100)),
        expected=450,
    ),
    Scenario(
        name="sustained_writes",
        about="10, 50, 120 and 1,000 events a second, due whether or not the earlier ones were answered",
        users={"Writer": 200},
        stages=tuple(Stage(seconds=15, rate=rate) for rate in (10, 50, 120, 1000)),
    ),
    Scenario(
        name="batch_ingest",
        about="8 clients that send batches of 100 events without a pause",
        users={"BatchWriter": 8},
        stages=(Stage(seconds=DEFAULT_SECONDS),),
    ),
    Scenario(
        name="mixed",
        about="writers, readers and searchers side by side",
        users={"Writer": 16, "Reader": 8, "Searcher": 8},
        stages=(Stage(seconds=30),),
        catalogue=True,
    ),
    Scenario(
        name="concurrent_search",
        about="searches 20 at a time, then 10 a second for a minute",
        users={"Searcher": 20},
        stages=(Stage(seconds=15), Stage(seconds=60, rate=10)),
        catalogue=True,
    ),
    Scenario(
        name="bulk_import",
        about="200 workflows one by one, 200 more as one batch, then a search",
        users={"Importer": 1},
        stages=(Stage(seconds=2),),
        expected=202,
    ),
    Scenario(
        name="audit_queries",
        about="ten clients that query a large table: by correlation, actor and id, page by page",
        users={"Reader": 10},
        stages=(Stage(seconds=DEFAULT_SECONDS),),
        rows=True,
    ),
    Scenario(
        name="outage",
        about="50 events a second, PostgreSQL stopped in the middle third: 202 is success, all must be stored",
        users={"OutageWriter": 60},
        stages=(Stage(seconds=24, rate=50),),
        own_servers=True,
    ),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}
