"""`tunesmith watch`, for `ray job submit`."""

from tunesmith.cli.watch import main

if __name__ == "__main__":
    main()
