"""The operator's commands of a service, by whatever way they are run."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any


class Operated(ABC):
    """A service whose operator's commands can be run on its host."""

    @abstractmethod
    def operate(self, *words: str, failure: str) -> str:
        """Runs an operator's command with the service's settings.

        Args:
            words: the command and its arguments.
            failure: first words of the error.

        Returns:
            The command's output.

        Raises:
            Inconclusive: the command fails.
        """

    def census(self) -> dict[str, Any]:
        """Returns the census that the operator's command prints, by organization id.

        Raises:
            Inconclusive: the command fails.
        """
        listed = json.loads(self.operate("census", "--json", failure="there is no census"))
        return {each["id"]: each for each in listed["organizations"]}

    def reset_link(self, email: str) -> str:
        """Makes a password reset link by the operator's command.

        Returns:
            The token in the link.

        Raises:
            Inconclusive: the command fails.
        """
        link = self.operate("admin", "reset-link", email, failure="there is no password reset link")
        return link.strip().partition("token=")[2]
