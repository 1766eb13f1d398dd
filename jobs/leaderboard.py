"""`tunesmith leaderboard`, for `ray job submit`."""

from tunesmith.cli.leaderboard import main

if __name__ == "__main__":
    main()
