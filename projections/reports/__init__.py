"""What management came for: several sums of the books side by side, and estimates.

A report of (as_of, position) reads no event that was recorded after the position or holds only
after the day. What is a sum of the books is exact; what is an estimate is a float, says from how
many cases it was made, and is never written into the books.
"""
