"""Bulk jobs, through the SDK's own operations: what a file holds is there, what is refused is told."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest


class Blobs(BaseHTTPRequestHandler):
    """A blob container: GET and PUT."""

    held: ClassVar = {}

    def do_GET(self):
        body = self.held.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def do_PUT(self):
        self.held[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def blobs():
    Blobs.held = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blobs)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def imported(standin, connect, blobs):
    """Runs an import of lines; returns client, job, and the lines of its log."""
    client = connect(standin)
    jobs = client._client.import_jobs

    def run(*lines):
        Blobs.held["/in"] = b"\n".join(json.dumps(line).encode() for line in lines)
        job = jobs.add("first", {"inputBlobUri": f"{blobs}/in", "outputBlobUri": f"{blobs}/out"})
        while job.status not in {"succeeded", "failed"}:
            time.sleep(0.02)
            job = jobs.get_by_id("first")
        return client, job, [json.loads(line) for line in Blobs.held.get("/out", b"").splitlines()]

    return run


def section(name):
    return {"Section": name}


HEADER = {"fileVersion": "1.0.0", "author": "test", "organization": "test"}


def test_a_file_of_models_twins_and_relationships_is_there_afterwards(imported, make):
    lines = [section("Header"), HEADER, section("Models"), *make.models, section("Twins")]
    lines += [
        {"$dtId": "p1", **make.pack()},
        {"$dtId": "c1", **make.cell(soh_pct=90.0)},
        section("Relationships"),
    ]
    lines += [{"$sourceId": "p1", "$relationshipId": "r", "$targetId": "c1", "$relationshipName": "hasCell"}]
    client, job, log = imported(*lines)
    assert (job.status, job.error) == ("succeeded", None)
    assert log == [{"details": {"modelsCreated": 4, "twinsCreated": 2, "relationshipsCreated": 1}}]
    assert client.get_relationship("p1", "r")["$targetId"] == "c1"
    assert [j.id for j in client._client.import_jobs.list()] == ["first"]
    client._client.import_jobs.delete("first")
    assert list(client._client.import_jobs.list()) == []


def test_a_refused_line_fails_the_job_and_is_told(imported, make):
    lines = [section("Header"), HEADER, section("Models"), *make.models, section("Twins")]
    lines += [{"$dtId": "bad", **make.cell(soh_pct="x")}, {"$dtId": "good", **make.cell()}]
    client, job, log = imported(*lines)
    assert job.status == "failed"
    assert log[0]["error"]["code"] == "ValidationFailed"
    assert client.get_digital_twin("good")["$dtId"] == "good"


@pytest.mark.parametrize("lines", [[{"$dtId": "c1"}], [section("Header"), {"fileVersion": "9"}], []])
def test_a_file_of_another_form_fails(imported, lines):
    _, job, _ = imported(*lines)
    assert job.status == ("failed" if lines else "succeeded")


def test_blobs_elsewhere_are_not_fetched(standin, connect, refused):
    jobs = connect(standin)._client.import_jobs
    far = {
        "inputBlobUri": "https://account.blob.core.windows.net/in",
        "outputBlobUri": "http://localhost/out",
    }
    assert refused(jobs.add, "j", far)[:2] == (400, "ValidationFailed")
    assert refused(jobs.get_by_id, "j")[:2] == (404, "ImportJobNotFound")


def test_everything_can_be_deleted_at_once(client, make):
    client.upsert_digital_twin("c1", make.cell())
    client._client.delete_jobs._add_initial()
    assert list(client.list_models()) == []
    assert list(client.query_twins("SELECT * FROM DIGITALTWINS")) == []
