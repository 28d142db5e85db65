"""The detection benchmark: `python benchmarks/detection [--only ID ...] [--zoo] [--json FILE]`. See README.md."""

from run import main

main()
