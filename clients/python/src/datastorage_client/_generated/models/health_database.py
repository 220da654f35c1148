from enum import StrEnum


class HealthDatabase(StrEnum):
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"

    def __str__(self) -> str:
        return str(self.value)
