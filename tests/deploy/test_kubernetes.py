"""The manifests against their schema, the standard `restricted`, and the code: commands, settings, ports, graces."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import kubernetes_validate
import manifests
import pytest
from manifests import containers, environment, everything, label, of_kind, pod, ports, selected, workloads

from gantry import runtime
from gantry_cli.plan import SERVICES, setting_names
from gantry_cli.secrets import names
from publisher import __main__ as publisher
from publisher.config import Config as Publisher

ROOT = Path(__file__).parent.parent.parent
VERSIONS = ("1.28", "1.33")  # the oldest with all that is used, and one that is current
OURS = {service.name: service for service in SERVICES}

each_object = pytest.mark.parametrize(
    "each", [each for _, each in everything()], ids=[label(*row) for row in everything()]
)
each_workload = pytest.mark.parametrize(
    "each", [each for _, each in workloads()], ids=[label(*row) for row in workloads()]
)
each_container = pytest.mark.parametrize(
    ("each", "container"), containers(), ids=[container["name"] for _, container in containers()]
)


@pytest.mark.parametrize("version", VERSIONS)
@each_object
def test_the_schema_takes_it(each, version: str):
    kubernetes_validate.validate(each, version, strict=True)


@each_workload
def test_a_pod_keeps_to_the_standard_restricted(each):
    spec = pod(each)
    outer = spec["securityContext"]
    assert outer["runAsNonRoot"] is True and outer["runAsUser"] > 0
    assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
    assert all(set(volume) & {"secret", "configMap", "emptyDir"} for volume in spec["volumes"])
    assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]


def test_every_namespace_asks_for_restricted():
    for _, each in of_kind("Namespace"):
        assert each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_service_runs_once_and_all_of_one_image():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert sorted(container["name"] for _, container in containers()) == sorted([*OURS, names.OPERATOR])
    assert {container["image"] for _, container in containers()} == {f"gantry:{version}"}
    for _, container in containers():
        wanted = ["sleep", "infinity"] if container["name"] == names.OPERATOR else [container["name"]]
        assert container["command"] == wanted


@each_container
def test_a_container_sets_only_what_its_service_reads(each, container):  # noqa: ARG001 - parametrized together
    service = OURS.get(container["name"])
    fields = {field.upper() for field in service.config.model_fields} if service else setting_names()
    assert all(name in fields or name.removesuffix("_FILE") in fields for name in environment(container))
    assert container["envFrom"] == [{"configMapRef": {"name": "gantry-settings"}}]


@each_container
def test_secrets_are_files_of_the_services_own_folder(each, container):
    name, given = container["name"], environment(container)
    wanted = {secret for secret, owners in names.owners().items() if name in owners} | {names.REDIS_URL}
    files = {key.removesuffix("_FILE"): value for key, value in given.items() if value.startswith("/run/gantry/")}
    assert {key for key in files if not key.startswith(("REDIS_CA", "AXIS_TLS"))} == wanted
    assert all(value == f"/run/gantry/{key.lower()}" for key, value in files.items() if key != "REDIS_CA")
    [mount] = [mount for mount in container["volumeMounts"] if mount["mountPath"] == "/run/gantry"]
    [volume] = [volume for volume in pod(each)["volumes"] if volume["name"] == mount["name"]]
    assert volume["secret"]["secretName"] == f"gantry-{name}" and mount["readOnly"] is True


def test_settings_of_a_site_are_settings_and_no_secrets():
    sites = [each for _, each in of_kind("ConfigMap") if each["metadata"]["name"] == "gantry-settings"]
    secrets = {names.REDIS_URL, *names.owners()}
    assert len({each["data"]["GANTRY_SITE"] for each in sites}) == len(sites) == 2
    for each in sites:
        assert set(each["data"]) <= setting_names() - secrets
        assert each["metadata"]["namespace"] == f"gantry-{each['data']['GANTRY_SITE']}"


@each_container
def test_only_a_loop_that_stands_still_is_a_reason_to_kill(each, container):
    if container["name"] == names.OPERATOR:
        return
    port = container["livenessProbe"]["httpGet"]["port"]
    numbers = {row["name"]: row["containerPort"] for row in container["ports"]}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port}
    assert numbers[port] == int(environment(container).get("METRICS_PORT", "9100"))
    assert pod(each)["terminationGracePeriodSeconds"] > runtime.GRACE_S + 10


def test_a_publisher_is_given_time_for_the_slowest_request():
    slowest = max(bound.le for bound in Publisher.model_fields["iota_timeout_s"].metadata if hasattr(bound, "le"))
    config = Publisher(
        iota_json_base="http://agent/", iota_apikey_evd="e", iota_apikey_crwd="c", iota_timeout_s=slowest
    )
    [(_, each)] = selected({"matchLabels": {"app.kubernetes.io/name": "publisher"}})
    assert pod(each)["terminationGracePeriodSeconds"] > publisher.grace_s(config) + publisher.SETTLE_S + 5
    [spread] = pod(each)["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname" and selected(spread["labelSelector"])
    [(_, scaler)] = of_kind("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == "publisher" and "replicas" not in each["spec"]


@each_workload
def test_a_workload_chooses_its_own_pods(each):
    assert any(found is each for _, found in selected(each["spec"]["selector"]))


@pytest.mark.parametrize("each", [each for _, each in of_kind("Service", "PodDisruptionBudget", "NetworkPolicy")])
def test_whatever_selects_finds_pods_with_its_ports(each):
    spec = each["spec"]
    selector = spec.get("podSelector", spec.get("selector"))
    found = selected(selector if each["kind"] != "Service" else {"matchLabels": selector})
    assert found
    if each["kind"] == "Service":
        named = {port["name"] for _, one in found for part in pod(one)["containers"] for port in part["ports"]}
        numbers = set.union(*(ports(one) for _, one in found))
        assert all(row.get("targetPort", row["port"]) in named | numbers for row in spec["ports"])
    rules = (
        [row for rule in spec.get("ingress", []) for row in rule["ports"]] if each["kind"] == "NetworkPolicy" else []
    )
    assert {row["port"] for row in rules} <= set.union(*(ports(one) for _, one in found))


def test_only_the_publishers_and_the_operator_reach_the_platform_and_only_the_sources_the_devices():
    reached = {}
    for _, each in of_kind("NetworkPolicy"):
        reached.setdefault(each["metadata"]["name"], set()).update(
            found["metadata"]["name"] for _, found in selected(each["spec"]["podSelector"])
        )
    assert reached["platform"] == {"publisher", "gantry"}
    assert (reached["recorder"], reached["counters"], reached["page"]) == (
        {"ingest-dahua"},
        {"ingest-axis"},
        {"journal"},
    )
    for _, each in of_kind("NetworkPolicy"):
        if each["metadata"]["name"] == "nothing":
            assert each["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_both_sites_are_the_same_but_for_name_and_addresses():
    main, north = (
        (manifests.FOLDER / "sites" / f"{name}.yaml").read_text(encoding="utf-8") for name in ("main", "north")
    )
    plain = [re.sub(r"-?\b(main|north)\b|10\.[\d.]+(/\d+)?", "", text).splitlines()[1:] for text in (main, north)]
    assert plain[0] == plain[1]


def test_redis_reads_the_file_that_compose_reads():
    conf = (ROOT / "deploy" / "redis" / "redis.conf").read_text(encoding="utf-8")
    for _, each in selected({"matchLabels": {"app.kubernetes.io/name": "redis"}}):
        [container] = pod(each)["containers"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert container["command"][:2] == ["redis-server", "/etc/gantry/redis.conf"]
        assert {"/data", "/run/gantry"} <= mounts and "dir /data" in conf and "aclfile /run/gantry/users.acl" in conf
        assert "tls-port 6380" in conf and 6380 in ports(each)


def test_redis_is_reached_encrypted_only():
    assert all(environment(container)["REDIS_CA_FILE"] == "/run/gantry/redis_ca.crt" for _, container in containers())
    for _, each in selected({"matchLabels": {"app.kubernetes.io/name": "redis"}}):
        command = pod(each)["containers"][0]["command"]
        assert "--cluster-enabled" in command or command[command.index("--port") + 1] == "0"
    doors = [rule for _, each in of_kind("NetworkPolicy") for rule in each["spec"].get("ingress", [])]
    outside = [rule for rule in doors if any("namespaceSelector" in peer for peer in rule["from"])]
    assert not [row for rule in outside for row in rule["ports"] if row["port"] in {6379, 16379}]


def test_the_guide_names_only_files_that_are_there():
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    named = set(re.findall(r"deploy/(?:kubernetes|redis)/[\w./-]+\w|(?<=\()[\w-]+\.md", text))
    assert named
    assert {name for name in named if not ((ROOT / name).exists() or (ROOT / "docs" / name).exists())} == set()
