from __future__ import annotations

import re
from pathlib import Path

import pytest

from ipi_es.config import find_job, load_job, load_jobs, load_settings, read_jobs
from ipi_es.errors import ConfigError, UsageError

JOB = "job_id: {}\ndatafeed_config: {{indices: a}}\n"

MANY = """\
job_id: Logins
analysis_config:
  bucket_span: 7h
  bucket_spam: 1h
  summary_count_field_name: doc_count
  detectors:
    - function: rare
      by_fieldname: source.ip
datafeed_config:
  index: foo
  score_outcomes: ${NOPE}
job_id: again
ip_insights:
  epochs: ten
allow_list:
  - cidr: 10.0.0.1/8
"""


def mistakes(tmp_path: Path, text: str, **environ: str) -> ConfigError:
    path = tmp_path / "job.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_job(path, environ=environ)
    return caught.value


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_its_lines(tmp_path: Path) -> None:
    lines = str(mistakes(tmp_path, MANY)).splitlines()
    assert lines[0] == f"{tmp_path}/job.yml: 10 mistakes"
    places = [line.removeprefix(f"  {tmp_path}/job.yml:").split(": ")[:2] for line in lines[1:]]
    assert places == [
        ["3", "analysis_config.bucket_span"],
        ["4", "analysis_config.bucket_spam"],
        ["5", "analysis_config.summary_count_field_name"],
        ["8", "analysis_config.detectors[0].by_fieldname"],
        ["9", "datafeed_config.indices"],
        ["10", "datafeed_config.index"],
        ["11", "datafeed_config.score_outcomes"],
        ["12", "job_id"],
        ["14", "ip_insights.epochs"],
        ["16", "allow_list[0].cidr"],
    ]


def test_one_mistake_is_one_line_with_its_place(tmp_path: Path) -> None:
    error = mistakes(tmp_path, JOB.format("x") + "repeat_windw: 1h\n")
    assert error.place == f"{tmp_path}/job.yml:3: repeat_windw"
    assert error.message == f"{error.place}: unknown setting; did you mean “repeat_window”?"


def test_an_unknown_setting_near_to_nothing_gets_the_list(tmp_path: Path) -> None:
    error = mistakes(tmp_path, JOB.format("x") + "training: {zebra: 1}\n")
    assert "unknown setting; allowed are window, calibration_share, min_events" in str(error)


def test_another_word_for_a_setting_gets_the_right_one(tmp_path: Path) -> None:
    error = mistakes(tmp_path, JOB.format("x") + "whitelist: []\n")
    assert "did you mean “allow_list”?" in str(error)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("datafeed_config: {indices: a, entity_field: user.name}", "analysis_config.detectors[0].partition_field_name"),
        ("datafeed_config: {indices: a, ip_field: source.ip}", "analysis_config.detectors[0].by_field_name"),
        ("datafeed_config: {indices: a, partition_field_name: u}", "analysis_config.detectors[0].partition_field_name"),
        ("datafeed_config: {indices: a, time_field: ts}", "data_description.time_field"),
        ("datafeed_config: {indices: a, bucket_span: 1h}", "analysis_config.bucket_span"),
        ("bucket_span: 1h", "analysis_config.bucket_span"),
        ("query_delay: 1m", "datafeed_config.query_delay"),
        ("indices: logs-*", "datafeed_config.indices"),
        ("webhook: https://example.org", "alerts.notify[0].webhook"),
        ("training: {epochs: 3}", "ip_insights.epochs"),
        ("alerts: {bucket_span: 1h}", "analysis_config.bucket_span"),
        ("ip_insights: {hold_days: 3}", "hold_days"),
        ("analysis_config: {partition_field_name: u}", "analysis_config.detectors[0].partition_field_name"),
    ],
)
def test_a_setting_in_the_wrong_place_says_where_it_belongs(tmp_path: Path, line: str, place: str) -> None:
    given = "job_id: x\n" if line.startswith("datafeed_config") else JOB.format("x")
    assert f"unknown setting here; did you mean “{place}”?" in str(mistakes(tmp_path, f"{given}{line}\n"))


