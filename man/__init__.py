"""The manual: its hand-written parts, and `pages`, which makes the pages of them."""
