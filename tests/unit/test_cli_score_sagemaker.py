"""`ipi-es score` as SageMaker's IP Insights: its content types, its answers, its embeddings."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_run import run
from saved_snapshot import save_snapshot
from signin_events import make_job

from ipi_es.config.hyperparameters import Hyperparameters
from ipi_es.ipinsights.sagemaker.embeddings import prior_shift
from ipi_es.state.directory_blobs import DirectoryBlobs

PAIRS = [("user1", "203.0.113.1"), ("user2", "2001:db8::1"), ("nobody here", "198.51.100.7")]
BODIES = {
    "text/csv": "".join(f"{entity}, {ip}\n" for entity, ip in PAIRS),
    "application/json": json.dumps(
        {
            "instances": [
                {"features": list(PAIRS[0])},
                {"data": {"features": {"values": list(PAIRS[1])}}},
                {"features": list(PAIRS[2])},
            ]
        }
    ),
    "application/jsonlines": "".join(json.dumps({"features": pair}) + "\n" for pair in PAIRS),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ipi-es.yml around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPI_ES_CONFIG", raising=False)


@pytest.fixture(params=["hybrid", "ip_insights"])
def shelf(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Networks with a dense layer, with and without a combiner."""
    folder = tmp_path / "snapshots"
    save_snapshot(DirectoryBlobs(folder), make_job(), architecture=request.param)
    return folder


def ask(shelf: Path, body: str | bytes, content_type: str, accept: str | None) -> list[Any]:
    """The predictions of an answer, whatever its type: objects, or numbers of a CSV."""
    options = ["--snapshot", shelf, "--content-type", content_type, *(["--accept", accept] if accept else [])]
    result = run("score", *options, stdin=body)
    assert result.exit_code == 0, result.stderr
    if accept is None or accept.startswith("application/json;") or accept == "application/json":
        answer = json.loads(result.stdout)
        assert list(answer) == ["predictions"]
        return answer["predictions"]
    lines = result.stdout.splitlines()
    return [float(line) for line in lines] if accept == "text/csv" else [json.loads(line) for line in lines]


@pytest.mark.parametrize(("content_type", "accept"), list(product(BODIES, [*BODIES, None])))
def test_every_content_type_is_taken_and_given(shelf: Path, content_type: str, accept: str | None) -> None:
    expected = ask(shelf, BODIES["text/csv"], "text/csv", "application/json")
    assert [list(one) for one in expected] == [["dot_product"]] * 3
    found = ask(shelf, BODIES[content_type], content_type, accept)
    wanted = [one["dot_product"] for one in expected] if accept == "text/csv" else expected
    assert found == wanted


@pytest.mark.parametrize("accept", ["application/json;verbose=True", "application/jsonlines; verbose=True"])
def test_the_dot_product_of_the_embeddings_is_the_dot_product(shelf: Path, accept: str) -> None:
    plain = ask(shelf, BODIES["text/csv"], "text/csv", "application/json")
    for one, known in zip(ask(shelf, BODIES["text/csv"], "text/csv", accept), plain, strict=True):
        assert list(one) == ["dot_product", "entity_embedding", "ip_embedding"]
        assert one["dot_product"] == known["dot_product"]
        assert np.dot(one["entity_embedding"], one["ip_embedding"]) == pytest.approx(one["dot_product"], abs=1e-5)


def test_without_a_combiner_the_dot_product_is_the_compatibility_without_the_prior_of_the_negatives(
    tmp_path: Path,
) -> None:
    save_snapshot(DirectoryBlobs(tmp_path), make_job(), architecture="ip_insights")
    body = BODIES["text/csv"]
    plain = run("score", "--snapshot", tmp_path, stdin=body).stdout
    compatibility = np.array([float(line.split(",")[2]) for line in plain.splitlines()])
    negatives = 1 + 4 + 1  # of the snapshot: random, shuffled, hard
    assert ask(tmp_path, body, "text/csv", "text/csv") == pytest.approx(compatibility + np.log(negatives), abs=1e-5)


def test_the_dot_product_is_against_as_many_sampled_pairs_as_real_ones_whatever_the_negatives() -> None:
    one = Hyperparameters(
        random_negative_sampling_rate=1, shuffled_negative_sampling_rate=0, hard_negative_sampling_rate=0
    )
    assert prior_shift(one) == 0.0
    assert prior_shift(one.replaced(shuffled_negative_sampling_rate=99)) == pytest.approx(np.log(100))


def test_a_combiner_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    save_snapshot(DirectoryBlobs(tmp_path), make_job())
    result = run("score", "--snapshot", tmp_path, "--accept", "application/jsonlines", stdin=BODIES["text/csv"])
    assert "dot_product is the network's alone" in result.stderr