@pytest.mark.parametrize("name", ["elasticsearch", "hosts", "snapshots", "parallel_jobs"])
def test_a_setting_of_the_cluster_in_a_jobs_file_is_sent_to_its_own(tmp_path: Path, name: str) -> None:
    error = str(mistakes(tmp_path, f"{JOB.format('x')}{name}: x\n"))
    assert re.search(rf"unknown setting here; “[\w.]*{name}” belongs into ipi-es\.yml", error)


@pytest.mark.parametrize("name", ["analysis_config", "bucket_span", "allow_list", "alerts"])
def test_a_setting_of_a_job_in_the_settings_is_sent_to_a_jobs_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "ipi-es.yml").write_text(f"{name}: x\n")
    with pytest.raises(ConfigError, match=rf"unknown setting here; “[\w.]*{name}” belongs into a job's file"):
        load_settings(environ={}, directory=tmp_path)


@pytest.mark.parametrize(
    ("line", "near"), [("training: {windo: 30d}", "window"), ("alerts: {treshold: 50}", "threshold")]
)
def test_a_slip_of_the_pen_is_one_of_its_own_section(tmp_path: Path, line: str, near: str) -> None:
    assert f"unknown setting; did you mean “{near}”?" in str(mistakes(tmp_path, f"{JOB.format('x')}{line}\n"))


def test_a_setting_of_elastic_ml_says_why_it_is_not_here(tmp_path: Path) -> None:
    error = mistakes(tmp_path, JOB.format("x") + "analysis_limits: {model_memory_limit: 1gb}\n")
    assert "ipi-es doesn't have this setting of Elastic ML: memory is bounded by" in str(error)


def test_a_missing_setting_says_what_it_is(tmp_path: Path) -> None:
    error = mistakes(tmp_path, "job_id: x\n")
    assert "datafeed_config: is missing. Where the events come from." in str(error)


def test_values_are_shown_as_the_file_has_them_not_expanded(tmp_path: Path) -> None:
    error = mistakes(tmp_path, JOB.format("x") + "ip_insights: {epochs: '${E}'}\n", E="hunter2")
    assert "must be a whole number, not “${E}”" in str(error)


def test_long_values_are_cut(tmp_path: Path) -> None:
    error = mistakes(tmp_path, JOB.format("x") + f"ip_insights: {{epochs: {'x' * 500}}}\n")
    assert len(str(error)) < 300


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_job_file_is_refused_with_what_it_needs(tmp_path: Path, text: str) -> None:
    error = mistakes(tmp_path, text)
    assert "is empty" in str(error)
    assert "datafeed_config.indices" in str(error)


@pytest.mark.parametrize("text", ["just text", "[1, 2]", "3"])
def test_a_job_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "must be a mapping" in str(mistakes(tmp_path, text))


def test_a_job_that_refers_to_itself_is_refused(tmp_path: Path) -> None:
    assert "job.yml:1: x[0]: refers to itself" in str(mistakes(tmp_path, "x: &x [*x]"))


def test_wrong_configuration_is_wrong_usage() -> None:
    assert ConfigError.exit_code == 2


def workplace(tmp_path: Path, *names: str) -> Path:
    (tmp_path / "jobs").mkdir()
    for name in names:
        (tmp_path / "jobs" / f"{name}.yml").write_text(JOB.format(name), encoding="utf-8")
    return tmp_path


def test_jobs_are_found_beside_the_settings_by_their_id(tmp_path: Path) -> None:
    settings = load_settings(environ={}, directory=workplace(tmp_path, "vpn", "sso"))
    assert [job.job_id for job in load_jobs(settings, environ={})] == ["sso", "vpn"]
    assert find_job("vpn", settings, environ={}).job_id == "vpn"


