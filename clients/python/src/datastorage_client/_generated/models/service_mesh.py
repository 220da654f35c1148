from enum import StrEnum


class ServiceMesh(StrEnum):
    ISTIO = "istio"
    LINKERD = "linkerd"
    VALUE_2 = "*"

    def __str__(self) -> str:
        return str(self.value)
