"""The kinds of results that `ipi-es results` prints, and the columns of their tables."""

from __future__ import annotations

from ipi_es.cli.shared.output import Column

KINDS = ("incidents", "records", "influencers", "buckets", "overall")

COLUMNS = {
    "incidents": [
        Column("time", "Begins"),
        Column("until", "Ends"),
        Column("incident_score", "Score", score=True),
        Column("state", "State"),
        Column("who", "Who", wrap=True),
        Column("where", "From", wrap=True),
        Column("found", "Results", right=True),
        Column("why", "What happened", wrap=True, sentence=True),
    ],
    "records": [
        Column("time", "Time"),
        Column("record_score", "Score", score=True),
        Column("initial_record_score", "Initially", right=True),
        Column("partition_field_value", "Entity"),
        Column("by_field_value", "IP"),
        Column("probability", "Probability", right=True),
        Column("why", "Why", wrap=True, sentence=True),
    ],
    "influencers": [
        Column("time", "Time"),
        Column("influencer_score", "Score", score=True),
        Column("initial_influencer_score", "Initially", right=True),
        Column("probability", "Probability", right=True),
        Column("remarks", "Remarks"),
        Column("who", "Who and where", wrap=True),
        Column("reason", "Why", wrap=True, sentence=True),
    ],
    "buckets": [
        Column("time", "Time"),
        Column("anomaly_score", "Score", score=True),
        Column("initial_anomaly_score", "Initially", right=True),
        Column("event_count", "Events", right=True),
        Column("record_count", "Records", right=True),
        Column("remarks", "Remarks"),
        Column("why", "Why", wrap=True, sentence=True),
    ],
    "overall": [
        Column("time", "Time"),
        Column("overall_score", "Score", score=True),
        Column("jobs", "Jobs", wrap=True),
    ],
}
