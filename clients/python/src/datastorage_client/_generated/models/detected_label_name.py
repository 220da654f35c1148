from enum import StrEnum


class DetectedLabelName(StrEnum):
    GITOPSMANAGED = "gitOpsManaged"
    GITOPSTOOL = "gitOpsTool"
    HELMMANAGED = "helmManaged"
    HPAENABLED = "hpaEnabled"
    NETWORKISOLATED = "networkIsolated"
    PDBPROTECTED = "pdbProtected"
    SERVICEMESH = "serviceMesh"
    STATEFUL = "stateful"

    def __str__(self) -> str:
        return str(self.value)
