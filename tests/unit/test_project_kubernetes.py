"""deploy/kubernetes: held to Kubernetes' own schemas and to our rules, since no engine runs where the tests do."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import dask
import pytest
import yaml
from distributed.cli import dask_scheduler, dask_worker
from kubernetes_validate import ValidationError, latest_version, validate

from ipi_es.cli.main import COMMANDS, cli
from ipi_es.config.files.loading import job_files, load_jobs, load_settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OLDEST = "1.29"
"""The oldest Kubernetes that the manifests are held to."""
A_PAGE = 90
"""Lines."""
SECRET_DIR = "/run/secrets/ipi-es"

OBJECTS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yaml"))
}
OF_DASK = {"dask-scheduler": dask_scheduler.main, "dask-worker": dask_worker.main}
"""Pods that run a command of Dask."""
DISTRIBUTED = (*OF_DASK, "dask-backfill")
WORKLOADS = ("setup", "worker", "cronjob", "explorer", *DISTRIBUTED)
OPERATOR = "pod-monitor"
"""Of a kind that Kubernetes itself doesn't have."""
PROMETHEUS = ROOT / "deploy" / "prometheus"


def pod(name: str) -> dict[str, Any]:
    """The pod's specification, however deep it lies."""
    spec = OBJECTS[name]["spec"]
    spec = spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec
    found: dict[str, Any] = spec["template"]["spec"]
    return found


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    return dict(found)


def walk(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)
    else:
        yield str(value)


def test_all_manifests_are_known_here() -> None:
    explorer = {"explorer", "explorer-service", "explorer-network-policy"}
    dask = {"dask-service", "dask-network-policy", *DISTRIBUTED}
    assert set(OBJECTS) == {"config", "cronjob", "network-policy", OPERATOR, "setup", "worker", *explorer, *dask}


@pytest.mark.parametrize("version", [OLDEST, latest_version()])
@pytest.mark.parametrize("name", sorted(set(OBJECTS) - {OPERATOR}))
def test_manifest_is_what_kubernetes_takes(name: str, version: str) -> None:
    validate(OBJECTS[name], version, strict=True)


