"""`tunesmith datasets`, for `ray job submit`."""

from tunesmith.cli.datasets import main

if __name__ == "__main__":
    main()
