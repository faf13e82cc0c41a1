"""What the README says is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from algstack.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_every_command_in_the_readme_exists() -> None:
    named = set(re.findall(r"\balgstack ([a-z]+)\b", README)) - {"makes"}
    assert named
    assert named <= set(COMMANDS)


def test_every_command_is_in_the_readme_and_has_help() -> None:
    for name, command in COMMANDS.items():
        assert f"algstack {name}" in README, name
        assert command.help, name


def test_every_option_has_help() -> None:
    for name, command in COMMANDS.items():
        for option in command.params:
            if option.param_type_name == "option":
                assert option.help, (name, option.name)


@pytest.mark.parametrize("option", sorted(set(re.findall(r"--[a-z]{2}[a-z-]*", README))))
def test_every_option_in_the_readme_exists(option: str) -> None:
    known = {name for command in COMMANDS.values() for parameter in command.params for name in parameter.opts}
    assert option in known | {"--help"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", README, re.MULTILINE))))
def test_every_make_target_in_the_readme_exists(target: tuple[str, str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_in_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
