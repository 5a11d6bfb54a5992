"""What the chart renders: valid for Kubernetes, of few rights, and as the values say."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.unit.deploy.chart import CHART, RELEASE, URLS, defaults, merged, of_kind, pods, render

SERVICES = {"collector", "alerting", "api", "loadgen"}
VERSIONS = ("1.27", "1.33", "1.37")
EVERYTHING = {
    "urls": URLS,
    "keda": {"enabled": True},
    "prometheusUrl": "http://prometheus:9090",
    "grafanaUrl": "http://grafana:3000",
    "publicUrl": "https://watch.example.org",
    "allowedHosts": ["watch.example.org"],
    "image": {"repository": "registry.example.org/atalaia", "tag": "1", "pullSecrets": [{"name": "pull"}]},
    "alerting": {"rules": "rules: []\n", "channels": "channels: []\n", "secretEnv": "tokens"},
    "loadgen": {"allowedHosts": ["shop.example.org"]},
    "networkPolicy": {"gatewayFrom": [{"namespaceSelector": {"matchLabels": {"team": "core"}}}]},
}
FEW = {
    "existingSecret": "given",
    "loadgen": {"enabled": False},
    "collector": {"enabled": False},
    "api": {"autoscaling": {"enabled": False}, "replicas": 1},
    "networkPolicy": {"enabled": False},
}
CHOICES: dict[str, dict[str, Any]] = {"defaults": {"urls": URLS}, "everything": EVERYTHING, "few": FEW}


@pytest.fixture(params=CHOICES)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return render(CHOICES[request.param])


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(objects: list[dict[str, Any]], version: str) -> None:
    assert len(objects) > 5
    for one in objects:
        if one["kind"] != "ScaledObject":  # KEDA's own, of which Kubernetes knows nothing
            kubernetes_validate.validate(one, version, strict=True)


def test_no_two_objects_are_the_same(objects: list[dict[str, Any]]) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("values", CHOICES.values(), ids=CHOICES)
def test_the_schema_takes_what_the_tests_render(values: dict[str, Any]) -> None:
    jsonschema.validate(merged(defaults(), values), schema())


@pytest.mark.parametrize(
    "wrong",
    [
        {"alertin": {}},
        {"alerting": {"replicas": 0}},
        {"alerting": {"streamReplicas": 2}},
        {"api": {"service": {"port": 99999}}},
        {"urls": {"nats": "http://nats"}},
        {"keda": {"prometheusUrl": ""}},
        {"logLevel": "loud"},
    ],
)
def test_the_schema_refuses_a_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(merged(defaults(), wrong), schema())


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found


def test_every_pod_is_without_rights(objects: list[dict[str, Any]]) -> None:
    for _, pod in pods(objects):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_every_pod_is_asked_for_its_health_and_has_limits(objects: list[dict[str, Any]]) -> None:
    for _, pod in pods(objects):
        [container] = pod["containers"]
        asked = {
            name: container[f"{name}Probe"]["httpGet"]["path"]
            for name in ("startup", "liveness", "readiness")
        }
        assert asked == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
        assert {"requests", "limits"} == set(container["resources"])


def test_a_service_sees_only_the_urls_that_it_needs(objects: list[dict[str, Any]]) -> None:
    seen = {}
    for component, pod in pods(objects):
        settings = next(volume["secret"] for volume in pod["volumes"] if volume["name"] == "settings")
        seen[component] = {item["key"] for item in settings["items"]}
    wanted = {
        "collector": {"NATS_URL"},
        "loadgen": {"NATS_URL"},
        "alerting": {"NATS_URL", "DATABASE_URL"},
        "api": {"NATS_URL", "DATABASE_URL", "REDIS_URL"},
    }
    assert seen == {component: wanted[component] for component in seen}


def test_the_collector_looks_at_its_node_and_writes_nothing_there() -> None:
    [collector] = of_kind(render(EVERYTHING), "DaemonSet").values()
    pod = collector["spec"]["template"]["spec"]
    [container] = pod["containers"]
    names = {volume["name"] for volume in pod["volumes"] if "hostPath" in volume}
    mounts = {one["name"]: one["readOnly"] for one in container["volumeMounts"] if one["name"] in names}
    assert mounts == {"proc": True, "sys": True, "root": True}


def test_alerting_is_scaled_by_what_it_has_still_to_judge() -> None:
    objects = render(EVERYTHING)
    [scaled] = of_kind(objects, "ScaledObject").values()
    [trigger] = scaled["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    assert "atalaia_alerting_lag" in trigger["metadata"]["query"]
    alerting = of_kind(objects, "Deployment")[f"{RELEASE}-alerting"]
    assert "replicas" not in alerting["spec"], "two would scale it"


def test_everything_that_runs_is_kept_apart_by_a_network_policy() -> None:
    policies = of_kind(render(EVERYTHING), "NetworkPolicy")
    assert set(policies) == {f"{RELEASE}-{service}" for service in SERVICES}
    assert policies[f"{RELEASE}-alerting"]["spec"]["ingress"] == []


def test_a_disruption_takes_one_replica_at_a_time() -> None:
    budgets = of_kind(render(EVERYTHING), "PodDisruptionBudget")
    assert {name: one["spec"]["maxUnavailable"] for name, one in budgets.items()} == {
        f"{RELEASE}-alerting": 1,
        f"{RELEASE}-api": 1,
    }


def test_without_urls_it_says_what_is_missing() -> None:
    with pytest.raises(Exception, match=r"urls\.nats, or existingSecret, is needed"):
        render({})
