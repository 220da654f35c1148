from enum import StrEnum


class HealthRedis(StrEnum):
    CONNECTED = "connected"
    NOT_CONFIGURED = "not_configured"
    UNREACHABLE = "unreachable"

    def __str__(self) -> str:
        return str(self.value)
