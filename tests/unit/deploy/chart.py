"""The chart, rendered: by helm where it is installed, else by a Go template engine with Helm's functions."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from gotpl.exts.helm import HelmTemplateEngine

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "atalaia"
URLS = {
    "nats": "nats://u:p@nats:4222",
    "database": "postgresql://u:p@pg:5432/a",
    "redis": "redis://:p@redis:6379",
}
RELEASE = "watch"


def defaults() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as Helm merges them: maps deeply, everything else replaced."""
    result = dict(base)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else value
    return result


def render(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that the chart makes of these values on top of its own."""
    helm = shutil.which("helm")
    text = _by_helm(helm, values) if helm else _by_templates(merged(defaults(), values))
    return [one for one in yaml.safe_load_all(text) if one]


def _by_helm(helm: str, values: Mapping[str, Any]) -> str:
    command = [helm, "template", RELEASE, str(CHART), "--values", "-"]
    return subprocess.run(
        command, input=yaml.safe_dump(dict(values)), text=True, capture_output=True, check=True
    ).stdout


def _by_templates(values: Mapping[str, Any]) -> str:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    sources = {path.name: path.read_text() for path in sorted((CHART / "templates").glob("*"))}
    context = {
        "Values": values,
        "Release": {"Name": RELEASE, "Service": "Helm", "Namespace": "default"},
        "Chart": {"Name": chart["name"], "Version": chart["version"], "AppVersion": chart["appVersion"]},
    }
    engine = HelmTemplateEngine.from_sources(sources)
    told = engine.render({name: context for name in sources if name.endswith(".yaml")})
    return "\n---\n".join(told.values())


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (component, pod specification) of everything that runs."""
    for one in objects:
        if one["kind"] in ("Deployment", "DaemonSet"):
            yield one["metadata"]["labels"]["app.kubernetes.io/component"], one["spec"]["template"]["spec"]
