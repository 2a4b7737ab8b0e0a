"""The Kubernetes manifests, read once: (file, object) of every document."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent.parent.parent / "deploy" / "kubernetes"

Object = dict[str, Any]


@cache
def everything() -> tuple[tuple[Path, Object], ...]:
    paths = sorted(FOLDER.rglob("*.yaml"))
    return tuple((path, each) for path in paths for each in yaml.safe_load_all(path.read_text(encoding="utf-8")))


def of_kind(*kinds: str) -> list[tuple[Path, Object]]:
    return [(path, each) for path, each in everything() if each["kind"] in kinds]


def workloads() -> list[tuple[Path, Object]]:
    return of_kind("Deployment", "StatefulSet", "Job")


def label(path: Path, each: Object) -> str:
    return f"{path.parent.name}/{path.stem}:{each['kind']}/{each['metadata']['name']}"


def pod(each: Object) -> Object:
    return each["spec"]["template"]["spec"]


def containers() -> list[tuple[Object, Object]]:
    """(workload, container) of our own image."""
    return [
        (each, container)
        for _, each in workloads()
        for container in pod(each)["containers"]
        if not container["image"].startswith("redis:")
    ]


def environment(container: Object) -> dict[str, str]:
    return {row["name"]: row.get("value", "") for row in container.get("env", [])}


def selected(selector: Object) -> list[tuple[Path, Object]]:
    """Workloads whose pods a selector chooses; an empty one chooses all."""
    wanted = selector.get("matchLabels", {})
    lists = {row["key"]: row["values"] for row in selector.get("matchExpressions", [])}
    found = []
    for path, each in workloads():
        labels = each["spec"]["template"]["metadata"]["labels"]
        if wanted.items() <= labels.items() and all(labels.get(key) in values for key, values in lists.items()):
            found.append((path, each))
    return found


def ports(each: Object) -> set[int]:
    return {port["containerPort"] for container in pod(each)["containers"] for port in container.get("ports", [])}
