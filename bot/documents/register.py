"""The kinds of personal data, as the register and the notice name them: every table is in one.

Their words stand in `locales/<language>/documents.jinja`, as `<category>_name` and
`<category>_what`. A test compares them with the tables.
"""

CATEGORIES: dict[str, tuple[str, ...]] = {
    "identity": ("people", "accounts", "chats", "linkings"),
    "sessions": ("web_sessions", "return_codes", "redemptions", "throttles", "updates"),
    "reports": ("reports", "published_reports", "files", "drafts"),
    "conversations": (
        "conversations",
        "counted_messages",
        "deliveries",
        "notices",
        "inbox",
        "mutes",
    ),
    "letters": ("threads", "thread_messages"),
    "votes": ("polls", "electors", "ballots", "handovers", "texts", "text_versions"),
    "members": ("mandates", "grants", "invitations", "approvals"),
    "groups": ("working_groups", "memberships", "meetings", "meeting_answers"),
    "broadcasts": ("broadcasts",),
    "requests": ("data_requests", "data_exports"),
    "restrictions": ("restrictions", "restricted_addresses", "spent_voices"),
    "log": ("audit_entries", "audit_details", "erasures"),
    "machine": ("matrix_kept", "keys", "own_names"),
}
