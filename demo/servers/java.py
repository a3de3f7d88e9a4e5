"""How the Java servers are run: one class path, a small heap, a quick start."""

from .checkout import CHECKOUT

JARS = CHECKOUT / "build" / "jars"


def java(main_class, *arguments, heap, folder, options=()):
    """The command line for a class of the jars that demo/install.sh downloaded; temporary files go into folder."""
    return ["java", f"-Xmx{heap}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
            f"-Djava.io.tmpdir={folder}",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", *options,
            "-classpath", f"{JARS}/*", main_class, *map(str, arguments)]
