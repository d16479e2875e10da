"""Secrets behind ``secret:scope/key``, fetched by the real SDK over a real socket."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from battery_lake.errors import RemoteError, SettingsError
from battery_lake.vault import secret_text

SECRET = "Endpoint=sb://hub/;SharedAccessKey=abc="


class Vault(BaseHTTPRequestHandler):
    """Gives one secret, as the REST API of secrets does."""

    def do_GET(self):
        given = self.path == "/api/2.0/secrets/get?key=hub&scope=battery"
        body = {"key": "hub", "value": base64.b64encode(SECRET.encode()).decode()}
        refusal = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such secret"}
        text = json.dumps(body if given else refusal).encode()
        self.send_response(200 if given else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def workspace(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("DATABRICKS_TOKEN", "token")
    yield
    server.shutdown()
    server.server_close()


def test_a_text_is_itself():
    assert secret_text(SecretStr("Endpoint=sb://hub/")) == "Endpoint=sb://hub/"
    assert not secret_text(SecretStr(""))


@pytest.mark.usefixtures("workspace")
def test_a_named_secret_comes_from_the_workspace():
    assert secret_text(SecretStr("secret:battery/hub")) == SECRET


@pytest.mark.usefixtures("workspace")
def test_a_secret_that_is_not_there_is_said_by_name_only():
    with pytest.raises(RemoteError, match="secret:battery/other") as caught:
        secret_text(SecretStr("secret:battery/other"))
    assert caught.value.why == "no such secret"


@pytest.mark.parametrize("text", ["secret:", "secret:battery", "secret:/key", "secret:battery/"])
def test_half_a_name_is_refused(text):
    with pytest.raises(SettingsError, match="names no secret"):
        secret_text(SecretStr(text))
