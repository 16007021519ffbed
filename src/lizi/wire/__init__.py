"""Bytes to values and back, on the side of the device. Pure: no sockets, no clock."""
