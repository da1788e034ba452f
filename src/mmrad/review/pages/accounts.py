"""Accounts, for admins: who may log in, and what they may do."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui
from starlette.concurrency import run_in_threadpool

from mmrad.review.application import Application
from mmrad.review.pages.parts import box, button, card, cell, dialog, row, table, text, told
from mmrad.review.pages.shell import require
from mmrad.review.records import Role, User
from mmrad.review.store import Store

_MAY = {
    Role.VIEWER: "viewer: looks at everything",
    Role.ANNOTATOR: "annotator: reviews",
    Role.ADMIN: "admin: also queues, disputes, accounts",
}


class Accounts:
    """The part of the page with the accounts."""

    def __init__(self, application: Application, store: Store) -> None:
        self.application = application
        self.store = store
        with card("Accounts"):
            self.place = box("div", "accounts")

    async def refresh(self) -> None:
        """Show the accounts as they are now."""
        users = await run_in_threadpool(self.store.users)
        self.place.clear()
        with self.place:
            if not self.application.access.accounts:
                text("p", _WITHOUT, "soft")
            if users:
                with table("Accounts", ["Name", "Role", "State", ""]):
                    for user in users:
                        self._row(user)
            button("Add an account", self._ask_new, icon="person_add")

    def _row(self, user: User) -> None:
        with row(user.name):
            with cell():
                roles = {role: str(role) for role in Role}
                choice = ui.select(roles, value=user.role).props(f'aria-label="Role of {user.name}"')
                choice.on_value_change(
                    told(lambda event: self._change(self.store.set_role, user.name, event.value))
                )
            text("td", "active" if user.active else "may not log in")
            with cell("act"):
                button("New password", partial(self._ask_password, user.name))
                verb = "Deactivate" if user.active else "Activate"
                change = partial(self._change, self.store.set_active, user.name, not user.active)
                button(verb, change, "danger" if user.active else "plain")

    async def _act(self, act: Any, *values: Any) -> None:
        """Do something with an account as an admin."""
        require(self.application.person(), Role.ADMIN)
        await run_in_threadpool(act, *values)

    async def _change(self, act: Any, *values: Any) -> None:
        """Do something, and show how the accounts are then, whether it was possible or not."""
        try:
            await self._act(act, *values)
        finally:
            await self.refresh()

    def _ask_new(self) -> None:
        with dialog("Add an account") as asked:
            name = ui.input("Name").props("autocomplete=off")
            password = _password_field()
            role = ui.select(_MAY, label="Role", value=Role.ANNOTATOR)

            async def add() -> None:
                await self._act(self.store.add_user, name.value.strip(), password.value, role.value)
                asked.close()
                await self.refresh()

            with box("div", "buttons"):
                button("Add", add, "primary")
                button("Cancel", asked.close)

    def _ask_password(self, name: str) -> None:
        with dialog(f"New password for {name}") as asked:
            password = _password_field()
            text("p", f"{name} is logged out everywhere.", "fine")

            async def change() -> None:
                await self._act(self.store.set_password, name, password.value)
                asked.close()

            with box("div", "buttons"):
                button("Set", change, "primary")
                button("Cancel", asked.close)


_WITHOUT = (
    "Nobody has to log in, as only this machine reaches the application. Once there is an active account of "
    "an admin, everybody has to from the next start on."
)


def _password_field() -> ui.input:
    field = ui.input("Password (at least 12 characters)", password=True, password_toggle_button=True)
    return field.props("autocomplete=new-password")
