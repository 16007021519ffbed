"""The three-minute proof: real processes, real sockets, real kills."""
