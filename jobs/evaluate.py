"""`tunesmith evaluate`, for `ray job submit`."""

from tunesmith.cli.evaluate import main

if __name__ == "__main__":
    main()
