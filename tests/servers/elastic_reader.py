"""What Elasticsearch reads lifecycle policies and roles with: the classes of its own published `x-pack-core`.

The parts that do the work (the plugins of ILM and of security) are in no package registry; `x-pack-core`, where their
requests are read and checked and where a role's rights are decided on, is. ``ask`` runs this file as a process of its
own, since a process can start one JVM only: ``python -m servers.elastic_reader`` takes what is asked as JSON on its
standard input. Of 8.19.5 there is no `x-pack-core`: 8.19.4's does its work on 8.19.5's server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipi_es.extras import DEMO, require
from ipi_es.node.jars import ensure_jars, read_jar_list
from servers.elasticsearch import find_jdk, libjvm

PATIENCE = 120.0
"""Seconds for a JVM to start and read some documents, on a machine that has other things to do."""

NATIVE = "--enable-native-access=ALL-UNNAMED"
ILM = "org.elasticsearch.xpack.core.ilm."
AUTHZ = "org.elasticsearch.xpack.core.security.authz."
XCONTENT = "org.elasticsearch.xcontent."


@dataclass(frozen=True)
class Read:
    """What became of one body: as the server would store it, or why it was refused."""

    stored: dict[str, Any] | None
    refused: str = ""


@dataclass(frozen=True)
class Asked:
    """One question: may who has all of these roles do ``action``, on ``index`` (None: on the cluster)?"""

    roles: tuple[str, ...]
    action: str
    index: str | None = None


@dataclass(frozen=True)
class Answers:
    """In the order in which it was asked."""

    policies: list[Read]
    roles: list[Read]
    granted: list[bool]


def jars_of(version: str) -> list[Path]:
    """The server's jars and `x-pack-core`. NodeError: they can't be had."""
    require("the local server", DEMO)
    here = Path(__file__)
    server = read_jar_list(here.with_name("jars.json"), f"elasticsearch-{version}")
    return ensure_jars([*server, *read_jar_list(here.with_name("elastic_jars.json"), f"x-pack-{version}")])


def ask(version: str, policies: list[Any], roles: dict[str, Any], questions: list[Asked]) -> Answers:
    """Let Elasticsearch's classes read bodies of ``PUT _ilm/policy/…`` and ``PUT _security/role/…``.

    Raises:
        NoJdk: no fitting JDK.
        NodeError: the classes can't be had.
    """
    asked = {
        "jvm": str(libjvm(find_jdk())),
        "jars": [str(each) for each in jars_of(version)],
        "policies": policies,
        "roles": roles,
        "questions": [[each.roles, each.action, each.index] for each in questions],
    }
    done = subprocess.run(
        [sys.executable, "-m", "servers.elastic_reader"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)},
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    policies_read, roles_read = ([Read(*each) for each in answer[name]] for name in ("policies", "roles"))
    return Answers(policies_read, roles_read, answer["granted"])


def main() -> None:
    """Be the process."""
    import jpype

    asked = json.load(sys.stdin)
    jpype.startJVM(asked["jvm"], "-Xmx256m", "-Xrs", "-XX:+UseSerialGC", NATIVE, classpath=asked["jars"])
    reader = _Reader(jpype)
    roles = {name: reader.role(name, body) for name, body in asked["roles"].items()}
    answer = {
        "policies": [reader.policy(body) for body in asked["policies"]],
        "roles": [read for _, *read in roles.values()],
        "granted": [
            any(reader.granted(roles[name][0], action, index) for name in names)
            for names, action, index in asked["questions"]
        ],
    }
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)


class _Reader:
    """The classes' own reading, checking and writing."""

    def __init__(self, jpype: Any) -> None:
        self._jpype, self._class = jpype, jpype.JClass
        log, empty = self._class("org.elasticsearch.common.logging.LogConfigurator"), self._settings()
        log.setNodeName("ipi-es")
        log.configureWithoutConfig(empty)
        names = self._class("java.util.ArrayList")()
        names.add(self._named("LifecycleType", "timeseries", lambda _: self._ilm("TimeseriesLifecycleType").INSTANCE))
        names.add(self._named("LifecycleAction", "delete", lambda parser: self._ilm("DeleteAction").parse(parser)))
        registry = self._class(f"{XCONTENT}NamedXContentRegistry")(names)
        strict = self._class(f"{XCONTENT}DeprecationHandler").THROW_UNSUPPORTED_OPERATION
        plain = self._class(f"{XCONTENT}XContentParserConfiguration").EMPTY
        self._config = plain.withRegistry(registry).withDeprecationHandler(strict)
        self._json = self._class(f"{XCONTENT}json.JsonXContent")

    def policy(self, body: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        """As the handler of ``PUT _ilm/policy/…`` does it, with what the node that keeps it checks."""
        request, zero = self._ilm("action.PutLifecycleRequest"), self._class("org.elasticsearch.core.TimeValue").ZERO
        how = {"getPolicyName": lambda: "ipi-es-results", "create": lambda policy: request(zero, zero, policy)}
        factory = self._jpype.JProxy(f"{ILM}action.PutLifecycleRequest$Factory", dict=how)
        try:
            found = request.parseRequest(factory, self._parser(body))
            found.getPolicy().validate()
            problem = found.validate()
            return (self._written(found.getPolicy()), "") if problem is None else (None, str(problem))
        except self._jpype.JException as problem:
            return None, self._why(problem)

    def role(self, name: str, body: dict[str, Any]) -> tuple[Any, dict[str, Any] | None, str]:
        """As the handler of ``PUT _security/role/…`` does it; a right that it doesn't know is refused too."""
        roles = self._class(f"{AUTHZ}permission.Role")
        cache = self._class(f"{AUTHZ}permission.FieldPermissionsCache")(self._settings())
        nothing = self._class("org.apache.lucene.util.automaton.Automata").makeEmpty()
        restricted = self._class(f"{AUTHZ}RestrictedIndices")(nothing)
        descriptor = self._class(f"{AUTHZ}RoleDescriptor")
        try:
            found = descriptor.parserBuilder().allowDescription(True).build().parse(name, self._parser(body))
            return roles.buildFromRoleDescriptor(found, cache, restricted), self._written(found), ""
        except self._jpype.JException as problem:
            return None, None, self._why(problem)

    def granted(self, role: Any, action: str, index: str | None) -> bool:
        """Whether a role allows an action."""
        if index is None:
            return bool(role.cluster().privileges().stream().anyMatch(self._allows(action)))
        automaton = role.allowedActionsMatcher(index)
        run = self._class("org.apache.lucene.util.automaton.CharacterRunAutomaton")(automaton)
        return bool(run.run(action))

    def _allows(self, action: str) -> Any:
        permission = self._class(f"{AUTHZ}permission.ClusterPermission")

        def test(privilege: Any) -> bool:
            return bool(privilege.buildPermission(permission.builder()).build().check(action, None, None))

        return self._jpype.JProxy("java.util.function.Predicate", dict={"test": test})

    def _ilm(self, name: str) -> Any:
        return self._class(ILM + name)

    def _settings(self) -> Any:
        return self._class("org.elasticsearch.common.settings.Settings").EMPTY

    def _named(self, category: str, name: str, read: Any) -> Any:
        parse = self._jpype.JProxy("org.elasticsearch.core.CheckedFunction", dict={"apply": read})
        field = self._class(f"{XCONTENT}ParseField")(name)
        return self._class(f"{XCONTENT}NamedXContentRegistry$Entry")(self._ilm(category).class_, field, parse)

    def _parser(self, body: dict[str, Any]) -> Any:
        return self._json.jsonXContent.createParser(self._config, json.dumps(body))

    def _written(self, found: Any) -> dict[str, Any]:
        builder = self._json.contentBuilder()
        found.toXContent(builder, self._class(f"{XCONTENT}ToXContent").EMPTY_PARAMS)
        read: dict[str, Any] = json.loads(str(self._class("org.elasticsearch.common.Strings").toString(builder)))
        return read

    def _why(self, problem: Any) -> str:
        said = []
        while problem is not None:
            said.append(str(problem.getMessage()))
            problem = problem.getCause()
        return ": ".join(said)


if __name__ == "__main__":
    main()
