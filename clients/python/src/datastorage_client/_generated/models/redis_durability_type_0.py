from enum import StrEnum


class RedisDurabilityType0(StrEnum):
    AOF_ALWAYS = "aof_always"
    AOF_EVERYSEC = "aof_everysec"
    NONE = "none"
    SNAPSHOT = "snapshot"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)
