"""`tunesmith score`, for `ray job submit`."""

import sys

from tunesmith.cli.main import main

if __name__ == "__main__":
    main(["score", *sys.argv[1:]], prog_name="tunesmith")
