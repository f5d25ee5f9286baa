"""Chats: one conversation with a model, and the three fronts that show it.

    talk                 asks on a thread, and takes what comes under a lock
    room                 what a line means: a question, or a /command of slash
    plain                line in, answer out: pipes, dumb terminals, screen readers
    chat_*               the line front, which lives in the terminal's scrollback
    screen_*             the full screen

A front takes events from the talk's mailbox and shows them; it knows no backend. The
talk knows no screen. prompt_toolkit is imported by chat_* and screen_* and what they
share, never by the plain loop.
"""
