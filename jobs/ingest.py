"""`tunesmith ingest`, for `ray job submit`."""

from tunesmith.cli.ingest import main

if __name__ == "__main__":
    main()
