"""The chart, rendered by helm with several sets of values: valid, as promised, and refused where it cannot work."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from datastorage_common.witness_policy import parse_policy

from app.config.addresses import check_postgresql, check_redis
from app.config.issuers import issuers
from app.configuration import load_settings
from tests.helm import CHART, KUBERNETES, RENDERED, Manifest, helm, manifests, pod_spec, template
from tests.support import ROOT

pytestmark = pytest.mark.skipif(helm() is None, reason="needs helm (go install helm.sh/helm/v3/cmd/helm@v3.19.0)")

SETS = sorted((CHART / "ci").glob("*.yaml"))
MINIMAL: dict[str, Any] = yaml.safe_load((CHART / "ci" / "minimal.yaml").read_text())
# The operator's own kinds have no schema among Kubernetes'.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}


def changed(**values: Any) -> dict[str, Any]:
    """The minimal values with some replaced: database__host="x"."""
    made = copy.deepcopy(MINIMAL)
    for path, value in values.items():
        place = made
        *parents, last = path.split("__")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return made


@pytest.fixture
def render(tmp_path: Path) -> Any:
    """Renders values (a dictionary or a file); the objects by kind and name."""

    def run(values: dict[str, Any] | Path, *options: str) -> dict[tuple[str, str], Manifest]:
        done = template(written(tmp_path, values), *options)
        assert done.returncode == 0, done.stderr
        return {(m["kind"], m["metadata"]["name"]): m for m in manifests(done.stdout)}

    return run


def written(folder: Path, values: dict[str, Any] | Path) -> Path:
    if isinstance(values, Path):
        return values
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("values", SETS, ids=lambda p: p.stem)
def test_every_set_of_values_is_valid(render: Any, values: Path) -> None:
    objects = render(values)
    for (kind, _), manifest in objects.items():
        if kind not in FOREIGN:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    assert ("Deployment", "datastorage") in objects


def test_what_is_committed_is_what_helm_renders(render: Any) -> None:
    objects = render(CHART / "ci" / "kubernetes.yaml")
    committed = {
        (m["kind"], m["metadata"]["name"]): m for f in sorted(RENDERED.iterdir()) for m in manifests(f.read_text())
    }
    assert committed.keys() == objects.keys()
    for key, manifest in committed.items():
        for part in ("spec", "data"):
            kept = copy.deepcopy(objects[key].get(part))
            if key[0] == "Deployment" and kept:
                labels = kept["template"]["metadata"]["labels"]
                del labels["helm.sh/chart"], labels["app.kubernetes.io/managed-by"]
            assert manifest.get(part) == kept, key


def test_a_change_of_the_configuration_rolls_the_pods_and_nothing_else_does(render: Any) -> None:
    def pods(values: dict[str, Any]) -> Any:
        return render(values)["Deployment", "datastorage"]["spec"]["template"]

    before = pods(changed())
    assert pods(changed()) == before
    assert pods(changed(networkPolicy__fromNamespaces=["others"])) == before
    for values in (changed(config={"logging": {"level": "debug"}}), changed(dlq__maxLen=5000)):
        assert pods(values)["metadata"]["annotations"] != before["metadata"]["annotations"]


def test_config_reaches_the_service_and_wins(render: Any) -> None:
    values = changed(config={"audit": {"max_event_age": "3d"}, "dlq": {"max_len": 7}})
    settings = yaml.safe_load(render(values)["ConfigMap", "datastorage"]["data"]["settings.yaml"])
    assert settings["audit"] == {"max_event_age": "3d"}
    assert settings["dlq"] == {"max_len": 7}
    assert settings["server"] == {"host": "0.0.0.0", "port": 8080, "workers": 1}


def test_the_migration_goes_past_the_pooler_to_every_host(render: Any) -> None:
    objects = render(CHART / "ci" / "jwt.yaml")
    settings = yaml.safe_load(objects["ConfigMap", "datastorage-migrate"]["data"]["settings.yaml"])["database"]
    assert settings["direct_url"] == (
        "postgresql://datastorage_owner@pg-a:5433,pg-b:5433/datastorage?sslmode=verify-full"
    )
    assert settings["sslrootcert"] == "/etc/datastorage/secrets/database-ca/ca.crt"
    for name in ("Deployment", "datastorage"), ("Job", "datastorage-migrate"):
        mounts = {m["name"] for m in pod_spec(objects[name])["containers"][0]["volumeMounts"]}
        assert "database-ca" in mounts
        assert mounts == {v["name"] for v in pod_spec(objects[name])["volumes"]}


def test_sentinels_and_a_schema_reach_the_service_and_the_migration(render: Any) -> None:
    objects = render(CHART / "ci" / "sentinels.yaml")
    settings = yaml.safe_load(objects["ConfigMap", "datastorage"]["data"]["settings.yaml"])
    assert settings["database"]["schema"] == "audit"
    assert settings["redis"] == {
        "sentinels": ["sentinel-0.redis:26379", "sentinel-1.redis:26379", "sentinel-2.redis:26380"],
        "sentinel_service": "audit",
        "sentinel_password_file": "/etc/datastorage/secrets/sentinels/password",
        "password_file": "/etc/datastorage/secrets/redis/password",
        "min_replicas": 1,
    }
    migration = yaml.safe_load(objects["ConfigMap", "datastorage-migrate"]["data"]["settings.yaml"])
    assert migration["database"]["schema"] == "audit"
    pod = pod_spec(objects["Deployment", "datastorage"])
    assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    ports = [p["port"] for rule in objects["NetworkPolicy", "datastorage"]["spec"]["egress"] for p in rule["ports"]]
    assert sorted(ports) == [53, 53, 5432, 6379, 26379, 26380]


def test_issuers_reach_the_service_and_are_reached(render: Any) -> None:
    objects = render(CHART / "ci" / "issuers.yaml")
    settings = yaml.safe_load(objects["ConfigMap", "datastorage"]["data"]["settings.yaml"])["auth"]
    assert settings["tokens_file"] == "/etc/datastorage/secrets/tokens/tokens"
    assert "jwt_keys_file" not in settings
    made = issuers(settings["jwt_issuers"])
    assert [(i.name, i.jwks_url, i.faults) for i in made] == [
        ("staff", None, ()),
        ("machines", "https://issuer.example.org/keys", ()),
    ]
    pod = pod_spec(objects["Deployment", "datastorage"])
    mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    assert mounts.keys() == {v["name"] for v in pod["volumes"]}
    assert made[1].ca_file == mounts["issuer-ca"] + "/ca.crt"
    egress = objects["NetworkPolicy", "datastorage"]["spec"]["egress"]
    [out] = [rule for rule in egress if {"port": 8443, "protocol": "TCP"} in rule["ports"]]
    assert out["to"] == [{"ipBlock": {"cidr": "10.0.2.0/24"}}]


def test_a_log_that_is_signed_has_its_key_its_memory_and_its_witnesses(render: Any) -> None:
    values = yaml.safe_load((CHART / "ci" / "log.yaml").read_text())
    objects = render(values)
    data = objects["ConfigMap", "datastorage"]["data"]
    assert yaml.safe_load(data["settings.yaml"])["log"] == {
        "key_file": "/etc/datastorage/secrets/log/log.key",
        "checkpoint_file": "/var/lib/datastorage/log/checkpoint",
        "witness_policy": "/etc/datastorage/witness-policy",
        "origin": "audit.example.org/log",
        "public": True,
    }
    assert data["witness-policy"] == values["log"]["witnessPolicy"]
    assert parse_policy(data["witness-policy"].encode()).fulfilled(())
    pod = pod_spec(objects["Deployment", "datastorage"])
    mounts = {m["mountPath"]: m for m in pod["containers"][0]["volumeMounts"]}
    assert mounts["/etc/datastorage/secrets/log"] == {
        "name": "log-key",
        "mountPath": "/etc/datastorage/secrets/log",
        "readOnly": True,
    }
    assert "readOnly" not in mounts["/var/lib/datastorage/log"]
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert volumes["log-checkpoint"]["persistentVolumeClaim"] == {"claimName": "datastorage-checkpoint"}
    assert volumes["log-key"]["secret"]["items"] == [{"key": "log.key", "path": "log.key"}]
    assert {m["name"] for m in mounts.values()} == volumes.keys()
    egress = objects["NetworkPolicy", "datastorage"]["spec"]["egress"]
    [witnesses] = [rule for rule in egress if {"protocol": "TCP", "port": 8443} in rule["ports"]]
    assert witnesses["to"] == [{"ipBlock": {"cidr": "10.0.3.0/24"}}]

    values["log"]["witnessPolicy"] += "# another\n"
    changed_pod = render(values)["Deployment", "datastorage"]["spec"]["template"]
    assert changed_pod != objects["Deployment", "datastorage"]["spec"]["template"], "a file of a subPath stays"
    assert "log" not in yaml.safe_load(render(changed())["ConfigMap", "datastorage"]["data"]["settings.yaml"])


def test_the_autoscaler_has_the_say_over_replicas(render: Any) -> None:
    off = render(changed(replicas=2))
    assert off["Deployment", "datastorage"]["spec"]["replicas"] == 2
    assert ("HorizontalPodAutoscaler", "datastorage") not in off
    on = render(changed(autoscaling__enabled=True, autoscaling__maxReplicas=2))
    assert "replicas" not in on["Deployment", "datastorage"]["spec"]
    assert on["HorizontalPodAutoscaler", "datastorage"]["spec"]["maxReplicas"] == 2


@pytest.mark.parametrize("options", [(), ("--is-upgrade",)], ids=["install", "upgrade"])
def test_the_migration_comes_first_with_all_it_needs(render: Any, options: tuple[str, ...]) -> None:
    objects = render(changed(), *options)
    hooks = {k: m for k, m in objects.items() if "helm.sh/hook" in m["metadata"].get("annotations", {})}
    assert hooks.keys() == {("ConfigMap", "datastorage-migrate"), ("Job", "datastorage-migrate")}
    for manifest in hooks.values():
        assert manifest["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = {k: int(m["metadata"]["annotations"]["helm.sh/hook-weight"]) for k, m in hooks.items()}
    assert weights["ConfigMap", "datastorage-migrate"] < weights["Job", "datastorage-migrate"]
    # It names nothing of the release, which is not there yet.
    pod = pod_spec(hooks["Job", "datastorage-migrate"])
    assert "serviceAccountName" not in pod
    named = {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v}
    assert named == {"datastorage-migrate"}


def test_rules_and_scraping_come_where_the_operator_is(render: Any) -> None:
    objects = render(CHART / "ci" / "monitoring.yaml")
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "datastorage.rules.yaml").read_text())
    brought = objects["PrometheusRule", "datastorage"]["spec"]
    assert [[r["alert"] for r in g["rules"]] for g in brought["groups"]] == [
        [r["alert"] for r in g["rules"]] for g in rules["groups"]
    ]
    links = {r["annotations"]["runbook_url"].partition("#")[0] for g in brought["groups"] for r in g["rules"]}
    assert links == {"https://wiki.example.org/datastorage"}
    monitor = objects["ServiceMonitor", "datastorage"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= objects["Service", "datastorage"]["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in {p["name"] for p in objects["Service", "datastorage"]["spec"]["ports"]}
    assert not {k for k, _ in render(changed())} & FOREIGN


@pytest.mark.parametrize(
    ("pods", "surge", "pool", "limit", "fits"),
    [
        (2, 1, 25, 100, True),  # 28 × 3 + 2 = 86
        (2, 1, 25, 87, True),
        (2, 1, 25, 86, False),  # as many as there are leaves none for anybody else
        (3, 1, 25, 100, False),
        (3, 1, 21, 100, True),  # 24 × 4 + 2 = 98
        (2, 2, 25, 100, False),
    ],
)
def test_connections_must_fit(tmp_path: Path, pods: int, surge: int, pool: int, limit: int, fits: bool) -> None:
    common = {"database__poolSize": pool, "database__maxConnections": limit, "rollout__maxSurge": surge}
    fixed = changed(**common, replicas=pods)
    scaled = changed(**common, autoscaling={"enabled": True, "minReplicas": 1, "maxReplicas": pods}, replicas=50)
    for values in (fixed, scaled):
        done = template(written(tmp_path, values))
        assert (done.returncode == 0) is fits
        if not fits:
            assert f"({limit})" in done.stderr
            assert "lower database.poolSize or the pods" in done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (changed(log={"witnessPolicy": "quorum none\n"}), "need log.keySecret"),
        (changed(log={"keySecret": "log", "witnessPolicy": "junk"}), 'log.witnessPolicy: "junk" begins with none of'),
        (
            changed(log={"keySecret": "log", "witnessPolicy": "# none yet\n"}),
            "log.witnessPolicy has no line with the quorum",
        ),
        ({"auth": {}}, "auth.mode is needed"),
        ({"auth": {"mode": "none"}}, "auth.anonymous: true"),
        ({"auth": {"mode": "token"}}, "auth.tokensSecret"),
        ({"auth": {"mode": "jwt", "jwksSecret": "keys"}}, "auth.issuer and auth.audience"),
        (
            {"auth": {"mode": "jwt", "issuer": "a", "issuers": [{"issuer": "b", "audience": "c"}]}},
            "cannot be set beside",
        ),
        ({"database__host": ""}, "database.host is needed"),
        ({"database__passwordSecret": ""}, "database.passwordSecret is needed"),
        ({"redis__url": ""}, "redis.url, or redis.sentinels, is needed"),
        ({"migration__passwordSecret": ""}, "migration.passwordSecret is needed"),
        ({"networkPolicy__fromNamespaces": []}, "networkPolicy.fromNamespaces is needed"),
        ({"ingress": {"enabled": True, "host": "a.example"}}, "ingress.tlsSecret"),
        ({"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 2}}, "autoscaling.minReplicas"),
        ({"config": {"server": {"workers": 0}}}, "config.server.workers"),
        ({"service": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}}, "RequireDualStack, or one"),
    ],
)
def test_what_cannot_work_is_refused_in_words(tmp_path: Path, values: dict[str, Any], said: str) -> None:
    done = template(written(tmp_path, changed(**values)))
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize(
    "values",
    [
        {"replica": 3},
        {"auth__mode": "password"},
        {"database__port": "5432"},
        {"database__host": "user:secret@db"},
        {"redis__url": "redis://:secret@valkey:6379/0"},
        {"redis__url": "valkey:6379"},
        {"replicas": 0},
        {"config": {"databse": {}}},
        {"dlq__maxLen": -1},
        {"autoscaling__targetCPUUtilizationPercentage": 200},
        {"rollout__maxSurge": 0},
        {"image__digest": "sha256:short"},
        {"networkPolicy__databaseCIDRs": ["everywhere"]},
        {"service__type": "Loadbalancer"},
        {"service__ipFamilyPolicy": "DualStack"},
        {"service__ipFamilies": ["IPv5"]},
        {"service__targetPort": "Not A Port"},
        {"memory__mountPath": "dev/shm"},
        {"sidecars": [{"name": "proxy"}]},
        {"monitoring__serviceMonitor__interval": "often"},
    ],
    ids=str,
)
def test_the_schema_refuses_wrong_values(tmp_path: Path, values: dict[str, Any]) -> None:
    done = template(written(tmp_path, changed(**values)))
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


@pytest.mark.parametrize(
    ("service", "host"),
    [
        ({}, "0.0.0.0"),
        ({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}, "0.0.0.0"),
        ({"ipFamilies": ["IPv6"]}, "[::]"),
        ({"ipFamilyPolicy": "PreferDualStack"}, "[::]"),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}, "[::]"),
    ],
)
def test_the_pods_listen_in_every_family_that_the_service_has(render: Any, service: dict[str, Any], host: str) -> None:
    objects = render(changed(service=service))
    kubernetes_validate.validate(objects["Service", "datastorage"], KUBERNETES, strict=True)
    spec = objects["Service", "datastorage"]["spec"]
    assert {k: spec[k] for k in ("ipFamilyPolicy", "ipFamilies") if k in spec} == service
    assert listened_on(objects) == host
    # Of a cluster whose nodes have no IPv6 at all, for example.
    assert listened_on(render(changed(service=service, config={"server": {"host": "0.0.0.0"}}))) == "0.0.0.0"


def listened_on(objects: dict[tuple[str, str], Manifest]) -> str:
    """server.host as the service finds it: the environment, which the image sets as well, is above the file."""
    [container] = pod_spec(objects["Deployment", "datastorage"])["containers"]
    [host] = [e["value"] for e in container["env"] if e["name"] == "DATASTORAGE_SERVER__HOST"]
    settings = yaml.safe_load(objects["ConfigMap", "datastorage"]["data"]["settings.yaml"])
    assert settings["server"]["host"] == host
    assert load_settings(None, {"DATASTORAGE_SERVER__HOST": host, "DATASTORAGE_AUTH__ALLOW_ANONYMOUS": "true"})
    return str(host)


def test_openshift_chooses_the_user_and_the_groups(render: Any) -> None:
    """What restricted-v2 admits: no number of ours, and everything else that it asks for."""
    objects = render(CHART / "ci" / "openshift.yaml")
    for name in ("Deployment", "datastorage"), ("Job", "datastorage-migrate"):
        pod = pod_spec(objects[name])
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_one_folder_is_written_to_wherever_it_is(render: Any) -> None:
    def folder(values: dict[str, Any] | Path) -> tuple[str, dict[str, str], Any]:
        pod = pod_spec(render(values)["Deployment", "datastorage"])
        [mount] = [m for m in pod["containers"][0]["volumeMounts"] if not m.get("readOnly")]
        [volume] = [v for v in pod["volumes"] if v["name"] == mount["name"]]
        environ = {e["name"]: e["value"] for e in pod["containers"][0]["env"]}
        return mount["mountPath"], environ, volume["emptyDir"]

    where, environ, volume = folder(changed())
    assert (where, volume) == ("/dev/shm", {"medium": "Memory", "sizeLimit": "64Mi"})
    assert not {"TMPDIR", "PROMETHEUS_MULTIPROC_DIR"} & environ.keys(), "the image's are right"
    where, environ, volume = folder(CHART / "ci" / "openshift.yaml")
    assert (where, volume) == ("/run/datastorage", {"medium": "", "sizeLimit": "128Mi"})
    assert (environ["TMPDIR"], environ["PROMETHEUS_MULTIPROC_DIR"]) == (where, f"{where}/datastorage-metrics")


def test_a_sidecar_starts_first_ends_last_and_takes_the_traffic(render: Any) -> None:
    objects = render(CHART / "ci" / "openshift.yaml")
    [sidecar] = pod_spec(objects["Deployment", "datastorage"])["initContainers"]
    assert (sidecar["name"], sidecar["restartPolicy"]) == ("proxy", "Always")
    [port] = objects["Service", "datastorage"]["spec"]["ports"]
    [rule] = objects["NetworkPolicy", "datastorage"]["spec"]["ingress"]
    assert port["targetPort"] == rule["ports"][0]["port"] == sidecar["ports"][0]["containerPort"]
    job = objects["Job", "datastorage-migrate"]["spec"]["template"]
    assert "initContainers" not in job["spec"]
    assert job["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert job["metadata"]["annotations"] == {"example.org/note": "no"}


def test_addresses_of_ipv6_are_what_the_service_takes(render: Any) -> None:
    objects = render(CHART / "ci" / "openshift.yaml")
    migration = yaml.safe_load(objects["ConfigMap", "datastorage-migrate"]["data"]["settings.yaml"])["database"]
    assert migration["direct_url"] == "postgresql://datastorage_owner@[fd00::5]:5432/datastorage?sslmode=require"
    check_postgresql(migration["direct_url"])
    service = yaml.safe_load(objects["ConfigMap", "datastorage"]["data"]["settings.yaml"])
    assert service["database"]["host"] == "fd00::5"
    check_redis(service["redis"]["url"])


def test_the_values_of_the_documentation_install(render: Any) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    objects = render(yaml.safe_load(example))
    assert {"Ingress", "NetworkPolicy", "ServiceMonitor", "PrometheusRule"} <= {kind for kind, _ in objects}


def test_the_kind_cluster_gets_what_it_can_run(render: Any) -> None:
    for manifest in manifests((ROOT / "deploy" / "kind" / "servers.yaml").read_text()):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    objects = render(ROOT / "deploy" / "kind" / "values.yaml")
    pod = pod_spec(objects["Deployment", "datastorage"])
    assert pod["containers"][0]["image"] == "datastorage:dev"
