from __future__ import annotations

import base64
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from battery_lake import maven

if TYPE_CHECKING:
    from conftest import Repository

SETTINGS = """<?xml version="1.0"?>
<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0">{body}</settings>
"""


def settings_of(folder: Path, *bodies: str) -> maven.MavenSettings:
    files = [folder / f"{number}.xml" for number in range(len(bodies))]
    for file, body in zip(files, bodies, strict=True):
        file.write_text(SETTINGS.format(body=body), "utf-8")
    return maven.read_settings(files)


def mirror(of: str, url: str, more: str = "") -> str:
    return f"<mirror><id>m</id><mirrorOf>{of}</mirrorOf><url>{url}</url>{more}</mirror>"


def test_only_mirrors_of_the_public_repository_count(machine: Path) -> None:
    body = "".join([
        mirror("*", "http://all.test/"),
        mirror("central", "http://central.test/"),
        mirror("external:*, !intern", "http://external.test/"),
        mirror("*,!central", "http://not-central.test/"),
        mirror("spring", "http://other.test/"),
        mirror("*", "http://blocked.test/", "<blocked>true</blocked>"),
    ])
    found = settings_of(machine, f"<mirrors>{body}</mirrors>").mirrors
    assert found == ("http://all.test/", "http://central.test/", "http://external.test/")


def test_the_users_settings_win_over_the_machines(machine: Path) -> None:
    users = f"<localRepository>/users</localRepository><mirrors>{mirror('*', 'http://users.test')}</mirrors>"
    machines = f"<localRepository>/its</localRepository><mirrors>{mirror('*', 'http://its.test')}</mirrors>"
    found = settings_of(machine, users, machines)
    assert found.local_repository == Path("/users")
    assert found.mirrors == ("http://users.test", "http://its.test")


def test_settings_without_a_namespace_and_with_placeholders_are_read(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPO_HOST", "repo.test")
    file = machine / "settings.xml"
    file.write_text(
        "<settings><localRepository>${user.home}/store</localRepository>"
        f"<mirrors>{mirror('*', 'http://${env.REPO_HOST}/m')}</mirrors></settings>",
        "utf-8",
    )
    found = maven.read_settings([file])
    assert found.local_repository == machine / "home" / "store"
    assert found.mirrors == ("http://repo.test/m",)


def test_missing_and_broken_settings_are_passed_over(machine: Path) -> None:
    (machine / "broken.xml").write_text("<settings>", "utf-8")
    found = maven.read_settings([machine / "missing.xml", machine / "broken.xml"])
    assert found == maven.MavenSettings(machine / "home" / ".m2" / "repository", (), None)


def test_the_first_active_proxy_is_taken_with_its_exceptions(machine: Path) -> None:
    off = "<proxy><active>false</active><host>off.test</host></proxy>"
    on = (
        "<proxy><host>proxy.test</host><port>3128</port><username>u</username><password>p@s</password>"
        "<nonProxyHosts>localhost|*.corp.test</nonProxyHosts></proxy>"
    )
    found = settings_of(machine, f"<proxies>{off}{on}</proxies>").proxy
    assert found == maven.Proxy("http://u:p%40s@proxy.test:3128", ("localhost", "*.corp.test"))


def test_a_download_goes_through_the_proxy_of_the_settings(machine: Path, repository: Repository) -> None:
    repository.files["http://far.test/a.jar"] = b"through the proxy"
    target = machine / "a.jar"
    maven.download("http://far.test/a.jar", target, maven.Proxy(repository.url, ("127.*",)))
    assert target.read_bytes() == b"through the proxy"


def test_hosts_excepted_from_the_proxy_are_reached_directly(machine: Path, repository: Repository) -> None:
    repository.files["/a.jar"] = b"direct"
    nowhere = maven.Proxy("http://127.0.0.1:9", ("127.*",))
    maven.download(f"{repository.url}/a.jar", machine / "a.jar", nowhere)
    assert (machine / "a.jar").read_bytes() == b"direct"


def test_a_server_that_stumbles_is_asked_again(machine: Path, repository: Repository) -> None:
    repository.files["/a.jar"] = b"at last"
    repository.failures = [503, 429]
    maven.download(f"{repository.url}/a.jar", machine / "a.jar", pause_s=0.0)
    assert (machine / "a.jar").read_bytes() == b"at last"
    assert len(repository.asked) == maven.TRIES


def test_a_server_that_keeps_failing_is_given_up(machine: Path, repository: Repository) -> None:
    repository.failures = [500] * 9
    with pytest.raises(urllib.error.HTTPError):
        maven.download(f"{repository.url}/a.jar", machine / "a.jar", pause_s=0.0)
    assert len(repository.asked) == maven.TRIES


def test_a_refusal_is_final(machine: Path, repository: Repository) -> None:
    with pytest.raises(urllib.error.HTTPError):
        maven.download(f"{repository.url}/none.jar", machine / "a.jar")
    assert len(repository.asked) == 1


def test_user_and_password_are_sent_and_not_shown(machine: Path, repository: Repository) -> None:
    repository.files["/a.jar"] = b"for members"
    url = repository.url.replace("//", "//me:p%40ss@")
    maven.download(f"{url}/a.jar", machine / "a.jar")
    assert repository.logins == ["Basic " + base64.b64encode(b"me:p@ss").decode()]
    assert maven.without_login(url) == repository.url


def test_only_web_and_file_addresses_are_opened(machine: Path) -> None:
    with pytest.raises(OSError, match="not an http"):
        maven.download("ftp://somewhere.test/a.jar", machine / "a.jar")
