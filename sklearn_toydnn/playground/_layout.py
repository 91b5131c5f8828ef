"""The layout of the page, and its two custom components."""

import panel as pn
import param

# On phones all parts form one column. The picture stays visible while controls scroll.
_STYLES = {
    "page": """
        :host {display: grid; grid-template-columns: 290px minmax(0, 1fr); gap: 0 16px;
          grid-template-areas: "head head" "controls main" "code code";
          max-width: 1900px; margin: 0 auto; padding: 0 12px; align-items: start}
        @media (max-width: 800px) {:host {display: flex; flex-direction: column;
          padding: 0 4px; align-items: stretch}}
        """,
    "head": "@media (max-width: 800px) {:host {order: 1}}",
    "main": "@media (max-width: 800px) {:host {display: contents}}",
    "views": "@media (max-width: 800px) {:host {order: 2}}",
    "words": """
        :host {min-height: 64px}
        @media (max-width: 800px) {:host {order: 4; min-height: 0}}
        """,
    "row": """
        :host {flex-flow: row wrap; align-items: flex-start; gap: 0 12px}
        @media (max-width: 800px) {:host {display: contents}}
        """,
    "plane": """
        :host {flex: 1 1 380px; max-width: min(640px, 58vh)}
        @media (max-width: 800px) {:host {order: 3; position: sticky; top: 0;
          z-index: 5; flex: none; background: white; width: min(100%, 50vh);
          align-self: center}}
        """,
    "second": """
        :host {flex: 1 1 380px; max-width: min(640px, 58vh)}
        @media (max-width: 800px) {:host {order: 5; flex: none; max-width: none}}
        """,
    "side": """
        :host {flex: 1 1 280px; flex-flow: row wrap; gap: 0 12px}
        @media (max-width: 800px) {:host {order: 7; flex: none}}
        """,
    "curve": ":host {flex: 1 1 270px}",
    "controls": """
        @media (min-width: 801px) {:host {position: sticky; top: 0; max-height: 98vh;
          overflow-y: auto}}
        @media (max-width: 800px) {:host {order: 6}}
        """,
    "code": "@media (max-width: 800px) {:host {order: 8}}",
}
_GRAYED_IF_STALE = (
    ":host {opacity: var(--opacity, 1); transition: opacity 0.2s var(--delay, 0s)}"
)
_TEXT = """
h1 {font-size: 1.5em; margin: 8px 0 0} h2 {font-size: 1em; margin: 4px 0}
p {margin: 2px 0; font-size: 1.05em}
.problem {color: #b00020} .verdict {font-size: 1.2em}
.caption {font-size: 0.95em; color: #555; margin: 0 0 6px}
"""


def part(name, *items):
    """Return a column of items in the named area of the layout."""
    return pn.Column(
        *items,
        stylesheets=[_STYLES[name]],
        styles={"grid-area": name},
        sizing_mode="stretch_width",
        margin=0,
    )


def html(text="", css=""):
    """Return a pane with an HTML text."""
    return pn.pane.HTML(
        text, stylesheets=[_TEXT, css], sizing_mode="stretch_width", margin=(0, 10)
    )


def grayed_if_stale(item):
    """Gray an item while the shown result is stale; return the item."""
    item.stylesheets = [*item.stylesheets, _GRAYED_IF_STALE]
    return item


class Frame(pn.custom.JSComponent):
    """The address of the page, and the graying of stale pictures.

    A new address replaces the old one, without an entry in the browser's history. A CSS
    variable grays the pictures, because a new CSS class would make Panel redraw them.
    """

    query = param.String()
    is_stale = param.Boolean()
    has_address = param.Boolean()
    is_drawn = param.Boolean()  # set by the browser
    pressed = param.List()  # label of the Play button when it was pressed, and the time
    _esm = """
    export function render({model, el}) {
      let root = el;
      while (root.getRootNode() instanceof ShadowRoot) root = root.getRootNode().host;
      const gray = () => {
        root.style.setProperty("--opacity", model.is_stale ? 0.4 : 1);
        // The delay avoids flicker when the new result arrives quickly.
        root.style.setProperty("--delay", model.is_stale ? "0.4s" : "0s");
      };
      const show = () => {
        if (!model.has_address) return;
        const query = model.query ? "?" + model.query : window.location.pathname;
        window.history.replaceState(null, "", query);
      };
      model.on("query", show);
      model.on("is_stale", gray);
      model.is_drawn = true;
    }
    """


class Code(pn.custom.JSComponent):
    """The generated program, with a button that copies it."""

    text = param.String()
    _stylesheets = [
        """
        summary {cursor: pointer; font-size: 1.1em; padding: 8px 0}
        pre {background: #f6f6f6; padding: 12px; overflow-x: auto; margin: 8px 0;
             font-size: 13px; line-height: 1.4}
        button {font: inherit; padding: 6px 14px; cursor: pointer}
        """
    ]
    _esm = """
    export function render({model}) {
      const details = document.createElement("details");
      details.innerHTML =
        '<summary>Show the code</summary><button type="button">Copy</button>' +
        '<pre tabindex="0" aria-label="Program"><code></code></pre>';
      const code = details.querySelector("code");
      const button = details.querySelector("button");
      const show = () => {
        code.textContent = model.text;
        button.textContent = "Copy";
      };
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(model.text);
        button.textContent = "Copied";
      });
      model.on("text", show);
      show();
      return details;
    }
    """
