"""A button that is off does nothing however it is pressed; the code opens a session and nothing else does."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from ui.session import acting

CODE = "a-code-of-this-test"


def forged() -> None:
    """A page with a button and a form that are off."""
    import streamlit as st

    from ui.components import act

    if act.button("Promote", "not you", "promote"):
        st.write("promoted")
    if act.confirmed("Withdraw", "for good", "not you", "withdraw") is not None:
        st.write("withdrawn")


def opening() -> None:
    """A page that tries the code of its address."""
    import streamlit as st

    from ui.session import acting

    acting.unlock_from_link()
    st.write(f"unlocked {acting.unlocked()} as {acting.principal()}")


def test_a_press_that_is_forged_does_nothing() -> None:
    app = AppTest.from_function(forged).run()
    assert [b.disabled for b in app.button] == [True, True]
    app.text_input[0].input("because")
    app.checkbox[0].check()
    for button in app.button:
        button.proto.disabled = False  # what an attacker's own client would ignore
        button.click()
    app.run()
    assert not app.exception
    assert [m.value for m in app.markdown] == []
    assert [c.value for c in app.caption] == ["not you", "not you"]


@pytest.mark.parametrize("code", [None, "", "guessed", CODE[:-1], f"{CODE} ", "\N{GREEK SMALL LETTER ALPHA}"])
def test_only_the_code_opens(code: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_BROWSER_CODE", CODE)
    app = AppTest.from_function(opening)
    if code is not None:
        app.query_params[acting.CODE] = code
    assert app.run().markdown[0].value == "unlocked False as viewer"


def test_the_code_opens_once_shown_and_leaves_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_BROWSER_CODE", CODE)
    app = AppTest.from_function(opening)
    app.query_params[acting.CODE] = CODE
    app.session_state[acting.ACTING] = "releaser"
    assert app.run().markdown[0].value == "unlocked True as releaser"
    assert acting.CODE not in app.query_params
    assert app.run().markdown[0].value == "unlocked True as releaser"


def test_without_a_code_of_this_process_nothing_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_BROWSER_CODE", raising=False)
    app = AppTest.from_function(opening)
    app.query_params[acting.CODE] = ""
    app.session_state[acting.ACTING] = "releaser"
    assert app.run().markdown[0].value == "unlocked False as viewer"
