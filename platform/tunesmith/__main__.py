"""``python -m tunesmith``: the `tunesmith` command where its script is not on the path."""

from tunesmith.cli.main import main

if __name__ == "__main__":
    main(prog_name="tunesmith")
