"""Who asked and what they said, kept from those who need not know; and who answered, kept from those who asked."""
