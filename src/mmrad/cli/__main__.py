"""`python -m mmrad.cli`."""

from mmrad.cli import main

main()
