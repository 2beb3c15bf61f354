"""`preau` whose broadcasts are made a few deliveries at a time.

So kills come between two slices without tens of thousands of recipients.
"""

from storage import following

following.SLICE = 90  # before those who use it are imported

if __name__ == "__main__":
    from bot.__main__ import main

    main()
