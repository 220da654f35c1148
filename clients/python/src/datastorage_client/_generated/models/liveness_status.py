from enum import StrEnum


class LivenessStatus(StrEnum):
    ALIVE = "alive"
    DEAD = "dead"

    def __str__(self) -> str:
        return str(self.value)
