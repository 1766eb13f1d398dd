"""`tunesmith reproduce`, for `ray job submit`."""

from tunesmith.cli.reproduce import main

if __name__ == "__main__":
    main()
