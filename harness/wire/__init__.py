"""Packets that are made by hand, sent out of a link, and found again on links."""
