"""The wall: the only place with sockets, disk, clock and processes."""
