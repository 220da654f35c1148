from enum import StrEnum


class NotificationChannel(StrEnum):
    EMAIL = "email"
    PAGERDUTY = "pagerduty"
    SLACK = "slack"
    SMS = "sms"
    TEAMS = "teams"
    WEBHOOK = "webhook"

    def __str__(self) -> str:
        return str(self.value)
