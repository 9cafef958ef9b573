"""Packets outside of any policy: made by hand, sent, and seen on a link."""
