"""deploy/helm: values, schema and templates agree, and what they render is what deploy/kubernetes has.

Helm is in no package registry of Python: where it is missing, the renderings in tests/samples/helm stand for it.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from jsonschema import Draft7Validator
from kubernetes_validate import latest_version, validate

import ipi_es
from ipi_es.cli.main import COMMANDS, cli
from ipi_es.config.files.loading import load_job, load_settings

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))  # not a package: it is run from the repository

import render_chart  # noqa: E402

CHART = render_chart.CHART
SAMPLES = {
    path.stem: path for path in sorted(render_chart.VALUES.glob("*.yaml")) if not path.stem.endswith(".rendered")
}
OLDEST = "1.29"
PLAIN = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / "deploy/kubernetes").glob("*.yaml")}
OPERATOR = {"PodMonitor", "PrometheusRule"}
"""Kinds of the Prometheus operator, which Kubernetes' schemas don't have."""
USED = re.compile(r"(?:\.Values|\$values)((?:\.\w+)+)")
REASON = "no helm on this machine: the renderings in tests/samples/helm were held to the rules instead"

Objects = dict[tuple[str, str], dict[str, Any]]
"""(kind, name) → object."""


def of_text(text: str) -> Objects:
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text) if each}


def rendered(sample: str) -> str:
    return SAMPLES[sample].with_suffix(".rendered.yaml").read_text("utf-8")


RENDERED = {sample: of_text(rendered(sample)) for sample in SAMPLES}
EVERY_OBJECT = [(sample, *name) for sample, objects in RENDERED.items() for name in objects]


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    return found


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    return found


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of all values that are no further object."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    else:
        yield path


def used() -> set[str]:
    """The dotted paths of values that templates name."""
    texts = [path.read_text("utf-8") for path in (CHART / "templates").iterdir()]
    return {path for text in texts for path in USED.findall(text)}


def closed(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, set[str]]]:
    """(path, properties) of each object of the schema that refuses all others."""
    if part.get("additionalProperties") is False:
        yield path, set(part["properties"])
        for name, inner in part["properties"].items():
            there = schema()["definitions"][inner["$ref"].split("/")[-1]] if "$ref" in inner else inner
            yield from closed(there, f"{path}.{name}")


def pod(body: dict[str, Any]) -> dict[str, Any]:
    """A copy of the pod's specification in an object, however deep it lies."""
    spec = body["spec"]
    spec = spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec
    found: dict[str, Any] = copy.deepcopy(spec["template"]["spec"])
    return found


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (chart["apiVersion"], chart["name"]) == ("v2", "ipi-es")
    assert chart["appVersion"] == ipi_es.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", chart["version"])


def test_every_value_that_a_template_uses_is_in_the_values() -> None:
    for path in used():
        there: Any = values()
        for name in path.split(".")[1:]:
            assert name in there, path
            there = there[name]


def test_every_value_is_used() -> None:
    unused = [leaf for leaf in leaves(values()) if not any(f"{leaf}.".startswith(f"{path}.") for path in used())]
    assert unused == []


def test_every_value_is_explained() -> None:
    lines, explained = (CHART / "values.yaml").read_text("utf-8").splitlines(), False
    for line, below in pairwise([*lines, ""]):
        explained = bool(line) and (explained or "#" in line)  # one comment is for all lines up to an empty one
        assert explained or "#" in below or not re.match(r"\w+:", line), line