def test_the_schemas_find_mistakes() -> None:
    wrong = yaml.safe_load((FOLDER / "worker.yaml").read_text(encoding="utf-8"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFilesystem"] = True
    with pytest.raises(ValidationError):
        validate(wrong, OLDEST, strict=True)


@pytest.mark.parametrize("name", OBJECTS)
def test_manifest_is_a_page(name: str) -> None:
    assert len((FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()) <= A_PAGE


@pytest.mark.parametrize("name", WORKLOADS)
def test_pod_has_no_rights_and_can_write_nothing_but_tmp(name: str) -> None:
    spec, only = pod(name), container(name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10_001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(spec)
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {mount["name"] for mount in only["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"tmp"}
    volumes = {each["name"]: each for each in spec["volumes"]}
    assert set(volumes) == {mount["name"] for mount in only["volumeMounts"]}
    assert "sizeLimit" in volumes["tmp"]["emptyDir"]
    assert only["resources"]["limits"]["memory"]


def test_user_is_that_of_the_image() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(WORKLOADS) - set(OF_DASK)))
def test_command_exists_with_its_options(name: str) -> None:
    command, *rest = container(name)["args"]
    assert command in COMMANDS
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    found.make_context(command, [str(each) for each in rest], resilient_parsing=False)


@pytest.mark.parametrize("name", OF_DASK)
def test_command_of_dask_exists_with_its_options(name: str, tmp_path: Path) -> None:
    only = container(name)
    assert only["command"] == ["dask", name.removeprefix("dask-")]
    (tmp_path / "file").touch()
    args = [re.sub(r"/run/secrets/\S+", str(tmp_path / "file"), each) for each in only["args"]]
    found = OF_DASK[name].make_context(name, args).params
    assert (found["protocol"], found["dashboard"]) == ("tls", False)
    assert {found[f"tls_{part}"] for part in ("ca_file", "cert", "key")} == {str(tmp_path / "file")}


def test_a_distributed_backfill_finds_its_scheduler_and_nothing_else_reaches_it() -> None:
    port, service = container("dask-scheduler")["ports"][0], OBJECTS["dask-service"]
    address = f"tls://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert f"--port={port['containerPort']}" in container("dask-scheduler")["args"]
    assert address == container("dask-worker")["args"][0] == container("dask-backfill")["args"][-1]
    labels = {name: OBJECTS[name]["spec"]["template"]["metadata"]["labels"] for name in WORKLOADS if name != "cronjob"}
    assert service["spec"]["selector"].items() <= labels["dask-scheduler"].items()
    policy = OBJECTS["dask-network-policy"]["spec"]
    chosen = policy["podSelector"]["matchLabels"]
    assert {name for name, found in labels.items() if chosen.items() <= found.items()} == set(DISTRIBUTED)
    peers = [{"podSelector": {"matchLabels": chosen}}]
    assert (policy["ingress"], policy["egress"]) == ([{"from": peers}], [{"to": peers}])


def test_dask_is_asked_for_its_health_alone() -> None:
    only = container("dask-scheduler")
    (routes,) = only["env"]
    assert (routes["name"], routes["value"]) == (
        "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES", '["distributed.http.health"]',
    )  # fmt: skip
    assert {only[name]["httpGet"]["path"] for name in ("readinessProbe", "livenessProbe")} == {"/health"}
    assert container("dask-worker")["env"] == [{"name": "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES", "value": "[]"}]


def test_the_backfill_reads_dasks_certificates_where_dask_looks_for_them() -> None:
    names = {each["name"] for each in container("dask-backfill")["env"]}
    paths = [name.removeprefix("DASK_").lower().replace("__", ".").replace("_", "-") for name in names]
    assert all(dask.config.get(path, "there is none") is None for path in paths), paths


def test_probes_ask_what_the_worker_serves() -> None:
    only = container("worker")
    port = only["ports"][0]
    assert only["args"][-1].endswith(f":{port['containerPort']}")
    paths = {name: only[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {each["port"] for each in paths.values()} == {port["name"]}
    assert [each["path"] for each in paths.values()] == ["/healthz", "/healthz", "/readyz"]
    annotations = OBJECTS["worker"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])
    (ingress,) = OBJECTS["network-policy"]["spec"]["ingress"]
    assert ingress["ports"][0]["port"] == port["containerPort"]


def test_the_explorer_is_found_by_its_service_and_may_be_reached() -> None:
    only = container("explorer")
    port = only["ports"][0]
    assert only["args"][-1].endswith(f":{port['containerPort']}")
    paths = {name: only[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert [(each["path"], each["port"]) for each in paths.values()] == [
        ("/healthz", "http"), ("/healthz", "http"), ("/readyz", "http"),
    ]  # fmt: skip
    labels = OBJECTS["explorer"]["spec"]["template"]["metadata"]["labels"]
    service, policy = OBJECTS["explorer-service"]["spec"], OBJECTS["explorer-network-policy"]["spec"]
    assert service["selector"].items() <= labels.items()
    assert service["ports"][0]["targetPort"] == port["name"]
    assert policy["podSelector"]["matchLabels"] == labels
    (ingress,) = policy["ingress"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": port["containerPort"]}]
    assert not labels.items() <= OBJECTS["worker"]["spec"]["template"]["metadata"]["labels"].items()


def test_selectors_find_their_pods() -> None:
    worker = OBJECTS["worker"]["spec"]
    assert worker["selector"]["matchLabels"].items() <= worker["template"]["metadata"]["labels"].items()
    wanted = OBJECTS["network-policy"]["spec"]["podSelector"]["matchLabels"].items()
    assert wanted <= worker["template"]["metadata"]["labels"].items()
    assert wanted <= OBJECTS["cronjob"]["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"].items()


def destinations() -> dict[int, set[str]]:
    """{port: namespaces} of the egress rules; no namespace: anywhere."""
    found: dict[int, set[str]] = {}
    for rule in OBJECTS["network-policy"]["spec"]["egress"]:
        places = {
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule.get("to", ())
        }
        for each in rule["ports"]:
            found.setdefault(each["port"], set()).update(places)
    return found


def test_the_network_policy_lets_out_what_ipi_es_connects_to() -> None:
    """Names, the cluster and its console; and notifications, whose hosts a policy can't name."""
    hosts = yaml.safe_load(OBJECTS["config"]["data"]["ipi-es.yml"])["elasticsearch"]["hosts"]
    (cluster,) = map(urlsplit, hosts)
    _, namespace, kind = str(cluster.hostname).split(".")
    assert kind == "svc"
    assert destinations() == {
        53: set(),
        cluster.port: {namespace},
        5601: {namespace},
        443: set(),  # webhooks, and Apprise's services
        465: set(),  # mailtos:// with TLS from the start
        587: set(),  # and with STARTTLS
    }
    udp = [each for rule in OBJECTS["network-policy"]["spec"]["egress"] for each in rule["ports"] if "UDP" in str(each)]
    assert udp == [{"protocol": "UDP", "port": 53}]


def test_the_page_explains_every_port_of_the_network_policy() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:from|to) .*\| ([\d, ]+) \|", text, re.MULTILINE)
    explained = {int(port) for row in rows for port in row.split(",")}
    served = {container(name)["ports"][0]["containerPort"] for name in ("worker", "explorer")}
    assert explained == {*destinations(), *served}


def jobs_of_the_alerts() -> set[str]:
    return set(re.findall(r'\bjob="([^"]+)"', (PROMETHEUS / "alerts.yml").read_text(encoding="utf-8")))


def test_the_pod_monitor_finds_the_worker_and_names_the_job_of_the_alerts() -> None:
    monitor, template = OBJECTS[OPERATOR], OBJECTS["worker"]["spec"]["template"]
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert set(monitor["spec"]) == {"jobLabel", "selector", "podMetricsEndpoints"}
    labels = template["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert jobs_of_the_alerts() == {labels[monitor["spec"]["jobLabel"]]}
    (endpoint,), (port,) = monitor["spec"]["podMetricsEndpoints"], template["spec"]["containers"][0]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")


@pytest.mark.parametrize("file", ["prometheus.yml", "kubernetes.yml"])
def test_every_scrape_configuration_names_the_job_of_the_alerts(file: str) -> None:
    body = yaml.safe_load((PROMETHEUS / file).read_text(encoding="utf-8"))
    assert body["rule_files"] == ["alerts.yml"]
    assert {scrape["job_name"] for scrape in body["scrape_configs"]} == jobs_of_the_alerts()


def test_the_scrape_configuration_keeps_the_worker_by_its_annotation() -> None:
    (scrape,) = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text(encoding="utf-8"))["scrape_configs"]
    keep = scrape["relabel_configs"][0]
    assert keep["action"] == "keep"
    template = OBJECTS["worker"]["spec"]["template"]
    said = {"label": template["metadata"]["labels"], "annotation": template["metadata"]["annotations"]}
    meta = {
        f"__meta_kubernetes_pod_{kind}_{re.sub(r'[^a-zA-Z0-9_]', '_', name)}": value
        for kind, names in said.items()
        for name, value in names.items()
    }
    meta["__meta_kubernetes_pod_container_port_name"] = template["spec"]["containers"][0]["ports"][0]["name"]
    meta["__meta_kubernetes_pod_phase"] = "Running"
    assert re.fullmatch(keep["regex"], ";".join(meta[name] for name in keep["source_labels"]))


def test_the_rule_for_a_scrape_of_all_pods_names_the_job_of_the_alerts() -> None:
    """The one in the comment, for a Prometheus that asks every pod with annotations already."""
    text = (PROMETHEUS / "kubernetes.yml").read_text(encoding="utf-8")
    (rule,) = yaml.safe_load("\n".join(re.findall(r"^# (  .*)$", text, re.MULTILINE)))
    assert rule["source_labels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    assert rule["target_label"] == "job"
    assert {rule["regex"], rule["replacement"]} == jobs_of_the_alerts()


def test_the_worker_is_given_time_to_leave_and_a_cron_job_never_overlaps_itself() -> None:
    assert pod("worker")["terminationGracePeriodSeconds"] >= 20
    assert OBJECTS["cronjob"]["spec"]["concurrencyPolicy"] == "Forbid"
    assert container("cronjob")["args"] == ["run", "--once"]


def test_setup_and_the_explorer_have_secrets_of_their_own() -> None:
    names = {
        name: next(each["secret"]["secretName"] for each in pod(name)["volumes"] if "secret" in each)
        for name in WORKLOADS
    }
    assert names == {
        "setup": "ipi-es-setup", "worker": "ipi-es", "cronjob": "ipi-es", "explorer": "ipi-es-explorer",
        "dask-scheduler": "ipi-es-dask", "dask-worker": "ipi-es", "dask-backfill": "ipi-es",
    }  # fmt: skip


def test_no_manifest_holds_a_secret() -> None:
    for name, body in OBJECTS.items():
        assert body["kind"] != "Secret"
        variables = container(name).get("env", []) if name in WORKLOADS else []
        assert all(each["name"].startswith("DASK_DISTRIBUTED__") for each in variables), f"{name}: secrets are files"
        assert name in DISTRIBUTED or "env" not in set(walk(body))


def test_settings_and_job_of_the_config_map_are_valid(tmp_path: Path) -> None:
    data = OBJECTS["config"]["data"]
    (config,) = (each for each in pod("worker")["volumes"] if "configMap" in each)
    assert config["configMap"]["name"] == OBJECTS["config"]["metadata"]["name"]
    folder = tmp_path / "etc"
    for item in config["configMap"]["items"]:
        place = folder / item["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        text = data[item["key"]]
        if item["key"] == "ipi-es.yml":
            for secret in re.findall(rf"{SECRET_DIR}/(\w[\w.]*)", text):
                (tmp_path / secret).write_text("a secret")
            text = text.replace(SECRET_DIR, str(tmp_path))
        place.write_text(text, encoding="utf-8")
    assert {item["key"] for item in config["configMap"]["items"]} == set(data)
    settings = load_settings(folder / "ipi-es.yml")
    assert settings.elasticsearch.hosts[0].startswith("https://")
    assert settings.elasticsearch.verify_certs
    assert settings.elasticsearch.api_key is not None
    assert settings.logging.format == "ecs"
    assert len(job_files(settings)) == 1
    (job,) = load_jobs(settings)
    assert job.warnings() == []


def test_the_workloads_mount_the_same_configuration() -> None:
    configured = set(WORKLOADS) - {"dask-scheduler"}  # it reads nothing of ours
    mounts = [[each for each in pod(name)["volumes"] if each["name"] == "config"] for name in configured]
    assert all(each == mounts[0] for each in mounts)
    assert {container(name)["image"] for name in WORKLOADS} == {"ipi-es:local"}


def test_the_validator_is_for_the_tests_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not any(each.startswith("kubernetes") for each in project["dependencies"])
