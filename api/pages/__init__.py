"""The pages: what people read and fill in, made of the same answers as programs get.

A page asks /v1 in the name of whoever reads it (`Visit.ask`), so it cannot show what an answer does
not say, nor to whom it would not be said.
"""
