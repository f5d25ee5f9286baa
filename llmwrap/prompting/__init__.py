"""What is asked, put together: words, files, images, options, filled templates.

Asks nobody.
"""
