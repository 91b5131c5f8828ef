"""The page: the controls, pictures and texts of a session."""

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

from . import _captions as captions
from ._controls import Controls, select
from ._figures import (
    Curves,
    Dots,
    Plane,
    disagreement,
    shade,
    shade_of_disagreement,
)
from ._layout import Code, Frame, grayed_if_stale, html, part
from ._pipeline import write_program
from ._session import Session
from ._url import MARGIN, QUESTIONS, VIEWS, Page, read_address
from ._workers import Workers


@cache
def shared_workers():
    """Return the workers of this process, shared by all visitors."""
    return Workers()


class View:
    """The page of one visitor."""

    def __init__(self, workers, page, notices, schedule, is_served):
        self.session = Session(workers, page, self._update, schedule)
        self.frame = Frame(has_address=is_served, width=0, height=0)
        self.frame.param.watch(lambda event: pn.state.onload(self._start), "is_drawn")
        self._is_served = is_served
        self._drawn_state = None
        self.controls = Controls(
            page.setting, self._request_setting, self._preview_setting
        )
        self._make_views(page)
        self._make_pictures()
        self._program = Code(sizing_mode="stretch_width")
        self.layout = self._lay_out()
        self.controls.show(page.setting, notices)
        self._update_controls()
        self._notice = " ".join(
            text for name, text in notices.items() if name not in self.controls.names
        )

    def _start(self):
        """Compute, now that the browser shows the page and no update is lost."""
        self.session.request(self.session.page)

    # ---- parts of the page

    def _make_views(self, page):
        self._questions = [
            pmui.Button(label=question.title, margin=(0, 4), size="small")
            for question in QUESTIONS
        ]
        for button, question in zip(self._questions, QUESTIONS, strict=True):
            button.on_click(lambda event, page=question.page: self._show_page(page))
        names = {label: name for name, label in VIEWS.items()}
        self._views = pmui.RadioButtonGroup(
            label="View",
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
        self._views.param.watch(self._request_view, "value")
        outlined = {"variant": "outlined", "size": "small", "margin": (4, 4)}
        self._play = pmui.Button(label="Pause", **outlined)
        self._step = pmui.Button(label="One epoch", **outlined)
        self._set_a = pmui.Button(label="Use this setting as A", **outlined)
        self._margin = select(
            "margin",
            list(MARGIN.options),
            value=page.margin,
            sizing_mode=None,
            width=230,
        )
        # Send the label that the visitor saw: by now, the label here may be different.
        self._play.js_on_click(
            args={"button": self._play, "frame": self.frame},
            code="frame.data.pressed = [button.data.label, Date.now()]",
        )
        self.frame.param.watch(lambda event: self._toggle(event.new[0]), "pressed")
        self._step.on_click(lambda event: self.session.step())
        self._set_a.on_click(lambda event: self._set_baseline())
        self._margin.param.watch(self._request_margin, "value")

    def _make_pictures(self):
        self._plane, self._second = Plane("plane"), Plane("second")
        self._loss, self._accuracy = Curves("loss"), Curves("accuracy")
        self._dots = Dots("test_accuracy", "test accuracy")
        self._differences = Dots("difference", "test accuracy, B − A", has_zero=True)

    def _lay_out(self):
        title = html(
            "<h1>Playground</h1><p>This page trains a small Keras network again when "
            "you change a parameter. Train it with 10 or 30 seeds to see how much of "
            "the result is luck.</p>"
        )
        self._hint, self._status = html(css=":host {min-height: 22px}"), html()
        self._summary = grayed_if_stale(html())
        panes = {name: html() for name in ("plane", "second", "dots")}
        self._captions = panes
        self._second_part = grayed_if_stale(
            part("second", self._second.figure, panes["second"])
        )
        side = grayed_if_stale(
            part(
                "side",
                part("curve", self._loss.figure, html(captions.CURVES)),
                part("curve", self._accuracy.figure),
                part(
                    "curve",
                    *(self._dots.figure, self._differences.figure, panes["dots"]),
                ),
            )
        )
        plane = grayed_if_stale(part("plane", self._plane.figure, panes["plane"]))
        buttons = self._play, self._step, self._set_a, self._margin
        main = part(
            "main",
            part("views", pn.FlexBox(self._views, *buttons, align_items="end")),
            part("words", self._status, self._summary),
            part("row", plane, self._second_part, side),
        )
        return part(
            "page",
            part("head", title, pn.FlexBox(*self._questions), self._hint),
            main,
            part("controls", self.controls.view),
            part("code", self._program, self.frame),
        )

    # ---- requests

    def _request(self, page):
        self._notice = ""
        self.frame.query = page.address()
        self.session.request(page)

    def _request_setting(self, setting):
        self.controls.show(setting)
        self._request(replace(self.session.page, setting=setting))

    def _preview_setting(self, setting):
        self.session.preview(replace(self.session.page, setting=setting))

    def _request_view(self, event):
        page = replace(self.session.page, view=event.new)
        if page != self.session.page:
            self._request(page)

    def _request_margin(self, event):
        if event.new != self.session.page.margin:
            self._request(replace(self.session.page, margin=event.new))

    def _set_baseline(self):
        page = self.session.page
        self._show_page(replace(page, baseline=page.setting, view="versus"))

    def _show_page(self, page):
        self.controls.show(page.setting)
        self._request(page)
        self._views.value, self._margin.value = page.view, page.margin

    def _toggle(self, label):
        if label == "Pause":
            self.session.pause()
        else:
            self.session.play()

    # ---- updates

    def _update(self):
        with pn.io.hold():
            self._update_controls()
            self._update_texts()
            state = self.session.shown
            if state != self._drawn_state:
                self._drawn_state = state
                self._update_pictures()
        if not self._is_served:
            pn.io.push_notebook(self.layout)

    def _update_controls(self):
        session, view = self.session, self.session.page.view
        self._play.visible = self._step.visible = view == "watch"
        self._play.label = "Pause" if session.is_playing else "Play"
        self._set_a.visible = view != "watch"
        self._margin.visible = view == "versus"
        self._second_part.visible = view not in ("one", "watch")
        self._dots.figure.visible = view in ("ten", "thirty")
        self._differences.figure.visible = view == "versus"
        selected = session.page.question
        for number, button in enumerate(self._questions, 1):
            button.variant = "outlined" if number == selected else "text"
        hint = QUESTIONS[selected - 1].hint if selected else ""
        self._hint.object = f"<p>{hint}</p>"
        self._program.text = write_program(session.page)
        self.frame.is_stale = not session.is_current

    def _update_texts(self):
        session = self.session
        messages = [
            ("status", "status", session.status),
            ("status", "", session.remark),
        ]
        problems = [self._notice, session.problem]
        fits = [*session.fits, *filter(None, [session.fit_of_a])]
        problems.append(captions.describe_divergence(fits))
        messages += [("alert", "problem", problem) for problem in problems]
        self._status.object = "".join(
            f'<p role="{role}" class="{kind}">{escape(text)}</p>'
            for role, kind, text in messages
            if text
        )
        if session.page.view == "versus":
            self._summary.object = captions.describe_verdict(session)
        elif session.fits:
            self._summary.object = captions.describe_accuracy(session)

    def _update_pictures(self):
        session = self.session
        page, fits = session.shown_page, session.fits
        maker, probas = page.setting.maker, np.stack([fit.proba for fit in fits])
        self._loss.show(fits, page.setting.epochs)
        self._accuracy.show(fits, page.setting.epochs)
        if page.view == "versus":
            self._update_comparison()
            return
        rgb = shade(probas.mean(0))
        if page.view in ("ten", "thirty"):
            self._plane.show(f"Mean of {len(fits)} networks", maker, rgb, fits[0])
            self._caption("plane", captions.MEAN)
            rgb = shade_of_disagreement(disagreement(probas))
            self._second.show("Where the networks disagree", maker, rgb)
            self._caption("second", captions.DISAGREEMENT)
            self._dots.show(session.accuracies, *session.mean_accuracy)
            self._caption("dots", captions.ACCURACIES)
        else:
            self._plane.show("Prediction of the network", maker, rgb, fits[0])
            self._caption("plane", captions.ONE_NETWORK)
            self._caption("dots", "")

    def _update_comparison(self):
        session = self.session
        b, a = session.fits[0], session.fit_of_a
        maker = session.shown_page.setting.maker
        self._plane.show("B: prediction of the network", maker, shade(b.proba), b)
        self._caption("plane", f"{captions.ONE_NETWORK} The curves show B.")
        if a is not None:
            maker = session.shown_page.baseline.maker
            self._second.show("A: prediction of the network", maker, shade(a.proba), a)
            self._caption("second", "")
        row, mean, interval = session.verdict, None, None
        if row is not None:
            mean = row["effect"]
            interval = row["effect_ci_low"], row["effect_ci_high"]
        margin = session.page.margin
        self._differences.show(session.differences, mean, interval, margin)
        self._caption("dots", captions.DIFFERENCES)

    def _caption(self, name, text):
        self._captions[name].object = f'<p class="caption">{text}</p>'


# ---- a page for each visitor


def for_visitor():
    """Return the page for the current visitor of the server."""
    document = pn.state.curdoc
    query = document.session_context.request.arguments
    pairs = [(k, v.decode(errors="replace")) for k in query for v in query[k]]
    page, notices = read_address(urlencode(pairs))

    def schedule(callback):
        with suppress(AttributeError):  # raised if the page has just been closed
            document.add_next_tick_callback(callback)

    view = View(shared_workers(), page, notices, schedule, is_served=True)
    pn.state.on_session_destroyed(lambda context: view.session.cancel())
    return view.layout


def in_notebook():
    """Return the page for a notebook, whose event loop delivers worker events."""
    pn.extension(inline=True)
    with warnings.catch_warnings():
        # Outside a notebook, Tornado may create a loop, and Python 3.12 warns.
        warnings.filterwarnings("ignore", "There is no current event loop")
        schedule = IOLoop.current().add_callback
    view = View(shared_workers(), Page(), {}, schedule, is_served=False)
    return view.layout
