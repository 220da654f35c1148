from enum import StrEnum


class DlqStatusReplayPausedType0(StrEnum):
    DATABASE_UNAVAILABLE = "database_unavailable"
    DEAD_LETTERS_FULL = "dead_letters_full"
    NOT_CONFIGURED = "not_configured"

    def __str__(self) -> str:
        return str(self.value)
