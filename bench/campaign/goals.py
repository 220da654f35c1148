"""How much a campaign has to have done before it ends."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from bench.campaign.load import BATCH_EVENTS
from bench.campaign.stage import Stage


@dataclass(frozen=True)
class Goals:
    """So many entries in the log, so many processes killed; 0 is none. ``batch`` is the most events of a request."""

    events: int = 0
    kills: int = 0
    batch: int = BATCH_EVENTS

    def met(self, stage: Stage) -> bool:
        """Whether that much has been done; no, where PostgreSQL is away and can't be asked."""
        if sum(stage.kills.values()) < self.kills:
            return False
        if not self.events:
            return True
        try:
            with stage.connect(statement_timeout="5000") as conn:
                row = conn.execute("SELECT size FROM log_head").fetchone()
        except psycopg.Error:
            return False
        return row is not None and int(str(row[0])) >= self.events


NO_GOALS = Goals()
