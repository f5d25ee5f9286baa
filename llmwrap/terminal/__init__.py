"""What stands between a model's words and a terminal: colour, layout, safety.

`sanitize` makes control characters visible, `style` colours the labels on
stderr, `markdown` renders an answer while it streams. The modules between the
last two and the screen: `blocks` splits Markdown as it arrives, `fitting`
commits what grows too high to be redrawn, `render` turns a block into rows,
`region` redraws the rows that are still open.

Not for: deciding whether there is a terminal (the caller knows), nor for a
pipe, which gets the model's text byte for byte.

Nothing is imported here: `sanitize` is on the path of every run and
rich, which `render` needs, costs a hundred times as much.
"""
