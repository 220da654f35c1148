from enum import StrEnum


class DlqStreamName(StrEnum):
    EVENTS = "events"
    NOTIFICATIONS = "notifications"

    def __str__(self) -> str:
        return str(self.value)
