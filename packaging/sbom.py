#!/usr/bin/env python3
"""What the programs that are built stand on, as a CycloneDX bill of materials on standard output.

    packaging/sbom.py PROGRAM ...

Libraries are those that the loader would find now; their packages and versions
come from dpkg, the licences of those that are linked with directly from
docs/dependencies.md, which must list each of them.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def libraries(program):
    """Paths of all shared libraries that a program needs, and the names of those it names itself."""
    paths = {Path(path).name: Path(path).resolve() for path in re.findall(r"=> (/\S+)", output("ldd", program))}
    named = re.findall(r"NEEDED.*\[(.+?)\]", output("readelf", "-dW", program))
    return paths, [name for name in named if name in paths]


def packages_of(paths):
    """{path: (name, version, source)} of the Debian packages that files belong to."""
    # dpkg may know a file from before /usr was merged
    places = {place: path for path in paths for place in (str(path), str(path).removeprefix("/usr"))}
    owners = {places[place]: name for name, place in
              (line.split(": ") for line in output("dpkg-query", "--search", *{path.name for path in paths}).splitlines())
              if place in places}
    if missing := set(paths) - set(owners):
        sys.exit(f"{missing} belong to no Debian package")
    facts = output("dpkg-query", "-W", "-f", "${binary:Package}\t${Package}\t${Version}\t${source:Package}\n", *set(owners.values()))
    known = {line.split("\t")[0]: tuple(line.split("\t")[1:]) for line in facts.splitlines()}
    return {path: known[name] for path, name in owners.items()}


def licences():
    table = re.findall(r"^\| `(\S+)` \| (\S+) \|", (CHECKOUT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    return dict(table)


def version():
    return json.loads((CHECKOUT / "META.json").read_text())["version"]


def component(name, number, source, licence):
    entry = {"type": "library", "bom-ref": name, "name": name, "version": number,
             "purl": f"pkg:deb/debian/{name}@{number}?upstream={source}"}
    if licence:
        entry["licenses"] = [{"license": {"id": licence}}]
    return entry


def bill(programs):
    """The bill, and the packages that are linked with directly but not documented."""
    known, found, dependencies, missing = licences(), {}, [], set()
    for program in programs:
        paths, named = libraries(program)
        packages = packages_of(set(paths.values()))
        found.update({fact[0]: fact for fact in packages.values()})
        direct = sorted({packages[paths[name]][0] for name in named})
        missing |= set(direct) - set(known)
        dependencies.append({"ref": Path(program).name, "dependsOn": direct})
    components = [component(*found[name], known.get(name)) for name in sorted(found)]
    components += [{"type": "application", "bom-ref": Path(program).name, "name": Path(program).name, "version": version(),
                    "licenses": [{"license": {"id": "PostgreSQL"}}]} for program in programs]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {"component": {"type": "application", "bom-ref": "topk", "name": "topk", "version": version()}},
            "components": components, "dependencies": dependencies}, sorted(missing)


def main(programs):
    text, missing = bill(programs)
    json.dump(text, sys.stdout, indent=2)
    print()
    if missing:
        sys.exit(f"docs/dependencies.md does not list {', '.join(missing)}")


if __name__ == "__main__":
    main(sys.argv[1:])
