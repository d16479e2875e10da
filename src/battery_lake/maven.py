"""Maven repositories as this machine is set up for them: mirrors, proxies, and fetching one file.

Knows no repository by itself: addresses come from the environment, from Maven's own settings, or
stay inside Maven and Ivy, which both know the public one.
"""

from __future__ import annotations

import base64
import fnmatch
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TRIES = 3
_TIMEOUT_S = 20
_SCHEMES = ("http", "https", "file")
_SERVED_BY_MIRROR = frozenset({"*", "central", "external:*"})
_TRY_LATER = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Proxy:
    """A proxy of Maven's settings.

    Attributes
    ----------
    url
        Its address, with user and password where it wants them.
    direct_hosts
        Patterns of hosts that are reached without it.
    """

    url: str
    direct_hosts: tuple[str, ...]


@dataclass(frozen=True)
class MavenSettings:
    """What matters here of Maven's settings files.

    Attributes
    ----------
    local_repository
        Maven's own store of what it has fetched.
    mirrors
        Addresses that stand in for the public repository, the user's own first.
    proxy
        The active proxy, if any.
    """

    local_repository: Path
    mirrors: tuple[str, ...]
    proxy: Proxy | None


def settings_files() -> list[Path]:
    """Return the places of Maven's settings, the user's own first; most do not exist."""
    homes = [os.environ[name] for name in ("MAVEN_HOME", "M2_HOME") if os.environ.get(name)]
    return [
        Path.home() / ".m2" / "settings.xml",
        *(Path(home) / "conf" / "settings.xml" for home in homes),
        Path("/usr/share/maven/conf/settings.xml"),
        Path("/etc/maven/settings.xml"),
    ]


def read_settings(files: Sequence[Path]) -> MavenSettings:
    """Read Maven's settings files; earlier files win, unreadable ones are passed over.

    Parameters
    ----------
    files
        Settings files, the user's own first.

    Returns
    -------
    MavenSettings
        What they say together.
    """
    roots = [root for root in map(_parse, files) if root is not None]
    stores = [text for root in roots if (text := _text(root, "localRepository"))]
    proxies = [proxy for root in roots for proxy in _proxies(root)]
    return MavenSettings(
        local_repository=Path(stores[0]) if stores else Path.home() / ".m2" / "repository",
        mirrors=tuple(dict.fromkeys(url for root in roots for url in _mirrors(root))),
        proxy=proxies[0] if proxies else None,
    )


def _parse(file: Path) -> ET.Element | None:
    """Return the root of a settings file, or None."""
    try:
        return ET.parse(file).getroot()  # noqa: S314 - the user's own settings, trusted as Maven trusts them
    except (OSError, ET.ParseError):
        return None


def _text(element: ET.Element, tag: str) -> str:
    """Return the text of a child in whatever namespace, placeholders filled in."""
    text = (element.findtext(f"{{*}}{tag}") or "").strip()
    text = text.replace("${user.home}", str(Path.home()))
    return re.sub(r"\$\{env\.(\w+)\}", lambda found: os.environ.get(found[1], ""), text)


def _mirrors(root: ET.Element) -> list[str]:
    """List the addresses of the mirrors that stand in for the public repository."""
    urls: list[str] = []
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        of = {part.strip() for part in _text(mirror, "mirrorOf").split(",")}
        if of & _SERVED_BY_MIRROR and "!central" not in of and _text(mirror, "blocked") != "true":
            urls.append(_text(mirror, "url"))
    return [url for url in urls if url]


def _proxies(root: ET.Element) -> list[Proxy]:
    """List the active proxies."""
    found: list[Proxy] = []
    for proxy in root.iterfind("{*}proxies/{*}proxy"):
        host, port = _text(proxy, "host"), _text(proxy, "port") or "8080"
        if not host or _text(proxy, "active") == "false":
            continue
        user, password = (urllib.parse.quote(_text(proxy, tag), safe="") for tag in ("username", "password"))
        login = f"{user}:{password}@" if user else ""
        direct = tuple(part for part in _text(proxy, "nonProxyHosts").split("|") if part)
        found.append(Proxy(f"http://{login}{host}:{port}", direct))
    return found


def download(url: str, target: Path, proxy: Proxy | None = None, *, pause_s: float = 1.0) -> None:
    """Fetch one file, trying again where the server or the way to it failed.

    Proxies and certificate authorities of the environment are respected.

    Parameters
    ----------
    url
        http, https or file address; user and password in it are sent as basic authentication.
    target
        File to write.
    proxy
        Proxy to use where the environment names none.
    pause_s
        Wait before the second try, doubled before each further one. [s]

    Raises
    ------
    OSError
        If the file cannot be had; the message says why.
    """
    if urllib.parse.urlsplit(url).scheme not in _SCHEMES:
        raise OSError(f"{url} is not an http, https or file address")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(_proxies_for(url, proxy)))
    request = _request(url)
    for attempt in range(1, TRIES + 1):
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as answer, target.open("wb") as file:
                shutil.copyfileobj(answer, file)
        except OSError as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code not in _TRY_LATER
            if refused or attempt == TRIES:
                raise
            time.sleep(pause_s * 2 ** (attempt - 1))
        else:
            return


def without_login(url: str) -> str:
    """Return an address without user and password.

    Parameters
    ----------
    url
        Any address.

    Returns
    -------
    str
        The same address, fit to be shown and to be asked.
    """
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _request(url: str) -> urllib.request.Request:
    """Make the request for an address; urllib by itself takes user and password for the host."""
    request = urllib.request.Request(without_login(url))  # noqa: S310 - the scheme is checked by the caller
    login, at, _ = urllib.parse.urlsplit(url).netloc.rpartition("@")
    if at:
        token = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _proxies_for(url: str, proxy: Proxy | None) -> dict[str, str] | None:
    """Choose the proxies for an address; None leaves the choice to the environment."""
    parts = urllib.parse.urlsplit(url)
    named = urllib.request.getproxies()
    if proxy is None or parts.scheme in named or "all" in named:
        return None
    if any(fnmatch.fnmatch(parts.hostname or "", pattern) for pattern in proxy.direct_hosts):
        return None
    return {parts.scheme: proxy.url}
