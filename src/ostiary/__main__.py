"""``python -m ostiary``."""

from ostiary.entrypoints.cli.main import main

if __name__ == "__main__":
    main()
