from enum import StrEnum


class EventCategory(StrEnum):
    ANALYSIS = "analysis"
    EXECUTION = "execution"
    GATEWAY = "gateway"
    NOTIFICATION = "notification"
    ORCHESTRATION = "orchestration"
    SIGNALPROCESSING = "signalprocessing"
    WORKFLOW = "workflow"

    def __str__(self) -> str:
        return str(self.value)
