"""`tunesmith promote`, for `ray job submit`."""

from tunesmith.cli.promote import main

if __name__ == "__main__":
    main()
