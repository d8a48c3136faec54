"""The steps that make a plan, one file each: decide, lay out, connect, fill in, describe."""
