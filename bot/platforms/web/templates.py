"""The templates of the pages, in one environment."""

from importlib.resources import files

from jinja2 import Environment, FunctionLoader

FOLDER = files("bot.platforms.web") / "page"
TEMPLATES = Environment(
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    loader=FunctionLoader(lambda name: (FOLDER / name).read_text("utf-8")),
)
# Lighter than by default, and the same each time.
TEMPLATES.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}
