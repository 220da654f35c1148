from enum import StrEnum


class HealthReasonsItem(StrEnum):
    DATABASE_NOT_DURABLE = "database_not_durable"
    DATABASE_REFUSES_CONNECTIONS = "database_refuses_connections"
    DATABASE_REFUSES_WRITES = "database_refuses_writes"
    MISSING_RIGHTS = "missing_rights"
    REDIS_EVICTS = "redis_evicts"
    REDIS_NOT_DURABLE = "redis_not_durable"
    REDIS_UNREACHABLE = "redis_unreachable"
    SCHEMA_OUTDATED = "schema_outdated"

    def __str__(self) -> str:
        return str(self.value)
