"""What looks like the move of a group to another network, and isn't: no attack is taken for one, or hidden by one."""

from __future__ import annotations

from typing import Any

from adversary.company import DAY, HOUR, Company, SignIn, worst

CRITICAL = 75.0
NIGHT, MORNING = 3 * DAY + 2 * HOUR, 3 * DAY + 10 * HOUR
"""After the start of scoring; the offices are empty at night."""
PROXY = "198.51.7"


def signed_in(company: Company, who: list[str], begin: int, host: int = 9) -> list[SignIn]:
    """One success of each from one address."""
    return [SignIn(company.start + begin + 20 * i, name, f"{PROXY}.{host}") for i, name in enumerate(who)]


def alarms(documents: list[dict[str, Any]], begin: int) -> list[dict[str, Any]]:
    """Critical records and influencers of the network from a time on that repeat nothing."""
    kinds = {"record": "initial_record_score", "influencer": "initial_influencer_score"}
    return [
        each
        for each in documents
        if each["result_type"] in kinds
        and each[kinds[each["result_type"]]] >= CRITICAL
        and "repeat_of" not in each
        and each["timestamp"] // 1_000 >= begin
        and any(PROXY in str(each.get(name)) for name in ("by_field_value", "influencer_field_value", "top_ips"))
    ]


def test_phished_accounts_at_work_are_no_move(company: Company) -> None:
    """A phisher's proxy gets many accounts while their colleagues work where they always do."""
    people = company.people(24, 21)
    attack = [
        each for hour in range(3) for each in signed_in(company, people[8 * hour : 8 * hour + 8], MORNING + hour * HOUR)
    ]
    documents = company.scored(attack)
    assert not [each for each in documents if "egress_move" in each]
    assert worst(documents, attack, company.start + MORNING, company.start + MORNING + HOUR) >= CRITICAL


def test_a_fifth_of_a_company_phished_at_work_is_no_move(company: Company) -> None:
    """So many share home networks and carriers of which some are empty in any hour: that is no former network."""
    attack = []
    for hour in range(8, 18):
        people = company.people(40, 100 + hour)
        begin = company.start + DAY + hour * HOUR
        attack += [SignIn(begin + 20 * i, name, f"198.51.{hour}.9") for i, name in enumerate(people)]
    assert not [each for each in company.scored(attack, days=2) if "egress_move" in each]


def test_phished_accounts_at_night_are_reported_and_again_once_the_day_begins(company: Company) -> None:
    people = company.people(40, 22)
    night = signed_in(company, people[:10], NIGHT)
    day = [*signed_in(company, people[10:25], MORNING), *signed_in(company, people[25:], MORNING + HOUR, host=10)]
    documents = company.scored([*night, *day])
    assert worst(documents, night, company.start + NIGHT, company.start + NIGHT + HOUR) >= CRITICAL
    assert alarms(documents, company.start + MORNING)
    moved = [each for each in documents if "egress_move" in each]
    assert all(each["timestamp"] // 1_000 < company.start + MORNING for each in moved)


def test_six_accounts_of_an_attacker_are_no_group(company: Company) -> None:
    """Three of the attacker and three that a spraying got into, from a network that nobody knows, at night."""
    people = company.people(6, 23)
    first = signed_in(company, people, NIGHT)
    takeover = [SignIn(company.start + NIGHT + HOUR + i, people[5], f"{PROXY}.{20 + i}") for i in range(4)]
    documents = company.scored([*first, *takeover])
    assert not [each for each in documents if "egress_move" in each]
    begin = company.start + NIGHT + HOUR
    alone = worst(company.scored(takeover), takeover, begin, begin + HOUR)
    assert worst(documents, takeover, begin, begin + HOUR) >= min(alone, CRITICAL)