def test_the_schema_takes_the_values_and_knows_every_one() -> None:
    Draft7Validator.check_schema(schema())
    assert [*Draft7Validator(schema()).iter_errors(values())] == []
    for path, names in closed(schema()):
        there: Any = values()
        for name in path.split(".")[1:]:
            there = there[name]
        optional = {"global"} if not path else {"claims"}  # helm's own for subcharts; of a container's resources
        assert set(there) <= names, path
        assert names - set(there) <= optional, path


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": {"repositry": "x"}},
        {"image": {"repository": "registry.example.org/ipi-es:0.1"}},
        {"image": {"variant": "tiny"}},
        {"image": {"digest": "sha256:1234"}},
        {"jobs": {"a/b": {}}},
        {"jobs": ["sign-ins"]},
        {"replicas": "2"},
        {"networkPolicy": {"notifications": {"ports": ["smtp"]}}},
        {"dashboards": {"kibana": "kibana:5601"}},
        {"replica": 2},
    ],
    ids=str,
)
def test_the_schema_refuses_mistakes(wrong: dict[str, Any]) -> None:
    assert [*Draft7Validator(schema()).iter_errors(wrong)]


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_schema_takes_the_samples(sample: str) -> None:
    assert [*Draft7Validator(schema()).iter_errors(yaml.safe_load(SAMPLES[sample].read_text("utf-8")))] == []


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_renderings_are_of_this_chart(sample: str) -> None:
    first = rendered(sample).splitlines()[0]
    assert first == f"# {render_chart.digest(SAMPLES[sample])}", "run python tools/render_chart.py (it needs helm)"


@pytest.mark.skipif(not shutil.which("helm"), reason=REASON)
@pytest.mark.parametrize("sample", SAMPLES)
def test_helm_renders_the_same(sample: str) -> None:
    assert of_text(render_chart.render(SAMPLES[sample])) == RENDERED[sample]


