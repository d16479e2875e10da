"""What all requests have in common: tokens, versions, throttling, faults, and a folder that survives."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)

from battery_lake.errors import SettingsError, SetupError
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.local.twins.errors import ServiceError
from battery_lake.local.twins.rates import PER_SECOND, Rates

PATCH = [{"op": "replace", "path": "/soh_pct", "value": 80.0}]


def test_no_token_and_an_old_token_are_refused(standin, connect):
    for token in ("text", "e30.eyJleHAiOjF9."):
        with pytest.raises(ClientAuthenticationError):
            list(connect(standin, token=token).list_models())


def test_the_sdk_sends_nothing_to_a_server_that_it_does_not_trust(standin, connect):
    stranger = connect(standin, trusts=False)
    with pytest.raises(ServiceRequestError, match="CERTIFICATE_VERIFY_FAILED"):
        list(stranger.list_models())


def test_a_version_that_nobody_knows_is_refused(standin, connect):
    with pytest.raises(HttpResponseError, match="UnsupportedApiVersion"):
        list(connect(standin, api_version="1999-01-01").list_models())


def test_throttling_tells_how_long_to_wait_and_does_nothing(standin, client, make):
    client.upsert_digital_twin("c1", make.cell(soh_pct=90.0))
    standin.faults.put("throttle", retry_after_s=2)
    with pytest.raises(HttpResponseError) as told:
        client.update_digital_twin("c1", PATCH)
    assert told.value.status_code == 429
    assert told.value.response.headers["Retry-After"] == "2"
    assert client.get_digital_twin("c1")["soh_pct"] == 90.0


@pytest.mark.parametrize("kind", ["unavailable", "error", "cut"])
def test_a_fault_before_the_work_leaves_it_undone(standin, client, make, kind):
    client.upsert_digital_twin("c1", make.cell(soh_pct=90.0))
    standin.faults.put(kind)
    with pytest.raises(AzureError):
        client.update_digital_twin("c1", PATCH)
    assert client.get_digital_twin("c1")["soh_pct"] == 90.0


@pytest.mark.parametrize("kind", ["lost", "half"])
def test_a_fault_after_the_work_hides_that_it_was_done(standin, client, make, kind):
    client.upsert_digital_twin("c1", make.cell(soh_pct=90.0))
    standin.faults.put(kind)
    with pytest.raises((AzureError, ValueError, OSError)):
        client.upsert_digital_twin("c1", make.cell(soh_pct=80.0))
    assert client.get_digital_twin("c1")["soh_pct"] == 80.0
    assert standin.faults.met == 1


def test_the_sdks_own_retries_outlast_a_storm(standin, connect, make):
    client = connect(standin, retry_total=30, retry_backoff_factor=0.01, retry_backoff_max=0.02)
    client.create_models(make.models)
    standin.faults.storm(0.4, seed=1)
    for number in range(40):
        client.upsert_digital_twin("c1", make.cell(soh_pct=float(number)))
    standin.faults.storm(0.0)
    assert client.get_digital_twin("c1")["soh_pct"] == 39.0
    assert standin.faults.met > 5


def test_published_rates_are_enforced():
    at_s = 0.0
    rates = Rates(is_enforced=True, now_s=lambda: at_s)
    for number in range(PER_SECOND["patch"]):
        rates.check("patch", f"t{number}")
    with pytest.raises(ServiceError, match="rate limit") as told:
        rates.check("patch", "another")
    assert told.value.status == 429
    at_s = 1.0
    for _ in range(PER_SECOND["one"]):
        rates.check("patch", "t1")
    with pytest.raises(ServiceError):
        rates.check("patch", "t1")
    rates.check("patch", "t2")
    assert rates.refused == 2


def test_a_folder_in_use_and_a_port_in_use_are_told(standin, tmp_path):
    with pytest.raises(SettingsError, match="cannot be used"):
        DigitalTwinsStandIn(tmp_path / "twins")
    with pytest.raises(SetupError, match="cannot listen"):
        DigitalTwinsStandIn(tmp_path / "other", port=standin.port)


SERVE = """
import sys, time
from battery_lake.local.twins import DigitalTwinsStandIn
standin = DigitalTwinsStandIn(sys.argv[1], port=int(sys.argv[2]))
print(standin.token, flush=True)
time.sleep(600)
"""


def test_what_was_answered_survives_a_kill(tmp_path, connect, make):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, str(tmp_path / "twins"), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        token = process.stdout.readline().strip()

        class Running:
            endpoint, certificate = f"https://localhost:{port}", tmp_path / "twins" / "certificate.pem"

        Running.token = token
        client = connect(Running)
        client.create_models(make.models)
        answered = 0
        began = time.monotonic()
        while time.monotonic() - began < 0.5:
            client.upsert_digital_twin(f"c{answered}", make.cell(soh_pct=float(answered)))
            answered += 1
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    with DigitalTwinsStandIn(tmp_path / "twins") as again:
        found = list(connect(again).query_twins("SELECT * FROM DIGITALTWINS"))
    assert answered > 0
    assert [twin["soh_pct"] for twin in found] == [float(n) for n in range(answered)]
