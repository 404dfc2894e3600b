"""Names of the components that callbacks, style sheets and scripts know them by."""

# Where the reader is.
LOCATION = "location"
ARRIVAL = "arrival"
ADDRESS = "address"
STATE = "state"
ZOOM = "zoom"

# What is shown.
SYMBOL = "symbol"
EXCHANGES = "exchanges"
WINDOW = "window"
START = "start"
STOP = "stop"
CUSTOM_RANGE = "custom-range"
MODEL = "model"
PROFILE = "profile"
SIDE_RULE = "side-rule"

# How it is shown.
MAPPING = "mapping"
PALETTE = "palette"
LAYERS = "layers"
INTENSITY = "intensity"
THEME = "theme"
THEME_TOGGLE = "theme-toggle"
LEGEND = "legend"
LEGEND_VALUES = "legend-values"

# The picture and what belongs to it.
FRAME = "frame"
HEATMAP = "heatmap"
MESSAGE = "message"
KEY_FIGURES = "key-figures"
PROVENANCE = "provenance"
SIMULATED = "simulated"
NOTICE = "notice"
NOTICE_BAR = "notice-bar"
NOTICE_CLOSE = "notice-close"
SHOWN = "shown"
CURSOR = "cursor"
READING = "reading"
READING_CARD = "reading-card"
READING_KEY = "reading-key"

# What moves by itself.
LIVE = "live"
LIVE_CONTROL = "live-control"
LIVE_SIGN = "live-sign"
CLOCK = "clock"
PULSE = "pulse"
FRESH = "fresh"

# Dialogs and actions.
COPY_LINK = "copy-link"
HELP = "help"
HELP_DIALOG = "help-dialog"
PROFILE_DIALOG = "profile-dialog"
PROFILE_TEXT = "profile-text"
PROFILE_CHECK = "profile-check"
PROFILE_PREVIEW = "profile-preview"
PROFILE_APPLY = "profile-apply"
PROFILE_CANCEL = "profile-cancel"
