"""What proves that the log was never rewritten: a Merkle tree over it, checkpoints, proofs.

Read `leaves` (what is proven of an event), `merkle` (how), `notes` (who says so), then `follower`.
"""
