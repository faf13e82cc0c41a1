"""Publishing to S3, as moto serves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from algstack.errors import AlgstackError
from algstack.publish import stage, storage
from algstack.publish.fetch import fetched
from tests.publish.flaky import Line, flaky

TARGET = "s3://bucket/algebra"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    served = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    yield f"http://{host}:{port}"
    served.stop()


@pytest.fixture
def line(server: str) -> Iterator[Line]:
    """The line to the server, good until it is told otherwise."""
    with flaky(server) as opened:
        yield opened


@pytest.fixture
def s3(server: str, line: Line, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "AWS_ENDPOINT_URL": line.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=server)
    client.create_bucket(Bucket="bucket")
    yield client
    for entry in client.list_objects_v2(Bucket="bucket").get("Contents", ()):
        client.delete_object(Bucket="bucket", Key=entry["Key"])
    client.delete_bucket(Bucket="bucket")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def objects(client: Any) -> dict[str, bytes]:
    entries = client.list_objects_v2(Bucket="bucket", Prefix="algebra/").get("Contents", ())
    keys = [entry["Key"] for entry in entries]
    return {key.removeprefix("algebra/"): client.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys}


def test_a_release_is_in_the_bucket_whole(s3: Any, releases: dict[str, Path]) -> None:
    stage.publish(releases["1.0.0"], TARGET)
    assert objects(s3) == contents(releases["1.0.0"])
    assert stage.publish(releases["1.0.0"], TARGET).sent == ()
    stage.publish(releases["1.1.0"], TARGET)
    assert objects(s3) == contents(releases["1.1.0"])


def test_a_bad_line_gets_all_of_it(
    s3: Any, line: Line, releases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    line.failing = 0.2
    stage.publish(releases["1.0.0"], TARGET)
    assert len(line.failures) > 4
    assert objects(s3) == contents(releases["1.0.0"])
    with fetched(TARGET) as folder:
        assert contents(folder) == contents(releases["1.0.0"])


def test_killed_half_way_only_the_rest_is_sent(
    s3: Any, releases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    send = storage.S3Place._send

    def breaking(place: storage.S3Place, file: Any) -> None:
        if len(sent) == 4:
            raise KeyboardInterrupt
        sent.append(file.name)
        send(place, file)

    monkeypatch.setattr(storage.S3Place, "_send", breaking)
    with pytest.raises(KeyboardInterrupt):
        stage.publish(releases["1.0.0"], TARGET)
    monkeypatch.setattr(storage.S3Place, "_send", send)
    again = stage.publish(releases["1.0.0"], TARGET)
    assert set(again.same) == set(sent)
    assert objects(s3) == contents(releases["1.0.0"])


def test_a_bucket_that_is_not_there_is_one_clear_error(s3: Any, releases: dict[str, Path]) -> None:
    with pytest.raises(AlgstackError, match="bucket"):
        stage.publish(releases["1.0.0"], "s3://nowhere/x")


def test_a_strangers_object_is_never_replaced(s3: Any, releases: dict[str, Path]) -> None:
    s3.put_object(Bucket="bucket", Key="algebra/README.md", Body=b"mine")
    with pytest.raises(AlgstackError, match="is there already"):
        stage.publish(releases["1.0.0"], TARGET)
    assert objects(s3) == {"README.md": b"mine"}
