"""`python -m lizi` is `lizi`."""

from __future__ import annotations

from lizi.cli import main

if __name__ == "__main__":
    main()
