from enum import StrEnum


class HealthReasonsItem(StrEnum):
    DATABASE_ENCODING = "database_encoding"
    DATABASE_IS_STANDBY = "database_is_standby"
    DATABASE_NOT_DURABLE = "database_not_durable"
    DATABASE_REFUSES_CONNECTIONS = "database_refuses_connections"
    DATABASE_REFUSES_WRITES = "database_refuses_writes"
    MISSING_RIGHTS = "missing_rights"
    QUEUE_LOST = "queue_lost"
    REDIS_DURABILITY_UNKNOWN = "redis_durability_unknown"
    REDIS_EVICTS = "redis_evicts"
    REDIS_IS_CLUSTER = "redis_is_cluster"
    REDIS_MISSING_RIGHTS = "redis_missing_rights"
    REDIS_NOT_DURABLE = "redis_not_durable"
    REDIS_REFUSES_WRITES = "redis_refuses_writes"
    REDIS_UNREACHABLE = "redis_unreachable"
    SCHEMA_OUTDATED = "schema_outdated"

    def __str__(self) -> str:
        return str(self.value)
