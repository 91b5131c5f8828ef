"""The page: controls, pictures and words around a session."""

import warnings
from contextlib import suppress
from dataclasses import replace
from functools import cache
from html import escape
from urllib.parse import urlencode

import numpy as np
import panel as pn
import panel_material_ui as pmui
from tornado.ioloop import IOLoop

from . import _captions as words
from ._controls import Controls, select
from ._figures import (
    Curves,
    Dots,
    Plane,
    disagreement,
    shade,
    shade_of_disagreement,
)
from ._layout import Code, Frame, html, outdated, part
from ._pipeline import write_program
from ._session import Session
from ._url import MARGIN, QUESTIONS, VIEWS, Page, read_address
from ._workers import Workers


@cache
def shared_workers():
    """Return the workers of this process, which all visitors share."""
    return Workers()


class View:
    """The page of one visitor."""

    def __init__(self, workers, page, wrong, later, is_served):
        self.session = Session(workers, page, self._paint, later)
        self.frame = Frame(has_address=is_served, width=0, height=0)
        self.frame.param.watch(lambda event: pn.state.onload(self._start), "is_drawn")
        self._is_served = is_served
        self._painted = None
        self.controls = Controls(page.setting, self._ask_setting, self._expect_setting)
        self._make_views(page)
        self._make_pictures()
        self._program = Code(sizing_mode="stretch_width")
        self.layout = self._lay_out()
        self.controls.show(page.setting, wrong)
        self._paint_controls()
        self._notice = "; ".join(
            text for name, text in wrong.items() if name not in self.controls.names
        )

    def _start(self):
        """Compute, now that there is somebody to see it: what comes earlier is lost."""
        self.session.ask(self.session.page)

    # ---- its parts

    def _make_views(self, page):
        self._questions = [
            pmui.Button(label=one.title, margin=(0, 4), size="small")
            for one in QUESTIONS
        ]
        for button, question in zip(self._questions, QUESTIONS, strict=True):
            button.on_click(lambda event, page=question.page: self._show_page(page))
        names = {text: name for name, text in VIEWS.items()}
        self._views = pmui.RadioButtonGroup(
            label="What to look at",
            options=names,
            value=page.view,
            size="small",
            margin=(4, 10),
            sx={
                "&.MuiToggleButtonGroup-root": {"flexWrap": "wrap"},
                "& button": {
                    "textTransform": "none",
                    "whiteSpace": "nowrap",
                    "width": "auto",
                },
            },
        )
        self._views.param.watch(self._ask_view, "value")
        quiet = {"variant": "outlined", "size": "small", "margin": (4, 4)}
        self._play = pmui.Button(label="Pause", **quiet)
        self._step = pmui.Button(label="One epoch", **quiet)
        self._keep = pmui.Button(label="Keep the present setting as A", **quiet)
        self._margin = select(
            "smallest difference of interest",
            list(MARGIN.options),
            value=page.margin,
            sizing_mode=None,
            width=230,
        )
        # What it said to the visitor is asked for: here it may say the other by now.
        self._play.js_on_click(
            args={"button": self._play, "frame": self.frame},
            code="frame.data.pressed = [button.data.label, Date.now()]",
        )
        self.frame.param.watch(lambda event: self._toggle(event.new[0]), "pressed")
        self._step.on_click(lambda event: self.session.step())
        self._keep.on_click(lambda event: self._keep_present())
        self._margin.param.watch(self._ask_margin, "value")

    def _make_pictures(self):
        self._plane, self._second = Plane("plane"), Plane("second")
        self._loss, self._accuracy = Curves("loss"), Curves("accuracy")
        self._dots = Dots("test_accuracy", "test accuracy")
        self._differences = Dots("difference", "test accuracy, B − A", has_zero=True)

    def _lay_out(self):
        title = html(
            "<h1>Playground</h1><p>A small Keras network, trained again whenever you "
            "change something: once, or with ten or thirty seeds, to see what is luck."
            "</p>"
        )
        self._sentence, self._status = html(css=":host {min-height: 22px}"), html()
        self._words = outdated(html())
        self._captions = {name: html() for name in ("plane", "second", "dots")}
        captions = self._captions
        self._second_part = outdated(
            part("second", self._second.figure, captions["second"])
        )
        side = outdated(
            part(
                "side",
                part("curve", self._loss.figure, html(words.KEY)),
                part("curve", self._accuracy.figure),
                part(
                    "curve",
                    *(self._dots.figure, self._differences.figure, captions["dots"]),
                ),
            )
        )
        plane = outdated(part("plane", self._plane.figure, captions["plane"]))
        buttons = self._play, self._step, self._keep, self._margin
        main = part(
            "main",
            part("views", pn.FlexBox(self._views, *buttons, align_items="end")),
            part("words", self._status, self._words),
            part("row", plane, self._second_part, side),
        )
        return part(
            "page",
            part("head", title, pn.FlexBox(*self._questions), self._sentence),
            main,
            part("controls", self.controls.view),
            part("code", self._program, self.frame),
        )

    # ---- what is asked

    def _ask(self, page):
        self._notice = ""
        self.frame.query = page.address()
        self.session.ask(page)

    def _ask_setting(self, setting):
        self.controls.show(setting)
        self._ask(replace(self.session.page, setting=setting))

    def _expect_setting(self, setting):
        self.session.expect(replace(self.session.page, setting=setting))

    def _ask_view(self, event):
        page = replace(self.session.page, view=event.new)
        if page != self.session.page:
            self._ask(page)

    def _ask_margin(self, event):
        if event.new != self.session.page.margin:
            self._ask(replace(self.session.page, margin=event.new))

    def _keep_present(self):
        page = replace(self.session.page, kept=self.session.page.setting, view="versus")
        self._show_page(page)

    def _show_page(self, page):
        self.controls.show(page.setting)
        self._ask(page)
        self._views.value, self._margin.value = page.view, page.margin

    def _toggle(self, said):
        if said == "Pause":
            self.session.pause()
        else:
            self.session.play()

    # ---- what is shown

    def _paint(self):
        with pn.io.hold():
            self._paint_controls()
            self._paint_words()
            state = self.session.shown
            if state != self._painted:
                self._painted = state
                self._paint_pictures()
        if not self._is_served:
            pn.io.push_notebook(self.layout)

    def _paint_controls(self):
        session, view = self.session, self.session.page.view
        self._play.visible = self._step.visible = view == "watch"
        self._play.label = "Pause" if session.is_playing else "Play"
        self._keep.visible = view != "watch"
        self._margin.visible = view == "versus"
        self._second_part.visible = view not in ("one", "watch")
        self._dots.figure.visible = view in ("ten", "thirty")
        self._differences.figure.visible = view == "versus"
        chosen = session.page.question
        for number, button in enumerate(self._questions, 1):
            button.variant = "outlined" if number == chosen else "text"
        sentence = QUESTIONS[chosen - 1].words if chosen else ""
        self._sentence.object = f"<p>{sentence}</p>"
        self._program.text = write_program(session.page)
        self.frame.is_stale = not session.is_current

    def _paint_words(self):
        session = self.session
        said = [("status", "status", session.status), ("status", "", session.remark)]
        problems = [self._notice, session.problem]
        fits = [*session.fits, *filter(None, [session.fit_of_a])]
        problems.append(words.describe_divergence(fits))
        said += [("alert", "problem", problem) for problem in problems]
        self._status.object = "".join(
            f'<p role="{role}" class="{kind}">{escape(text)}</p>'
            for role, kind, text in said
            if text
        )
        if session.page.view == "versus":
            self._words.object = words.describe_verdict(session)
        elif session.fits:
            self._words.object = words.describe_accuracy(session)

    def _paint_pictures(self):
        session = self.session
        page, fits = session.shown_page, session.fits
        maker, probas = page.setting.maker, np.stack([fit.proba for fit in fits])
        self._loss.show(fits, page.setting.epochs)
        self._accuracy.show(fits, page.setting.epochs)
        if page.view == "versus":
            self._paint_versus()
            return
        title = f"Mean of {len(fits)}" if page.view in ("ten", "thirty") else ""
        rgb = shade(probas.mean(0))
        self._plane.show(title or "The network's answer", maker, rgb, fits[0])
        self._caption("plane", words.OF_MEAN if title else words.OF_ONE)
        if title:
            share = shade_of_disagreement(disagreement(probas))
            self._second.show("Where they disagree", maker, share)
            self._caption("second", words.OF_SHARE)
            self._dots.show(session.accuracies, *session.mean_accuracy)
        self._caption("dots", words.OF_DOTS if title else "")

    def _paint_versus(self):
        session = self.session
        b, a = session.fits[0], session.fit_of_a
        maker = session.shown_page.setting.maker
        self._plane.show("B: the network's answer", maker, shade(b.proba), b)
        self._caption("plane", f"{words.OF_ONE} The curves are B's.")
        if a is not None:
            maker = session.shown_page.kept.maker
            self._second.show("A: the network's answer", maker, shade(a.proba), a)
            self._caption("second", "")
        row, mean, interval = session.verdict, None, None
        if row is not None:
            mean = row["effect"]
            interval = row["effect_ci_low"], row["effect_ci_high"]
        margin = session.page.margin
        self._differences.show(session.differences, mean, interval, margin)
        self._caption("dots", words.OF_DIFFERENCES)

    def _caption(self, name, text):
        self._captions[name].object = f'<p class="caption">{text}</p>'


# ---- a page for each visitor


def for_visitor():
    """Return the page for the visitor whom the server is just answering."""
    document = pn.state.curdoc
    query = document.session_context.request.arguments
    pairs = [(k, v.decode(errors="replace")) for k in query for v in query[k]]
    page, wrong = read_address(urlencode(pairs))

    def later(callback):
        with suppress(AttributeError):  # of a page that has just been closed
            document.add_next_tick_callback(callback)

    view = View(shared_workers(), page, wrong, later, is_served=True)
    pn.state.on_session_destroyed(lambda context: view.session.leave())
    return view.layout


def in_notebook():
    """Return the page for a notebook, whose event loop brings what workers say."""
    pn.extension(inline=True)
    with warnings.catch_warnings():
        # Outside a notebook there may be none: one is made, of which Python 3.12 warns.
        warnings.filterwarnings("ignore", "There is no current event loop")
        later = IOLoop.current().add_callback
    view = View(shared_workers(), Page(), {}, later, is_served=False)
    return view.layout
