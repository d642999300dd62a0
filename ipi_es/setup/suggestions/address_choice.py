"""Choose the client's address of a log, and how lists and private addresses are read."""

from __future__ import annotations

from ipi_es.lists import some
from ipi_es.setup.checks.check_finding import percent
from ipi_es.setup.checks.proposals import address_fields, propose
from ipi_es.setup.contents.client_addresses import AddressFigures, address_figures, hidden_client, is_no_place
from ipi_es.setup.facts.field_roles import IP, readable
from ipi_es.setup.suggestions.draft import Draft
from ipi_es.setup.suggestions.log_sample import LogSample

LISTS = 0.01
"""Share of texts with several addresses from which `ip_pick` is set."""

HIDDEN_SHOWN = 3
"""Fields with other addresses that are named."""

PRIVATE_NOTED = 0.01
"""Share of private addresses from which a note says so."""


def choose_address(log: LogSample) -> tuple[str | None, list[str]]:
    """Return the field with the client's address, by its contents and then by its name, and notes on the choice."""
    chosen = propose(IP, IP.usual[0], log.types, log.sample)
    if chosen is None:
        return None, []
    own = chosen.removesuffix(".keyword")
    others = [name for name in address_fields(log.sample) if name != own and readable(IP, name, log.types)]
    figures = address_figures(log.sample, chosen)
    hidden = [found for name in others if (found := hidden_client(address_figures(log.sample, name), [figures]))]
    return chosen, [f"addresses: {_text(figures)}", *(each.text for each in hidden[:HIDDEN_SHOWN])]


def read_addresses(draft: Draft, log: LogSample) -> None:
    """Set `ip_pick` for texts with several addresses, and `ignore_private` for proxies and for what is no place."""
    figures = address_figures(log.sample, draft.job.ip_field)
    if figures.lists >= LISTS:
        draft.feed["ip_pick"] = "public"
        draft.notes.append(
            f"{_percent(figures.lists)} of the addresses are lists: ip_pick takes the last public one of each"
        )
    if figures.several:
        several = f"{_percent(figures.several)} of the events have several addresses"
        if figures.one_public:
            draft.feed["ignore_private"] = True
            draft.notes.append(f"{several}, at most one of them public: ignore_private leaves the others out")
        else:
            draft.notes.append(f"{several}: each counts; let an ingest pipeline keep the client's own")
    _leave_out_no_places(draft, log, figures)
    if figures.several or figures.private <= figures.no_place:
        return
    if PRIVATE_NOTED <= figures.private < 1:
        draft.notes.append(
            f"{_percent(figures.private)} of the addresses are private: they count; ignore_private: true would leave "
            "them out, if a proxy or a translator stands behind them"
        )
    elif figures.private == 1:
        draft.notes.append("all sampled addresses are private: right within a network, wrong behind a proxy")


def _leave_out_no_places(draft: Draft, log: LogSample, figures: AddressFigures) -> None:
    """Let the query leave out unspecified and loopback addresses, unless nothing else is there."""
    if not 0 < figures.no_place < 1 or draft.feed.get("ignore_private"):
        return
    found = [text for text in log.sample.held(figures.name).values if is_no_place(text)]
    draft.leave_out(figures.name, sorted(found))
    draft.notes.append(
        f"{_percent(figures.no_place)} of the addresses are no place ({some(sorted(found))}): left out by the query"
    )


def _text(figures: AddressFigures) -> str:
    text = f"{figures.name} has {figures.addresses:,} in {figures.filled:,} sampled events"
    return text if figures.parsable == 1 else f"{text}; {_percent(1 - figures.parsable)} of the values are none"


def _percent(share: float) -> str:
    return percent(share, 1.0)
