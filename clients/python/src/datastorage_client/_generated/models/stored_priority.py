from enum import StrEnum


class StoredPriority(StrEnum):
    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    VALUE_4 = "*"

    def __str__(self) -> str:
        return str(self.value)
