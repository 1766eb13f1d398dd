"""`tunesmith rollback`, for `ray job submit`."""

from tunesmith.cli.rollback import main

if __name__ == "__main__":
    main()
