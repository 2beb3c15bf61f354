"""Matrix: matrix-nio, with a loop, a store and a signed device of our own."""