@pytest.mark.skipif(not shutil.which("helm"), reason=REASON)
@pytest.mark.parametrize("sample", SAMPLES)
def test_helm_lint_finds_nothing(sample: str) -> None:
    command = ["helm", "lint", str(CHART), "--strict", "--quiet", "--kube-version", render_chart.KUBERNETES]
    done = subprocess.run([*command, "--values", str(SAMPLES[sample])], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("helm"), reason=REASON)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("jobs.a.job_id=a", "image.repository: name the image"),
        ("image.repository=ipi-es", "jobs: name at least one"),
        ("image.repository=ipi-es,jobs.a.job_id=a,schedule=@daily,podMonitor.enabled=true", "serves no metrics"),
        ("image.repository=ipi-es,jobs.a.job_id=a,schedule=@daily,prometheusRule.enabled=true", "serves no metrics"),
        ("image.repositry=ipi-es", "repositry"),
    ],
)
def test_helm_says_what_is_missing(given: str, said: str) -> None:
    command = ["helm", "template", "ipi-es", str(CHART), "--kube-version", render_chart.KUBERNETES, "--set", given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize("version", [OLDEST, latest_version()])
@pytest.mark.parametrize(("sample", "kind", "name"), EVERY_OBJECT)
def test_an_object_is_what_kubernetes_takes(sample: str, kind: str, name: str, version: str) -> None:
    if kind not in OPERATOR:
        validate(RENDERED[sample][kind, name], version, strict=True)
    assert len(name) <= 63
    assert kind != "Secret"


@pytest.mark.parametrize(
    ("sample", "name", "manifest"),
    [
        ("plain", ("Deployment", "ipi-es"), "worker"),
        ("plain", ("Job", "ipi-es-setup"), "setup"),
        ("all", ("Deployment", "ipi-es-explorer"), "explorer"),
    ],
    ids=["worker", "setup", "explorer"],
)
def test_a_pod_is_that_of_the_manifest(sample: str, name: tuple[str, str], manifest: str) -> None:
    ours, theirs = pod(RENDERED[sample][name]), pod(PLAIN[manifest])
    for spec in (ours, theirs):
        (only,) = spec["containers"]
        assert only.pop("image").partition(":")[0] in ("ipi-es", "registry.example.org/ipi-es")
        only.pop("imagePullPolicy", None)
        config = next(each["configMap"] for each in spec["volumes"] if each["name"] == "config")
        config.update(name="", items=[item["path"] for item in config["items"]])
    ours.pop("serviceAccountName", None)  # one without rights, whose token isn't mounted
    theirs.setdefault("terminationGracePeriodSeconds", ours.get("terminationGracePeriodSeconds"))
    ours.setdefault("terminationGracePeriodSeconds", None)
    assert ours == theirs


def test_the_explorer_is_reached_as_by_the_manifests() -> None:
    ours, theirs = RENDERED["all"]["Service", "ipi-es-explorer"], PLAIN["explorer-service"]
    assert ours["spec"]["ports"] == theirs["spec"]["ports"]
    labels = RENDERED["all"]["Deployment", "ipi-es-explorer"]["spec"]["template"]["metadata"]["labels"]
    assert ours["spec"]["selector"].items() <= labels.items()
    policy = RENDERED["all"]["NetworkPolicy", "ipi-es-explorer"]["spec"]
    plain = PLAIN["explorer-network-policy"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert (policy["policyTypes"], policy["ingress"]) == (plain["policyTypes"], plain["ingress"])


def test_the_explorer_is_only_there_if_it_is_enabled() -> None:
    assert ("Deployment", "ipi-es-explorer") not in RENDERED["plain"]
    assert not values()["explorer"]["enabled"]


def test_the_cron_job_is_that_of_the_manifest() -> None:
    ours, theirs = RENDERED["cronjob"]["CronJob", "ipi-es"]["spec"], PLAIN["cronjob"]["spec"]
    assert {key: value for key, value in ours.items() if key != "jobTemplate"} == {
        key: value for key, value in theirs.items() if key != "jobTemplate"
    }
    (container,) = pod(RENDERED["cronjob"]["CronJob", "ipi-es"])["containers"]
    (plain,) = pod(PLAIN["cronjob"])["containers"]
    assert container["args"] == [*plain["args"], "--accept-change"]
    assert container["securityContext"] == plain["securityContext"]
    assert container["image"] == "registry.example.org:5000/soc/ipi-es:0.1-scorer"
    assert ("Deployment", "ipi-es") not in RENDERED["cronjob"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_commands_exist_with_their_options(sample: str) -> None:
    for (kind, _), body in RENDERED[sample].items():
        if kind in ("Deployment", "CronJob", "Job"):
            (container,) = pod(body)["containers"]
            command, *rest = container["args"]
            assert command in COMMANDS
            found = cli.get_command(click.Context(cli), command)
            assert found is not None
            found.make_context(command, list(rest))


@pytest.mark.parametrize("sample", SAMPLES)
def test_settings_and_jobs_are_valid(sample: str, tmp_path: Path) -> None:
    data = RENDERED[sample]["ConfigMap", "ipi-es"]["data"]
    for name in ("ca.crt", "api_key", "password"):
        (tmp_path / name).write_text("a secret", encoding="utf-8")
    for name, text in data.items():
        (tmp_path / name).write_text(text.replace("/run/secrets/ipi-es", str(tmp_path)), encoding="utf-8")
    settings = load_settings(tmp_path / "ipi-es.yml")
    assert settings.elasticsearch.verify_certs
    assert settings.logging.format == "ecs"
    jobs = [load_job(tmp_path / name) for name in data if name.startswith("jobs.")]
    assert [job.job_id for job in jobs] == [*yaml.safe_load(SAMPLES[sample].read_text("utf-8"))["jobs"]]
    if sample == "cronjob":
        assert jobs[0].ip_insights.num_entity_vectors == 1_000_000, "not 1e+06"
    if ("ConfigMap", "ipi-es-setup") in RENDERED[sample]:
        assert RENDERED[sample]["ConfigMap", "ipi-es-setup"]["data"] == data


def test_setup_runs_before_everything_else_with_what_it_needs() -> None:
    hooks = {
        name: body["metadata"]["annotations"]
        for name, body in RENDERED["all"].items()
        if "helm.sh/hook" in body["metadata"].get("annotations", {})
    }
    first = {name for name, how in hooks.items() if how["helm.sh/hook"] == "pre-install,pre-upgrade"}
    assert first == {("Job", "ipi-es-setup"), ("ConfigMap", "ipi-es-setup"), ("NetworkPolicy", "ipi-es-setup")}
    for name in first - {("Job", "ipi-es-setup")}:
        assert int(hooks[name]["helm.sh/hook-weight"]) < 0, "there before the Job"
    assert set(hooks) - first == {("Job", "ipi-es-dashboards")}
    assert "serviceAccountName" not in pod(RENDERED["all"]["Job", "ipi-es-setup"]), "that comes later"


def test_the_network_policy_lets_through_what_that_of_the_manifests_does() -> None:
    worker = RENDERED["all"]["NetworkPolicy", "ipi-es"]["spec"]
    setup = RENDERED["all"]["NetworkPolicy", "ipi-es-setup"]["spec"]
    plain = PLAIN["network-policy"]["spec"]

    def ports(rules: list[dict[str, Any]]) -> set[int]:
        return {each["port"] for rule in rules for each in rule["ports"]}

    assert worker["ingress"] == plain["ingress"]
    assert ports(worker["egress"]) == {53, 9200, 443, 465, 587}
    assert ports(setup["egress"]) == {53, 9200, 5601}
    assert ports(worker["egress"]) | ports(setup["egress"]) == ports(plain["egress"])
    none = RENDERED["cronjob"]["NetworkPolicy", "ipi-es"]["spec"]
    assert ports(none["egress"]) == {53, 9243}
    assert "from" not in none["ingress"][0]


def test_the_alerts_are_those_of_prometheus_and_their_job_is_the_monitors() -> None:
    alerts = ROOT / "deploy" / "prometheus" / "alerts.yml"
    assert (CHART / "files" / "alerts.yml").read_bytes() == alerts.read_bytes()
    rule = RENDERED["all"]["PrometheusRule", "ipi-es"]
    assert rule["spec"] == yaml.safe_load(alerts.read_text("utf-8"))
    monitor = RENDERED["all"]["PodMonitor", "ipi-es"]
    template = RENDERED["all"]["Deployment", "ipi-es"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert set(re.findall(r'job="([^"]+)"', str(rule["spec"]))) == {labels[monitor["spec"]["jobLabel"]]}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    (port,) = template["spec"]["containers"][0]["ports"]
    assert endpoint["port"] == port["name"]
    assert "prometheus.io/scrape" not in template["metadata"]["annotations"], "it would be counted twice"
    for each in (rule, monitor):
        assert each["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_selectors_find_their_pods_and_a_change_of_the_configuration_starts_new_ones() -> None:
    spec = RENDERED["plain"]["Deployment", "ipi-es"]["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(spec["selector"]["matchLabels"]), "can't change"
    sums = {
        RENDERED[sample]["Deployment", "ipi-es"]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for sample in ("plain", "all")
    }
    assert len(sums) == 2


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_object_is_in_a_pod_that_is_not_there(sample: str) -> None:
    """Every ConfigMap and Secret that a pod mounts is one of the chart, or one that values name."""
    chosen = values() | yaml.safe_load(SAMPLES[sample].read_text("utf-8"))
    secrets = {chosen["existingSecret"], chosen["jobsSecret"]}
    secrets |= {(values()[part] | chosen[part]).get("existingSecret") for part in ("setup", "dashboards", "explorer")}
    maps = {name for kind, name in RENDERED[sample] if kind == "ConfigMap"}
    maps |= {each["configMap"]["name"] for each in chosen["extraVolumes"]}
    for (kind, _), body in RENDERED[sample].items():
        for volume in pod(body)["volumes"] if kind in ("Deployment", "CronJob", "Job") else ():
            assert volume.get("configMap", {"name": next(iter(maps))})["name"] in maps
            assert volume.get("secret", {"secretName": "ipi-es"})["secretName"] in secrets
