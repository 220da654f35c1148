"""The plain manifests, which are the chart rendered: valid, current, and what a deployment is promised."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.config.settings import Settings
from app.configuration import load_settings
from tests.helm import CHART, KUBERNETES, RENDERED, Manifest, manifests, pod_spec, sources_digest
from tests.support import ROOT

FILES = ("1-migration.yaml", "2-service.yaml")
OBJECTS = [m for name in FILES for m in manifests((RENDERED / name).read_text())]


def one(kind: str, name: str = "datastorage") -> Manifest:
    [found] = [m for m in OBJECTS if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


def settings_of(name: str, tmp_path: Path) -> Settings:
    """What the service makes of a ConfigMap, its secret files being there."""
    text = one("ConfigMap", name)["data"]["settings.yaml"]
    for path in re.findall(r"/etc/datastorage/secrets/\S+", text):
        secret = tmp_path / path.replace("/", "_")
        tokens = f"- {{name: a, sha256: '{'a0' * 32}', scopes: [audit:read]}}\n"
        content = tokens if path.endswith("/tokens") else "x"
        secret.write_text(content)
        text = text.replace(path, str(secret))
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    return load_settings(str(file), {})


@pytest.mark.parametrize("name", FILES)
def test_they_are_rendered_from_the_chart_as_it_is(name: str) -> None:
    assert f"# What it was made of: {sources_digest()}\n" in (RENDERED / name).read_text(), "run make manifests"


@pytest.mark.parametrize("manifest", OBJECTS, ids=lambda m: f"{m['kind']}/{m['metadata']['name']}")
def test_they_are_what_kubernetes_takes(manifest: Manifest) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("manifest", [one("Deployment"), one("Job", "datastorage-migrate")], ids=lambda m: m["kind"])
def test_pods_keep_to_the_restricted_standard(manifest: Manifest) -> None:
    """Pod Security Standards, profile restricted, and a root file system that nobody writes to."""
    pod = pod_spec(manifest)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert all(v.keys() & {"configMap", "secret", "emptyDir"} for v in pod["volumes"])
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} == container["resources"].keys()
        assert "memory" in container["resources"]["limits"]
        # Secrets are files; nothing of them stands in the environment.
        named = {e["name"] for e in container["env"]}
        assert named == {"CONFIG_PATH"} | ({"DATASTORAGE_SERVER__HOST"} if manifest["kind"] == "Deployment" else set())


def test_probes_have_a_listener_of_their_own() -> None:
    [container] = pod_spec(one("Deployment"))["containers"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"http": 8080, "health": 8081}
    paths = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness", "startup")}
    assert paths == {
        "liveness": {"path": "/health/live", "port": "health"},
        "readiness": {"path": "/health/ready", "port": "health"},
        "startup": {"path": "/health/live", "port": "health"},
    }


def test_the_service_takes_its_configuration(tmp_path: Path) -> None:
    settings = settings_of("datastorage", tmp_path)
    assert (settings.server.host, settings.server.port, settings.server.workers) == ("0.0.0.0", 8080, 1)
    assert settings.health.port == 8081
    assert settings.dlq.max_len == 100_000
    assert settings.auth.mode == "token"
    pod = pod_spec(one("Deployment"))
    # The grace period holds the whole shutdown; a CPU is what one worker can use.
    assert pod["terminationGracePeriodSeconds"] == 90 > settings.shutdown.timeout
    assert pod["containers"][0]["resources"]["requests"]["cpu"] == "1"


def test_the_files_that_the_configuration_names_are_mounted() -> None:
    for kind, name in (("Deployment", "datastorage"), ("Job", "datastorage-migrate")):
        text = one("ConfigMap", name)["data"]["settings.yaml"]
        pod = pod_spec(one(kind, name))
        mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
        files = {
            f"{mounts[v['name']]}/{item['path']}"
            for v in pod["volumes"]
            if "secret" in v
            for item in v["secret"]["items"]
        }
        assert set(re.findall(r"/etc/datastorage/secrets/\S+", text)) == files


def test_the_migration_is_the_owner_and_names_the_service(tmp_path: Path) -> None:
    settings = settings_of("datastorage-migrate", tmp_path)
    assert "user=datastorage_owner" in settings.database.migration_conninfo()
    assert settings.database.service_role() == "datastorage" == settings_of("datastorage", tmp_path).database.user


def test_replicas_are_left_to_the_autoscaler() -> None:
    assert "replicas" not in one("Deployment")["spec"]
    scaler = one("HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "datastorage"}
    assert one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert one("Deployment")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_selectors_find_the_pods_and_not_the_migration() -> None:
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    job = one("Job", "datastorage-migrate")["spec"]["template"]["metadata"]["labels"]
    policy = one("NetworkPolicy")["spec"]
    for selector in (
        one("Deployment")["spec"]["selector"]["matchLabels"],
        one("Service")["spec"]["selector"],
        one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        assert not selector.items() <= job.items()


def test_the_network_policy_admits_whom_it_says() -> None:
    values = yaml.safe_load((CHART / "ci" / "kubernetes.yaml").read_text())["networkPolicy"]
    policy = one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    [rule] = policy["ingress"]
    admitted = [f["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for f in rule["from"]]
    assert admitted == [*values["fromNamespaces"], *values["monitoringNamespaces"]]
    assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]
    out = {p["port"] for r in policy["egress"] for p in r["ports"]}
    assert out == {53, 5432, 6379}


def test_the_ingress_has_tls_and_keeps_metrics_inside() -> None:
    spec = one("Ingress")["spec"]
    [rule] = spec["rules"]
    assert spec["tls"] == [{"hosts": [rule["host"]], "secretName": "datastorage-tls"}]
    assert [p["path"] for p in rule["http"]["paths"]] == ["/api", "/health"]


def test_the_schema_knows_every_value_and_every_section() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(schema["properties"]["config"]["properties"]) == list(Settings.SECTIONS)

    def compare(values: dict[str, Any], part: dict[str, Any], path: str) -> None:
        if part.get("additionalProperties") is not False or path == "config":
            return
        assert values.keys() == part["properties"].keys() - {"global"}, path
        for key, value in values.items():
            if isinstance(value, dict):
                compare(value, part["properties"][key], f"{path}.{key}".lstrip("."))

    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")


def test_the_queue_is_as_large_everywhere() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose" / "settings.yaml").read_text())
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    rendered = yaml.safe_load(one("ConfigMap")["data"]["settings.yaml"])
    sizes = {Settings().dlq.max_len, compose["dlq"]["max_len"], chart["dlq"]["maxLen"], rendered["dlq"]["max_len"]}
    assert sizes == {100_000}
    # So many entries of 2.5 KB fit.
    assert Settings().dlq.max_bytes > 100_000 * 2500


def test_the_chart_brings_the_rules_of_prometheus() -> None:
    assert (CHART / "files" / "datastorage.rules.yaml").resolve() == (
        ROOT / "deploy" / "prometheus" / "datastorage.rules.yaml"
    )


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert project is not None
    assert chart["appVersion"] == project[1]
