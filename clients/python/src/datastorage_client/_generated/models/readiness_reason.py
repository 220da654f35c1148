from enum import StrEnum


class ReadinessReason(StrEnum):
    BUFFER_FULL = "buffer_full"
    DATABASE_IS_STANDBY = "database_is_standby"
    DATABASE_REFUSES_WRITES = "database_refuses_writes"
    DATABASE_UNREACHABLE = "database_unreachable"
    MISSING_RIGHTS = "missing_rights"
    QUEUE_FULL = "queue_full"
    QUEUE_REFUSES_WRITES = "queue_refuses_writes"
    SCHEMA_OUTDATED = "schema_outdated"
    SHUTTING_DOWN = "shutting_down"

    def __str__(self) -> str:
        return str(self.value)
