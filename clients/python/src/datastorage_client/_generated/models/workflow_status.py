from enum import StrEnum


class WorkflowStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"
    DEPRECATED = "deprecated"
    DISABLED = "disabled"

    def __str__(self) -> str:
        return str(self.value)
