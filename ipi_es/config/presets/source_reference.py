"""The page on sources, from the presets: ``python -m ipi_es.config.presets.source_reference > docs/sources.md``."""

from __future__ import annotations

from ipi_es.config.presets.preset import Preset, load_preset, preset_names

HEAD = """# Sources of sign-ins

`ipi-es job create NAME --from SOURCE` writes a commented job file for each of these logs. It asks the cluster whether
the indices have the fields, and chooses the variant that fits: an integration's older and newer versions differ, and so
do the documents that the vendor itself writes. Look at the file, then run `ipi-es check`. Add a source by one file in
`ipi_es/config/presets/sources/`. Each variant was run on a real server: [what was measured](sources-checked.md).

```
ipi-es job create staff-sign-ins --from okta
ipi-es check jobs/staff-sign-ins.yml
```

A log that arrives as plain text, without a pipeline of the shipper, must be parsed first. For sshd's lines in
`message`, `ipi-es parse sshd --index 'filebeat-*'` puts an ingest pipeline (`templates/pipelines/ipi-es-sshd.yml`),
for new lines and for those that are there.

| source | log | entity | variant: entity field, address field, indices |
|---|---|---|---|
"""


def render() -> str:
    """Return the page as Markdown."""
    presets = {name: load_preset(name) for name in preset_names()}
    usable = {name: preset for name, preset in presets.items() if preset.refused is None}
    refused = [f"- `{name}`: {preset.refused}\n" for name, preset in presets.items() if preset.refused is not None]
    rows = [
        f"| `{name}` | {preset.title} | {preset.entity} | {_variants(preset)} |\n" for name, preset in usable.items()
    ]
    details = [_details(name, preset) for name, preset in usable.items()]
    return HEAD + "".join(rows) + "\n## No sources\n" + "".join(refused) + "\n## Pitfalls\n" + "".join(details)


def _variants(preset: Preset) -> str:
    found = []
    for variant in preset.variants:
        job = variant.made("job")
        indices = ", ".join(f"`{each}`" for each in variant.indices)
        found.append(f"{variant.name}: `{job.entity_field}`, `{job.ip_field}`, {indices}")
    return "; ".join(found)


def _details(name: str, preset: Preset) -> str:
    of_variants = (f"{variant.name}: {each}" for variant in preset.variants for each in variant.pitfalls)
    said = [*preset.pitfalls, *of_variants, *(f"Evidence: {each}" for each in preset.evidence)]
    return f"\n### {name}\n" + "".join(f"- {each.strip()}\n" for each in said)


if __name__ == "__main__":
    import sys

    sys.stdout.write(render())
