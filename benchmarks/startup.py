"""How much longer than a bare interpreter `import mmrad` and `mmrad --help` take to start.

    python benchmarks/startup.py

Prints medians of interleaved runs and their ratios to the interpreter alone.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "bare interpreter": ("-c", "pass"),
    "import mmrad": ("-c", "import mmrad"),
    "mmrad --help": ("-m", "mmrad.cli", "--help"),
}


def main() -> None:
    """Start each command in turn, several times."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, arguments in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - begun)
    bare = statistics.median(seconds["bare interpreter"])
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name}: {1000 * median:.0f} ms, {median / bare:.1f} x")


if __name__ == "__main__":
    main()
