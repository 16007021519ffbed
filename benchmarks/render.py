def render(here): pass
