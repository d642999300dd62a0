"""Elasticsearch in this process, by its Java API: what the child of a test's Elasticsearch runs.

``python -m servers.elasticsearch_child SPEC``, with ``jvm`` and ``version`` among the options of the spec.
The published artifacts make a bare server: no painless, no ingest, no lifecycle management, no security.
"""

from __future__ import annotations

import ctypes.util
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

from ipi_es.node import child
from ipi_es.node.child import Running, Spec, jvm_options

TRANSPORT = "transport-netty4"
DESCRIPTOR = f"META-INF/es-plugins/{TRANSPORT}/plugin-descriptor.properties"
CLOSE_SECONDS = 10


def is_transport(jar: Path) -> bool:
    """Tell whether a jar belongs to the transport's own module directory, not to the server's module path."""
    return jar.name.startswith(("netty-", "transport-netty4-", "elasticsearch-ssl-config-"))


def lay_out(home: Path, jars: list[Path]) -> None:
    """Make the server's home: config, the transport's module with its descriptor, and the native library."""
    (home / "config").mkdir(parents=True, exist_ok=True)
    module = home / "modules" / TRANSPORT
    module.mkdir(parents=True, exist_ok=True)
    for jar in jars:
        if is_transport(jar):
            shutil.copyfile(jar, module / jar.name)
        if jar.name.startswith("transport-netty4-"):
            with zipfile.ZipFile(jar) as archive:
                (module / Path(DESCRIPTOR).name).write_bytes(archive.read(DESCRIPTOR))
    native = home / "lib" / "platform" / "linux-x64"
    native.mkdir(parents=True, exist_ok=True)
    if not (native / "libzstd.so").exists():
        (native / "libzstd.so").symlink_to(system_zstd())


def system_zstd() -> Path:
    """Find the system's libzstd, which the server uses for compression."""
    name = ctypes.util.find_library("zstd") or "libzstd.so.1"
    for folder in ("/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib"):
        if (path := Path(folder) / name).exists():
            return path.resolve()
    raise RuntimeError("libzstd.so.1 was not found: Elasticsearch needs it (package libzstd1 or zstd)")


def settings(spec: Spec) -> dict[str, str]:
    home = Path(spec.data_dir)
    return {
        "cluster.name": "ipi-es-tests",
        "node.name": "ipi-es",
        "path.home": str(home),
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.type": "netty4",
        "http.port": str(spec.http_port),
        "transport.type": "netty4",
        "transport.port": "0",
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }


def start(spec: Spec) -> Running:
    import jpype

    home = Path(spec.data_dir)
    jars = [Path(jar) for jar in spec.jars]
    lay_out(home, jars)
    modules = ["jdk.net", "org.elasticsearch.server"]
    old = spec.options["version"].startswith("8.")
    if old:
        modules.append("jdk.management.agent")
    jpype.startJVM(
        spec.options["jvm"],
        *jvm_options(spec.heap),
        "--module-path=" + ":".join(str(jar) for jar in jars if not is_transport(jar)),
        "--add-modules=" + ",".join(modules),
        f"-Des.nativelibs.path={home / 'lib' / 'platform' / 'linux-x64'}",
        f"-Des.path.home={home}",
        interrupt=False,
    )
    node = _node(jpype, home, settings(spec), old=old)
    node.start()
    transport = jpype.JClass("org.elasticsearch.http.HttpServerTransport")
    port = int(node.injector().getInstance(transport.class_).boundAddress().publishAddress().getPort())
    return Running(http_port=port, close=lambda: _close(jpype, node))


def _node(jpype: Any, home: Path, values: dict[str, str], *, old: bool) -> Any:
    path = jpype.JClass("java.nio.file.Path")
    builder = jpype.JClass("org.elasticsearch.common.settings.Settings").builder()
    for key, value in values.items():
        builder.put(key, value)
    built = builder.build()
    log = jpype.JClass("org.elasticsearch.common.logging.LogConfigurator")
    log.setNodeName("ipi-es")
    log.configureWithoutConfig(built)
    environment = jpype.JClass("org.elasticsearch.env.Environment")(built, path.of(str(home / "config")))
    loader = jpype.JClass("org.elasticsearch.plugins.PluginsLoader")
    modules = path.of(str(home / "modules"))
    bundles = loader.loadModulesBundles(modules) if old else loader.loadModulesBundles(modules, False)
    empty = jpype.JClass("java.util.Collections")
    plugins = loader.createPluginsLoader(bundles, empty.emptySet(), empty.emptyMap())
    return jpype.JClass("org.elasticsearch.node.Node")(environment, plugins)


def _close(jpype: Any, node: Any) -> None:
    node.close()
    node.awaitClose(CLOSE_SECONDS, jpype.JClass("java.util.concurrent.TimeUnit").SECONDS)


if __name__ == "__main__":
    child.run(Path(sys.argv[1]), start)