def test_a_job_may_be_named_by_its_file(tmp_path: Path) -> None:
    workplace(tmp_path, "vpn")
    settings = load_settings(environ={}, directory=tmp_path / "elsewhere")
    assert find_job(str(tmp_path / "jobs" / "vpn.yml"), settings, environ={}).job_id == "vpn"


def test_an_unknown_job_gets_the_nearest_or_all(tmp_path: Path) -> None:
    settings = load_settings(environ={}, directory=workplace(tmp_path, "vpn", "sso"))
    with pytest.raises(UsageError, match="did you mean “vpn”"):
        find_job("vnp", settings, environ={})
    with pytest.raises(UsageError, match="there are sso, vpn"):
        find_job("zebra", settings, environ={})


def test_without_jobs_it_says_where_they_go(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write a job file into jobs/"):
        find_job("vpn", load_settings(environ={}, directory=tmp_path), environ={})


def test_two_files_with_one_job_id_are_refused(tmp_path: Path) -> None:
    workplace(tmp_path, "vpn")
    (tmp_path / "jobs" / "z.json").write_text('{"job_id": "vpn", "datafeed_config": {"indices": "b"}}', "utf-8")
    with pytest.raises(ConfigError, match="has the job_id vpn too"):
        load_jobs(load_settings(environ={}, directory=tmp_path), environ={})


def test_a_bad_file_stops_only_its_own_job(tmp_path: Path) -> None:
    workplace(tmp_path, "vpn", "sso", "mail")
    (tmp_path / "jobs" / "broken.yml").write_text("job_id: [", "utf-8")
    (tmp_path / "jobs" / "twin.yml").write_text(JOB.format("sso"), "utf-8")
    (tmp_path / "jobs" / "wrong.yml").write_text("job_id: wrong\n", "utf-8")
    settings = load_settings(environ={}, directory=tmp_path)
    jobs, bad = read_jobs(settings, environ={})
    assert [job.job_id for job in jobs] == ["mail", "vpn"]
    assert [each.path.name for each in bad] == ["broken.yml", "sso.yml", "twin.yml", "wrong.yml"]
    with pytest.raises(ConfigError) as caught:
        load_jobs(settings, environ={})
    for name in ("broken.yml", "sso.yml", "twin.yml", "wrong.yml"):
        assert name in str(caught.value)
    assert find_job("vpn", settings, environ={}).job_id == "vpn"
    with pytest.raises(ConfigError, match=r"broken\.yml"):
        find_job("wrong", settings, environ={})


def test_a_named_job_file_that_is_missing_is_refused_and_an_empty_pattern_is_not(tmp_path: Path) -> None:
    (tmp_path / "ipi-es.yml").write_text("jobs: [a/*.yml]", encoding="utf-8")
    assert load_jobs(load_settings(environ={}, directory=tmp_path), environ={}) == []
    (tmp_path / "ipi-es.yml").write_text("jobs: [a.yml]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"there is no file .*a\.yml"):
        load_jobs(load_settings(environ={}, directory=tmp_path), environ={})


def test_a_folder_instead_of_job_files_is_refused_with_the_pattern_that_is_meant(tmp_path: Path) -> None:
    workplace(tmp_path, "vpn")
    (tmp_path / "jobs" / "old").mkdir()
    (tmp_path / "ipi-es.yml").write_text("jobs: jobs", encoding="utf-8")
    with pytest.raises(ConfigError, match="jobs is a folder") as caught:
        load_jobs(load_settings(environ={}, directory=tmp_path), environ={})
    assert str(caught.value.hint).endswith("jobs/*.yml`")
    (tmp_path / "ipi-es.yml").write_text("jobs: jobs/*", encoding="utf-8")
    assert [job.job_id for job in load_jobs(load_settings(environ={}, directory=tmp_path), environ={})] == ["vpn"]
