"""Frames of a terminal whose size changes, and no signal tells."""

from __future__ import annotations

from prompt_toolkit.application import Application
from prompt_toolkit.layout import Layout, Window

from llmwrap.repl.chat_app import ChatApplication, DrawnApplication
from llmwrap.repl.rows import RowsControl

from .drawing import LONG_S, terminal


def test_a_resize_right_behind_the_first_frame_is_seen() -> None:
    """Nothing else is drawn that would show it by chance."""

    def end(error: Exception | None = None) -> None:
        if error and not app.is_done:
            app.exit(exception=error)
        elif not app.is_done:
            app.exit()

    def drawn(_: Application[None]) -> None:
        if screen.columns == 40:
            return end()
        screen.resize(40, 24)
        assert app.loop
        app.loop.call_later(LONG_S, end, TimeoutError("nothing was drawn"))
        return None

    with terminal(80, 24) as (screen, _, emulated):
        rows = RowsControl(lambda width, height: [[("", f"{width} wide")]])
        app = DrawnApplication(
            emulated, layout=Layout(Window(rows)), full_screen=True, after_render=drawn
        )
        app.run()

    assert "40 wide" in screen.raw


def test_what_comes_with_the_last_frame_is_written_once() -> None:
    taken = iter([("", 0)])

    def take() -> tuple[str, int]:
        return next(taken, ("the end\n", 0))

    with terminal(80, 24) as (screen, _, emulated):
        app = ChatApplication(
            emulated,
            take,
            layout=Layout(Window(RowsControl(lambda width, height: [[("", "row")]]))),
            after_render=lambda app: app.is_done or app.exit(),
        )
        app.run()

    assert screen.text().count("the end") == 1
    assert app.unwritten == ""
