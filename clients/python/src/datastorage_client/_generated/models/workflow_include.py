from enum import StrEnum


class WorkflowInclude(StrEnum):
    CONTENT = "content"

    def __str__(self) -> str:
        return str(self.value)
