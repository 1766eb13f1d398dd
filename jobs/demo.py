"""`tunesmith demo`, for `ray job submit`."""

from tunesmith.cli.demo import main

if __name__ == "__main__":
    main()
