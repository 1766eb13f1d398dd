"""`tunesmith history`, for `ray job submit`."""

from tunesmith.cli.history import main

if __name__ == "__main__":
    main()
