from enum import StrEnum


class GitOpsTool(StrEnum):
    ARGOCD = "argocd"
    FLUX = "flux"
    VALUE_2 = "*"

    def __str__(self) -> str:
        return str(self.value)
