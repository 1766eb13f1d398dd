"""`tunesmith tune`, for `ray job submit`."""

from tunesmith.cli.tune import main

if __name__ == "__main__":
    main()