def test_malformed_rows_keep_their_place_and_are_counted(shelf: Path) -> None:
    instances = [{"features": ["a", "nowhere"]}, {"features": ["a"]}, 7, {"features": ["", "192.0.2.1"]}, None]
    good = {"features": ["user1", "203.0.113.1"]}
    body = json.dumps({"instances": [*instances, good]})
    options = ["--snapshot", shelf, "--content-type", "application/json"]
    result = run("score", *options, stdin=body)
    predictions = json.loads(result.stdout)["predictions"]
    assert [one["dot_product"] is None for one in predictions] == [True] * 5 + [False]
    assert "is no IP address" in predictions[0]["error"]
    assert "5 of 6 rows are malformed" in result.stderr
    csv = run("score", *options, "--accept", "text/csv", stdin=body).stdout.splitlines()
    assert csv[:5] == ['""'] * 5
    assert float(csv[5]) == predictions[5]["dot_product"]


def test_verbose_csv_has_the_embeddings_as_lists(shelf: Path) -> None:
    result = run("score", "--snapshot", shelf, "--accept", "text/csv;verbose=true", stdin="user1,203.0.113.1\na,b\n")
    first, second = result.stdout.splitlines()
    assert first.count("[") == 2
    assert second == ",,"


def test_the_lines_of_sagemakers_own_example_are_taken(shelf: Path) -> None:
    """Its documentation shows JSON lines with a comma and a bracket too many."""
    body = '{"data": {"features": {"values": ["user1", "203.0.113.1"]}}},\n{"features": ["user2", "2001:db8::1"]}]\n'
    found = ask(shelf, body, "application/jsonlines", None)
    assert found == ask(shelf, BODIES["text/csv"], "text/csv", None)[:2]


def test_an_empty_request_gets_an_empty_answer(shelf: Path) -> None:
    assert ask(shelf, '{"instances": []}', "application/json", "application/json") == []
    assert ask(shelf, "", "text/csv", "application/json") == []


def test_parameters_and_case_of_a_content_type_are_no_matter(shelf: Path) -> None:
    body = BODIES["text/csv"]
    assert ask(shelf, body, "Text/CSV; charset=utf-8; label_size=0", None) == ask(shelf, body, "text/csv", None)


@pytest.mark.parametrize(
    ("options", "body", "said"),
    [
        (["--content-type", "application/x-recordio-protobuf"], "", "no such content type"),
        (["--accept", "text/html"], "", "no such content type"),
        (["--accept", "application/json", "--input", "csv"], "", "--input is of no use"),
        (["--content-type", "application/json"], "alice,192.0.2.1\n", "the request is no JSON"),
        (["--content-type", "application/json"], '{"rows": []}', "no list of instances"),
        (["--content-type", "application/json"], "[1]", "no list of instances"),
        (["--content-type", "application/json"], b'{"instances": ["\xff"]}', "the request is no JSON"),
    ],
)
def test_a_request_that_is_none_is_refused_with_a_hint(
    tmp_path: Path, options: list[str], body: str | bytes, said: str
) -> None:
    save_snapshot(DirectoryBlobs(tmp_path), make_job())
    result = run("score", "--snapshot", tmp_path, *options, stdin=body)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert "→" in result.stderr
    assert result.stdout == ""


def test_a_request_without_its_content_type_says_which_is_needed(shelf: Path) -> None:
    for options in ((), ("--accept", "application/json")):
        result = run("score", "--snapshot", shelf, *options, stdin=BODIES["application/json"])
        assert "--content-type application/json takes it" in result.stderr


def test_a_folder_without_a_whole_snapshot_says_what_it_is(tmp_path: Path) -> None:
    save_snapshot(DirectoryBlobs(tmp_path), make_job().model_copy(update={"job_id": "one"}))
    inside = run("score", "--snapshot", tmp_path / "one", stdin="a,192.0.2.1\n")
    assert "is the folder of one job" in inside.stderr
    assert f"name the one above it: {tmp_path}" in inside.stderr
    for manifest in (tmp_path / "one").glob("*.json"):
        manifest.write_text("{")
    assert "none that is whole" in run("score", "--snapshot", tmp_path, stdin="a,192.0.2.1\n").stderr


def test_the_job_may_be_left_out_where_there_is_one(tmp_path: Path) -> None:
    result = run("score", "--snapshot", tmp_path, stdin="a,192.0.2.1\n")
    assert "has no snapshot" in result.stderr
    (tmp_path / "lost+found").mkdir()
    save_snapshot(DirectoryBlobs(tmp_path), make_job().model_copy(update={"job_id": "one"}))
    assert run("score", "--snapshot", tmp_path, stdin="a,192.0.2.1\n").exit_code == 0
    save_snapshot(DirectoryBlobs(tmp_path), make_job().model_copy(update={"job_id": "two"}))
    result = run("score", "--snapshot", tmp_path, stdin="a,192.0.2.1\n")
    assert result.exit_code == 2
    assert "snapshots of one, two" in result.stderr
    assert "which job?" in run("score", stdin="a,192.0.2.1\n").stderr
